// Builds what is published into dist/: one JavaScript file (Node strips no types inside
// node_modules), the code that V8 compiled from it, and a manifest. A cold start is most of what a
// short command costs, so it reads two files and compiles nothing. The compiled code is shipped
// rather than cached at run time: a root tool must not run code from a directory that others write.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

type Manifest = {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
};

// Everything else is in the bundle; koffi finds its shared library beside itself.
const shipped = ["koffi"];

/** As src/bin/sriovctl.ts, which may await at the top; a CommonJS file may not. */
const bundleEntry = `
import { runWriter } from "./src/host/linux/writer-child.ts";
import { main, reportCrash } from "./src/cli/main.ts";
import { processIo } from "./src/cli/io.ts";
import { hosts } from "./src/bin/hosts.ts";
const [word, root = "/", runDirectory = "/run/sriovctl"] = process.argv.slice(2);
// A bundle is also its own writer child.
if (word === "__perform") runWriter(root, runDirectory);
else {
  const argv = process.argv.slice(2);
  const io = processIo();
  process.on("uncaughtException", (error) => process.exit(reportCrash(error, argv, io)));
  main(argv, io, hosts).then((code) => { process.exitCode = code; });
}
`;

/** V8 takes its compiled code back only for the same source and version, and says so. */
const starter = `#!/usr/bin/env node
"use strict";
const { readFileSync, writeFileSync } = require("node:fs");
const { Script } = require("node:vm");
const bundle = __dirname + "/sriovctl.cjs";
const compiled = __dirname + "/sriovctl.v8";
const isBuilding = process.env.SRIOVCTL_COMPILE === bundle;
let cachedData;
try {
  if (!isBuilding) cachedData = readFileSync(compiled);
} catch {
  // Slower, but the same program.
}
const parameters = "(function (exports, require, module, __filename, __dirname) {";
// The bundle ends with a line end.
const source = parameters + readFileSync(bundle, "latin1") + "})";
const script = new Script(source, { filename: bundle, cachedData });
if (isBuilding) {
  process.on("exit", () => writeFileSync(compiled, script.createCachedData()));
}
script.runInThisContext()(exports, require, module, bundle, __dirname);
`;

function writeManifest(): void {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { version, description, license, dependencies } = manifest;
  const published = {
    name: "sriovctl",
    version,
    description,
    license,
    bin: { sriovctl: "cli.cjs" },
    engines: { node: ">=26" },
    dependencies: Object.fromEntries(
      Object.entries(dependencies).filter(([name]) => shipped.includes(name)),
    ),
  };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** Writes dist/ and returns the path of its command. */
export async function buildDist(): Promise<string> {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  await build({
    stdin: { contents: bundleEntry, resolveDir: root, loader: "ts" },
    outfile: join(dist, "sriovctl.cjs"),
    bundle: true,
    minify: true,
    charset: "ascii",
    format: "cjs",
    platform: "node",
    target: "node26",
    external: shipped,
    define: {
      "import.meta.dirname": "__dirname",
      "import.meta.filename": "__filename",
      "import.meta.url": "__filename",
    },
    logLevel: "warning",
  });
  const cli = join(dist, "cli.cjs");
  writeFileSync(cli, starter, { mode: 0o755 });
  writeManifest();
  cpSync(join(root, "LICENSE"), join(dist, "LICENSE"));
  cpSync(join(root, "examples"), join(dist, "examples"), { recursive: true });
  // One run of the commonest command, so that what it calls is among the compiled code.
  const env = { ...process.env, SRIOVCTL_COMPILE: join(dist, "sriovctl.cjs") };
  const argv = [cli, "list", "--json"];
  const { status, stderr } = spawnSync(process.execPath, argv, { env, encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot run what was built: ${stderr}`);
  return cli;
}

if (import.meta.main) console.log(await buildDist());
