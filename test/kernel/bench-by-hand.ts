// A measurement with guests in the lab, for the figures of docs/benchmarks.md: as many rounds as one has
// time for, which a suite has not. Prints what `bench paths` prints, and keeps the run.

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { bootGuestBenchLab } from "./bench-lab.ts";

const hourMs = 3_600_000;
const [file, ...options] = process.argv.slice(2);
if (file === undefined) {
  console.error(`usage: node test/kernel/bench-by-hand.ts RUN.json [OPTIONS OF BENCH PATHS]`);
  process.exit(2);
}
const { lab: bootedLab, bench } = await bootGuestBenchLab();
const { lab } = bootedLab;
try {
  const { exitCode } = await lab.run(bench(`--out /results/run.json ${options.join(" ")}`), {
    timeoutMs: 4 * hourMs,
    onOutput: (stream, text) => process[stream].write(text),
  });
  process.exitCode = exitCode;
  if (exitCode === 0) copyFileSync(join(lab.resultsDirectory, "run.json"), file);
} finally {
  await lab.close();
}
