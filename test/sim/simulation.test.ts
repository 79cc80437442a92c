// The seeded simulation: 10,000 machines, specs and fault plans on CI, 1,000 elsewhere, each with
// a crash at every journal write. SEEDS=n runs that many, SEED=n replays one.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { simulateAssign } from "./assign.ts";
import type { ShardReport } from "./shard.ts";
import { simulate } from "./simulate.ts";
import { simulateTrial } from "./trial.ts";

const { SEEDS, SEED, CI } = process.env;
const onCi = CI !== undefined && CI !== "";
const numSeeds = SEEDS === undefined ? (onCi ? 10_000 : 1_000) : Number(SEEDS);

async function runShard(first: number, count: number, step: number): Promise<ShardReport> {
  const program = join(import.meta.dirname, "shard.ts");
  const child = spawn(process.execPath, [program, String(first), String(count), String(step)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  assert.equal(status, 0, `the shard from seed ${first} broke off`);
  return JSON.parse(output) as ShardReport;
}

function summed(reports: readonly ShardReport[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const [what, count] of reports.flatMap(({ tally }) => Object.entries(tally))) {
    sum.set(what, (sum.get(what) ?? 0) + count);
  }
  return sum;
}

/** What a run of this size must have seen, or it simulates too little. */
const landmarks = [
  "apply done",
  "apply partial",
  "apply undone",
  "apply stuck",
  "apply stopped by the census",
  "recover done",
  "recover undone",
  "recover nothing",
  "recover refused stuck",
  "recover died",
  "trial armed, then undone",
  "trial confirmed, then over",
  "watchdog died",
  "assign done",
  "assign undone",
  "assign refused",
  "assign died, finish: done",
  "assign died, preferred: undone",
];

test("every seed of the simulation holds what apply promises", async (context) => {
  if (SEED !== undefined) {
    await simulate(Number(SEED), new Map());
    await simulateTrial(Number(SEED), new Map());
    return await simulateAssign(Number(SEED), new Map());
  }
  const numShards = Math.max(1, Math.min(availableParallelism(), numSeeds));
  const startedAtMs = performance.now();
  const reports = await Promise.all(
    Array.from({ length: numShards }, async (_, shard) => {
      const count = Math.floor((numSeeds - shard + numShards - 1) / numShards);
      return await runShard(shard, count, numShards);
    }),
  );
  const tally = summed(reports);
  const tookS = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  context.diagnostic(`${numSeeds} seeds in ${tookS} s on ${numShards} processes`);
  for (const [what, count] of [...tally].toSorted()) context.diagnostic(`${what}: ${count}`);
  const failures = reports.flatMap((report) => report.failures);
  const stories = failures.map(({ seed, story }) => `SEED=${seed} npm run test:sim\n${story}`);
  assert.deepEqual(failures, [], stories.join("\n\n"));
  const missing = numSeeds >= 500 ? landmarks.filter((what) => !tally.has(what)) : [];
  assert.deepEqual(missing, [], "the simulation no longer reaches everything");
});
