// `npm run bench [NAME...]`: runs the benchmark programs of this folder one after another, each in
// a process of its own, prints their tables and keeps the last whole run in docs/benchmarks.md
// with the machine's description.

import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { formatRows, type BenchRow } from "./row.ts";

const folder = import.meta.dirname;
const suffix = ".bench.ts";

const programs = readdirSync(folder)
  .filter((name) => name.endsWith(suffix))
  .map((name) => name.slice(0, -suffix.length));

function run(name: string): BenchRow[] | null {
  console.error(`bench ${name} ...`);
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(folder, `${name}${suffix}`), "--json"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 24 },
  );
  if (status !== 0) return null;
  const rows: BenchRow[] = JSON.parse(stdout);
  console.log(`\n${name}\n${formatRows(rows)}\n`);
  return rows;
}

const asked = process.argv.slice(2);
const names = asked.length === 0 ? programs : asked;
const results = names.map((name) => ({ name, rows: run(name) }));

const machine = [
  `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}`,
  `${Math.round(totalmem() / 2 ** 30)} GiB`,
  // Without what a distribution or its owner appends.
  `Linux ${release().replace(/-.*/, "")}`,
  `Node ${process.versions.node}`,
].join(", ");

if (asked.length === 0) {
  const sections = results.map(({ name, rows }) => {
    const table = rows === null ? "did not finish" : formatRows(rows);
    return `## ${name}\n\n\`\`\`\n${table}\n\`\`\`\n`;
  });
  const text = [
    "# Benchmarks",
    "",
    "The last whole run of `npm run bench`. Ratios come from interleaved rounds in one run and CPU",
    `time; absolute figures are this machine's: ${machine}.`,
    "",
    ...sections,
  ].join("\n");
  writeFileSync(join(folder, "..", "docs", "benchmarks.md"), text);
}
process.exitCode = results.every(({ rows }) => rows !== null) ? 0 : 1;
