// Builds what is published into dist/: JavaScript bundles (Node strips no types inside
// node_modules) with a manifest of their own, and a compile cache, so that a cold start neither
// resolves hundreds of files nor compiles them. Commands load lazily, so the bundle is split.

import { execFileSync } from "node:child_process";
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

const entry = `#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
enableCompileCache(fileURLToPath(new URL("./cache", import.meta.url)));
await import("./sriovctl.js");
`;

export async function buildDist(): Promise<string> {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  await build({
    entryPoints: [join(root, "src", "bin", "sriovctl.ts")],
    outdir: dist,
    bundle: true,
    splitting: true,
    minify: true,
    keepNames: true,
    format: "esm",
    platform: "node",
    target: "node26",
    external: shipped,
    logLevel: "warning",
    // Bundled CommonJS packages ask for Node's own modules by require().
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
  writeFileSync(join(dist, "cli.js"), entry, { mode: 0o755 });
  const { version, description, license, dependencies } = manifest;
  const published = {
    name: "sriovctl",
    version,
    description,
    license,
    type: "module",
    bin: { sriovctl: "cli.js" },
    engines: { node: ">=26" },
    dependencies: Object.fromEntries(
      Object.entries(dependencies).filter(([name]) => shipped.includes(name)),
    ),
  };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  cpSync(join(root, "LICENSE"), join(dist, "LICENSE"));
  return join(dist, "cli.js");
}

if (import.meta.main) {
  const cli = await buildDist();
  // The first run of each command fills the cache.
  execFileSync(process.execPath, [cli, "--help"], { stdio: "ignore" });
  console.log(cli);
}
