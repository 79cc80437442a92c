// One measured line of a benchmark and how it is printed. A benchmark is a program in this folder
// that ends with `printRows(rows)`: a table for people, and with --json the rows for bench.ts.

export type BenchRow = {
  /** What was measured, with its size: `plan of 65,000 VFs`. */
  readonly what: string;
  /** Figures as text, units included. */
  readonly measured: string;
  /** The goal as text: `<= 1.6 x C`. */
  readonly goal: string;
  /** null: no goal, or it could not be measured here and `measured` says why. */
  readonly isMet: boolean | null;
};

const verdict = (isMet: boolean | null): string =>
  isMet === null ? "-" : isMet ? "met" : "NOT MET";

export function formatRows(rows: readonly BenchRow[]): string {
  const cells = [
    ["what", "measured", "goal", ""],
    ...rows.map(({ what, measured, goal, isMet }) => [what, measured, goal, verdict(isMet)]),
  ];
  const widths = [0, 1, 2].map((at) => Math.max(...cells.map((cell) => (cell[at] ?? "").length)));
  const line = (cell: readonly string[]): string =>
    cell
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd();
  return cells.map(line).join("\n");
}

export function printRows(rows: readonly BenchRow[]): void {
  console.log(process.argv.includes("--json") ? JSON.stringify(rows) : formatRows(rows));
}

/** CPU milliseconds (user and system) that `work` took in this process. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
