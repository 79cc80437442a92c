// The same apply on trial: it dies somewhere or comes to its end, perhaps somebody confirms it (and
// dies over that), the deadline passes, and the watchdog comes, dies and comes again. In the end it
// is confirmed and stays, or it is as before.

import assert from "node:assert/strict";
import { confirmApply, revertUnconfirmed } from "../../src/apply/confirm.ts";
import { history } from "../../src/apply/history.ts";
import type { Report } from "../../src/apply/report.ts";
import { SriovError } from "../../src/model/errors.ts";
import { options, reopen, type TestBench } from "./bench.ts";
import { checkRecovered, checkUntouched, toSeeTo, type Checked } from "./checks.ts";
import { mortal, type CrashPoint } from "./mortal.ts";
import { randomOf, type Random } from "./random.ts";
import { scenarioOf } from "./scenario.ts";
import { applyOn, count, machineOf, setFaults, type Tally } from "./simulate.ts";
import { specOf } from "./specs.ts";

const withinMs = 60_000;
const confirm = { withinMs, arm: async (): Promise<void> => {} };

const windowOf = ({ journals, host }: TestBench) =>
  history(journals, host.identity).entries.at(-1)?.window ?? null;

async function asError<T>(work: Promise<T>): Promise<T | SriovError> {
  return await work.catch((error: unknown) => {
    if (!(error instanceof SriovError)) throw error;
    return error;
  });
}

function pointIn(random: Random, numWrites: number): CrashPoint | null {
  if (random.chance(0.3)) return null;
  const at = random.below(numWrites);
  return random.chance(0.5) ? { write: at } : { afterWrite: at };
}

/** Somebody confirms and may die over it; whether it counts is what the journal says afterwards. */
async function confirmOn(bench: TestBench, random: Random): Promise<TestBench> {
  // Taking up the journal is one write, the entry another one.
  const manager = mortal(bench.session, bench.host, pointIn(random, 2));
  const confirming = asError(confirmApply(manager.session, "sriovctl confirm"));
  const ended = await Promise.race([confirming, manager.died]);
  return ended === "died" ? await reopen(bench) : bench;
}

type Reverted = { readonly bench: TestBench; readonly ended: Report | SriovError | "over" };

async function revertOn(first: TestBench, random: Random, tally: Tally): Promise<Reverted> {
  let bench = first;
  for (let attempt = 0; ; attempt++) {
    const point = attempt < 3 && random.chance(0.5) ? pointIn(random, 6) : null;
    const manager = mortal(bench.session, bench.host, point);
    const journal = bench.journals.ids().at(-1) ?? "";
    const request = { ...options, journal, command: "sriovctl watchdog", settleTimeoutMs: 120_000 };
    const reverting = asError(
      revertUnconfirmed(manager.session, { ...request, when: "at-deadline" }),
    );
    const ended = await Promise.race([reverting, manager.died]);
    if (ended !== "died") {
      if (ended instanceof SriovError) return { bench, ended };
      assert.notEqual(ended.kind, "early", "the watchdog came at the deadline");
      return { bench, ended: ended.kind === "reverted" ? ended.report : "over" };
    }
    count(tally, "watchdog died");
    bench = await reopen(bench);
  }
}

const wordsOf = (ended: Reverted["ended"]): string =>
  ended === "over" ? ended : ended instanceof SriovError ? `refused ${ended.code}` : ended.outcome;

/** Runs the trial that this seed means; throws at the first thing that must not be. */
export async function simulateTrial(seed: number, tally: Tally): Promise<void> {
  const random = randomOf(seed);
  const scenario = scenarioOf(random);
  const spec = specOf(scenario.spec);
  const [fresh, before] = await machineOf(scenario);
  const point = pointIn(random, 12);
  const applied = await applyOn(fresh, { spec, scenario, confirm }, point);
  const { ended } = applied;
  if (ended.kind === "refused") return;
  let bench = ended.kind === "died" ? await reopen(fresh) : fresh;
  setFaults(bench, []);
  const isConfirming = random.chance(0.3);
  if (isConfirming) bench = await confirmOn(bench, random);
  bench.passMs(withinMs);
  const state = windowOf(bench)?.state ?? null;
  const reverted = await revertOn(bench, random, tally);
  ({ bench } = reverted);
  count(tally, `trial ${state ?? "not begun"}, then ${wordsOf(reverted.ended)}`);
  const { intent } = ended;
  const checked: Checked = { bench, before, intent, spec, scenario };
  if (reverted.ended !== "over") {
    assert.equal(state, "armed");
    return await checkRecovered({ ...checked, isFaulty: false, ended: reverted.ended });
  }
  const last = windowOf(bench)?.state ?? null;
  if (last === "confirmed") return assert.deepEqual(toSeeTo(bench), []);
  assert.notEqual(last, "armed", "still armed, and nobody takes it back");
  // Taken back before the watchdog died, by a failing apply itself, or never begun.
  const isAsBefore = last === "reverted" || (last === null && ended.kind === "died");
  if (isAsBefore) await checkUntouched(bench, before);
}
