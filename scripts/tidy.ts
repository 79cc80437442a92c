// The style guide, executed: walks the tracked files, applies tidy-rules.ts to each and prints
// one line per finding. Exit code 1 when there is any.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkExports } from "./tidy-exports.ts";
import { checkSource, checkWords, type SourceFile } from "./tidy-rules.ts";

const root = join(import.meta.dirname, "..");

function trackedFiles(): string[] {
  const listing = spawnSync(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "-z"],
    { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 },
  );
  if (listing.status !== 0) throw new Error(`Cannot list files: git says ${listing.stderr}`);
  return listing.stdout.split("\0").filter((path) => path !== "");
}

function readText(path: string): string | null {
  try {
    const text = readFileSync(join(root, path), "utf8");
    return text.includes("\0") ? null : text;
  } catch {
    return null; // deleted but still in the index
  }
}

const files = trackedFiles().flatMap((path): SourceFile[] => {
  const text = readText(path);
  return text === null || path === "LICENSE" ? [] : [{ path, text }];
});
const isSource = ({ path }: SourceFile): boolean =>
  /^(?:src|scripts|test|bench)\/.*\.ts$/.test(path);
const findings = [
  ...files.flatMap((file) => (isSource(file) ? checkSource : checkWords)(file)),
  ...checkExports(files.filter(isSource)),
];

for (const { path, line, message } of findings) console.log(`${path}:${line}: ${message}`);
console.log(findings.length === 0 ? "tidy: all in order" : `tidy: ${findings.length} finding(s)`);
process.exitCode = findings.length === 0 ? 0 : 1;
