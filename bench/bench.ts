// `npm run bench [NAME...]`: runs the benchmark programs of this folder one after another, each in
// a process of its own, prints their tables and keeps the last run of each in docs/benchmarks.md
// with the machine's description.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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
const unknown = asked.find((name) => !programs.includes(name));
if (unknown !== undefined) {
  console.error(`Cannot run benchmark ${unknown}: wanted ${programs.join(", ")}`);
  process.exit(2);
}
const names = asked.length === 0 ? programs : asked;
const results = names.map((name) => ({ name, rows: run(name) }));

const machine = [
  `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown processor"}`,
  `${Math.round(totalmem() / 2 ** 30)} GiB`,
  // Without what a distribution or its owner appends.
  `Linux ${release().replace(/-.*/, "")}`,
  `Node ${process.versions.node}`,
].join(", ");

const page = join(folder, "..", "docs", "benchmarks.md");

/** Measured by `sriovctl bench paths` in the kernel lab, and put in by hand. */
const byHand = "data paths of an emulated NIC";

/** The page's sections by name; those of programs that are gone are dropped. */
function readSections(): Map<string, string> {
  const [, ...parts] = readFileSync(page, "utf8").split(/^## /m);
  const sections = new Map(parts.map((part) => [part.split("\n")[0] ?? "", `## ${part}`]));
  return new Map([...sections].filter(([name]) => [...programs, byHand].includes(name)));
}

const sections = readSections();
for (const { name, rows } of results) {
  const table = rows === null ? "did not finish" : formatRows(rows);
  sections.set(name, `## ${name}\n\n\`\`\`\n${table}\n\`\`\`\n\n`);
}
const text = [
  "# Benchmarks",
  "",
  "The last run of each program of `npm run bench`. Ratios come from interleaved rounds in one run and",
  `CPU time; absolute figures are this machine's: ${machine}.`,
  "",
  ...[...programs.toSorted(), byHand].flatMap(
    (name) => sections.get(name)?.trimEnd().concat("\n") ?? [],
  ),
].join("\n");
writeFileSync(page, text);
process.exitCode = results.every(({ rows }) => rows !== null) ? 0 : 1;
