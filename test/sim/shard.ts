// One process of the simulation: `shard.ts FIRST COUNT STEP` runs every STEP-th seed from FIRST on
// and prints what came about as one line of JSON. It goes on after a failure, so that one run
// shows whether it has one cause or many.

import { simulateAssign } from "./assign.ts";
import { simulate, type Tally } from "./simulate.ts";
import { simulateTrial } from "./trial.ts";

export type ShardReport = {
  readonly numSeeds: number;
  readonly tally: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly seed: number; readonly story: string }[];
};

const mostFailures = 5;

const [first = 0, numSeeds = 1, step = 1] = process.argv.slice(2).map(Number);
const tally: Tally = new Map();
const failures: { seed: number; story: string }[] = [];
let done = 0;
for (; done < numSeeds && failures.length < mostFailures; done++) {
  const seed = first + done * step;
  try {
    await simulate(seed, tally);
    await simulateTrial(seed, tally);
    // It is about consumers alone, and half of the seeds meet all of it.
    if (seed % 4 < 2) await simulateAssign(seed, tally);
  } catch (error) {
    const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
    failures.push({ seed, story });
  }
}
const report: ShardReport = { numSeeds: done, tally: Object.fromEntries(tally), failures };
console.log(JSON.stringify(report));
