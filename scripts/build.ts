// Bundles the program: one JavaScript file (Node strips no types inside node_modules) and the code
// that V8 compiled from it. A cold start is most of what a short command costs, so a list reads two
// files and compiles nothing; other commands compile the rest of the bundle (bundle.ts). The compiled
// code is shipped rather than cached at run time: a root tool must not run code from a directory that
// others write.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nicHost, writeFakeSysfs } from "../test/fake-sysfs.ts";
import { bundleProgram } from "./bundle.ts";

const root = join(import.meta.dirname, "..");
const packageFolder = join(root, "dist", "package");

type Manifest = {
  readonly version: string;
  readonly description: string;
  readonly license: string;
};

export const readManifest = (): Manifest =>
  JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The parameters of a CommonJS module; the bundle ends with a line end. */
export const moduleStart = "(function (exports, require, module, __filename, __dirname) {";
export const moduleEnd = "})";

/** V8 takes its compiled code back only for the same source and version, and says so. */
const starter = `#!/usr/bin/env node
"use strict";
if (Number.parseInt(process.versions.node, 10) < 26) {
  console.error("sriovctl: Cannot start: this is Node " + process.versions.node + ", wanted 26 or newer");
  process.exit(2);
}
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
const source = "${moduleStart}" + readFileSync(bundle, "latin1") + "${moduleEnd}";
// Not its path: the compiled code contains the name, and shall be the same in every folder.
const script = new Script(source, { filename: "sriovctl.cjs", cachedData });
if (isBuilding) {
  process.on("exit", () => writeFileSync(compiled, script.createCachedData()));
}
script.runInThisContext()(exports, require, module, bundle, __dirname);
`;

/**
 * One run of the commonest command, so that what it calls is among the compiled code. On a tree
 * that is always the same, and in V8's predictable mode (one thread, fixed seeds): so the compiled
 * code is the same in each build, and V8 takes it in its usual mode too.
 */
function compile(cli: string): void {
  const folder = mkdtempSync(join(tmpdir(), "sriovctl-build-"));
  try {
    writeFakeSysfs(folder, nicHost(2, 16));
    const env = {
      PATH: process.env["PATH"],
      SRIOVCTL_COMPILE: join(packageFolder, "sriovctl.cjs"),
      SRIOVCTL_STATE_DIR: join(folder, "state"),
      SRIOVCTL_RUN_DIR: join(folder, "run"),
    };
    const argv = ["--predictable", cli, "--host", `linux:${folder}`, "list", "--json"];
    const { status, stderr } = spawnSync(process.execPath, argv, { env, encoding: "utf8" });
    if (status !== 0) throw new Error(`Cannot run what was built: ${stderr}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeManifest(): void {
  const { version, description, license } = readManifest();
  const published = {
    name: "sriovctl",
    version,
    description,
    license,
    bin: { sriovctl: "cli.cjs" },
    engines: { node: ">=26" },
    os: ["linux"],
  };
  writeFileSync(join(packageFolder, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** Writes dist/package, the content of the npm package, and returns the path of its command. */
export async function buildPackage(): Promise<string> {
  rmSync(packageFolder, { recursive: true, force: true });
  mkdirSync(packageFolder, { recursive: true });
  writeFileSync(join(packageFolder, "sriovctl.cjs"), await bundleProgram());
  const cli = join(packageFolder, "cli.cjs");
  writeFileSync(cli, starter, { mode: 0o755 });
  writeManifest();
  for (const name of ["LICENSE", "examples"]) {
    cpSync(join(root, name), join(packageFolder, name), { recursive: true });
  }
  compile(cli);
  return cli;
}

if (import.meta.main) console.log(await buildPackage());
