// `npm run ok`: everything that must hold for a commit, in under a minute: format, lint, types,
// tidy and the fast tests. Runs all of them, so one run shows every finding.

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tool = (name: string): string => join(root, "node_modules", ".bin", name);

const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["format", tool("oxfmt"), ["--check", "."]],
  ["lint", tool("oxlint"), ["--quiet", "."]],
  ["types", tool("tsc"), ["--noEmit"]],
  ["tidy", process.execPath, [join(root, "scripts", "tidy.ts")]],
  ["tests", process.execPath, [join(root, "scripts", "test.ts"), "fast"]],
];

const failed: string[] = [];
for (const [name, command, args] of steps) {
  const startedAtMs = performance.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  const tookS = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${tookS} s)`);
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? "ok" : `not ok: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
