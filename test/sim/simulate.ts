// Runs one seed: the apply to its end, then the same apply dying at every journal write and at
// some requests, each taken up by recover. Everything is production code on the emulated host.
// What must hold is in checks.ts; the first thing that does not is thrown with its story.

import { apply } from "../../src/apply/apply.ts";
import type { ConfirmWish } from "../../src/apply/confirm-window.ts";
import { recover, type RecoverRequest } from "../../src/apply/recover.ts";
import type { Report } from "../../src/apply/report.ts";
import type { Fault } from "../../src/host/emulated/faults.ts";
import { fullInventory } from "../../src/host/host.ts";
import { vfTarget } from "../../src/model/bdf.ts";
import type { Progress } from "../../src/apply/run.ts";
import { SriovError } from "../../src/model/errors.ts";
import type { Consent, Plan } from "../../src/model/plan.ts";
import type { Spec } from "../../src/model/spec.ts";
import { consentWord } from "../../src/plan/disruption.ts";
import { openBench, options, planOn, reopen, type TestBench } from "./bench.ts";
import {
  checkApplied,
  checkRecovered,
  checkUntouched,
  factsOn,
  heldVfs,
  type Before,
} from "./checks.ts";
import { pfAddress } from "./machines.ts";
import { mortal, type CrashPoint } from "./mortal.ts";
import { randomOf, type Random } from "./random.ts";
import { scenarioOf, type Scenario } from "./scenario.ts";
import { specOf } from "./specs.ts";

/** How often what came about; the sum of a run shows that the simulation reaches everything. */
export type Tally = Map<string, number>;

const access = { deadlineMs: 1e6, lockFd: null };

/** The machine with its past behind it, what it is like, and its faults still before it. */
export async function machineOf({ machine, past, faults }: Scenario): Promise<[TestBench, Before]> {
  const bench = await openBench(machine);
  for (const request of past) {
    await bench.host.perform(request, access).catch((error: unknown) => {
      // The past may have asked what a driver refuses; then it has not happened.
      if (!(error instanceof SriovError)) throw error;
    });
  }
  const before = { facts: await factsOn(bench), held: heldVfs(bench) };
  setFaults(bench, await located(bench, faults));
  return [bench, before];
}

export function setFaults({ host }: Pick<TestBench, "host">, faults: readonly Fault[]): void {
  host.store.transact(({ state }) => {
    state.core.faults = faults.map((fault) => ({ fault, seen: 0 }));
  });
}

/** The faults with the addresses that their VFs have now. */
async function located({ host }: TestBench, faults: readonly Fault[]): Promise<Fault[]> {
  const { physicalFunctions } = await host.inventory({ ...fullInventory, census: false });
  const addresses = new Map(
    physicalFunctions.flatMap((pf) =>
      pf.virtualFunctions.map((vf) => [vfTarget(pf.address, vf.vfIndex), vf.address] as const),
    ),
  );
  return faults.map((fault): Fault => {
    const { effect } = fault;
    if (effect.kind !== "event" || effect.event.event !== "guest-opens") return fault;
    const vf = addresses.get(effect.event.vf) ?? effect.event.vf;
    return { ...fault, effect: { kind: "event", event: { ...effect.event, vf } } };
  });
}

async function addressOf({ host }: TestBench, [pf, vfIndex]: readonly [number, number]) {
  const { physicalFunctions } = await host.inventory({ ...fullInventory, census: false });
  const found = physicalFunctions.find(({ address }) => address === pfAddress(pf));
  return found?.virtualFunctions[vfIndex]?.address ?? null;
}

type Intent = { readonly plan: Plan; readonly consent: Consent };

async function intentOf(bench: TestBench, spec: Spec, { consents }: Scenario): Promise<Intent> {
  const refused = await planOn(bench, spec);
  if (!consents) return { plan: refused, consent: [] };
  const consent = [
    ...new Set(refused.actions.flatMap(({ disrupts }) => disrupts.map(consentWord))),
  ].toSorted();
  return { plan: await planOn(bench, spec, consent), consent };
}

type Ended =
  | { readonly kind: "report"; readonly report: Report; readonly intent: Intent }
  | { readonly kind: "refused"; readonly error: SriovError }
  | { readonly kind: "died"; readonly intent: Intent };

type Wish = {
  readonly spec: Spec;
  readonly scenario: Scenario;
  readonly confirm?: ConfirmWish;
};

type Applied = { readonly ended: Ended; readonly writes: number; readonly requests: number };

export async function applyOn(
  bench: TestBench,
  { spec, scenario, confirm }: Wish,
  point: CrashPoint | null,
): Promise<Applied> {
  const intent = await intentOf(bench, spec, scenario);
  const manager = mortal(bench.session, bench.host, point);
  const { keepGoing, lateGuest } = scenario;
  const vf = lateGuest === null ? null : await addressOf(bench, lateGuest);
  const onProgress = (progress: Progress): void => {
    const isStart = progress.type === "phase" && progress.phase === "apply";
    if (isStart && vf !== null) bench.host.happen({ event: "guest-opens", guest: "idle", vf });
  };
  const onProblem = "skip-adapter";
  const common = { ...options, ...intent, spec, keepGoing, onProblem, onProgress } as const;
  const request = confirm === undefined ? common : { ...common, confirm };
  const applying = apply(manager.session, request).then(
    (report): Ended => ({ kind: "report", report, intent }),
    (error: unknown): Ended => {
      if (!(error instanceof SriovError)) throw error;
      return { kind: "refused", error };
    },
  );
  const ended = await Promise.race([
    applying,
    manager.died.then((): Ended => ({ kind: "died", intent })),
  ]);
  return { ended, ...manager.count() };
}

export const count = (tally: Tally, what: string): void => {
  tally.set(what, (tally.get(what) ?? 0) + 1);
};

/** Recovers once, dying at `point`; null when it died. */
async function recoverOnce(
  bench: TestBench,
  request: RecoverRequest,
  point: CrashPoint | null,
): Promise<Report | SriovError | "nothing" | "died"> {
  const manager = mortal(bench.session, bench.host, point);
  const recovering = recover(manager.session, request).then(
    (report) => report ?? ("nothing" as const),
    (error: unknown) => {
      if (!(error instanceof SriovError)) throw error;
      return error;
    },
  );
  return await Promise.race([recovering, manager.died]);
}

type Crashed = {
  readonly bench: TestBench;
  readonly before: Before;
  readonly intent: Intent;
  readonly spec: Spec;
  readonly scenario: Scenario;
};

const isStuck = (ended: Report | SriovError | "nothing" | "died"): boolean =>
  typeof ended !== "string" &&
  (ended instanceof SriovError ? ended.code : ended.outcome) === "stuck";

/** The guests let go of their VFs, so the kernel can end what it was asked, and so can recover. */
async function recoverReleased(crashed: Crashed, random: Random, tally: Tally): Promise<void> {
  const { bench, before, scenario } = crashed;
  if (scenario.faults.some(({ effect }) => effect.kind === "hang")) return;
  for (const { name } of scenario.machine.guests ?? []) {
    bench.host.happen({ event: "guest-ends", guest: name });
  }
  const released = { ...crashed, before: { ...before, held: [] } };
  const ended = await recoverFrom(released, random, tally);
  if (isStuck(ended)) throw new Error("recovery is stuck although nobody holds a VF");
}

async function recoverFrom(
  crashed: Crashed,
  random: Random,
  tally: Tally,
): Promise<Exclude<Awaited<ReturnType<typeof recoverOnce>>, "died">> {
  const { before, intent, spec, scenario } = crashed;
  let bench = await reopen(crashed.bench);
  // What went wrong before mostly does not go wrong again.
  const isFaulty = scenario.faults.length > 0 && random.chance(0.3);
  if (!isFaulty) setFaults(bench, []);
  const choice = random.pick<RecoverRequest["choice"]>([
    "preferred",
    "preferred",
    "finish",
    "undo",
  ]);
  const request: RecoverRequest = {
    ...options,
    choice,
    keepGoing: scenario.keepGoing,
    consent: [],
    command: "sriovctl recover",
    settleTimeoutMs: 120_000,
  };
  for (let attempt = 0; ; attempt++) {
    // Recovery dies too, a few times.
    const point = attempt < 2 && random.chance(0.3) ? { write: random.below(6) } : null;
    const ended = await recoverOnce(bench, request, point);
    count(tally, `recover ${describe(ended)}`);
    if (ended !== "died") {
      await checkRecovered({ bench, before, intent, spec, isFaulty, ended, scenario });
      return ended;
    }
    bench = await reopen(bench);
  }
}

function describe(ended: Report | SriovError | "nothing" | "died"): string {
  if (typeof ended === "string") return ended;
  return ended instanceof SriovError ? `refused ${ended.code}` : ended.outcome;
}

function crashPoints({ writes, requests }: Applied, random: Random): CrashPoint[] {
  const points: CrashPoint[] = [];
  for (let write = 0; write < writes; write++) {
    points.push(random.chance(0.5) ? { write } : { afterWrite: write });
  }
  if (requests > 0) points.push({ request: random.below(requests) });
  if (requests > 0) points.push({ request: random.below(requests) });
  return points;
}

/** Runs everything that this seed means; throws at the first thing that must not be. */
export async function simulate(seed: number, tally: Tally): Promise<void> {
  const random = randomOf(seed);
  const scenario = scenarioOf(random);
  const spec = specOf(scenario.spec);
  const [bench, before] = await machineOf(scenario);
  const straight = await applyOn(bench, { spec, scenario }, null);
  const { ended } = straight;
  if (ended.kind === "refused") {
    count(tally, `apply refused ${ended.error.code}`);
    await checkUntouched(bench, before);
  }
  if (ended.kind === "report") {
    count(tally, `apply ${ended.report.outcome}`);
    const stopped = ended.report.actions.filter(({ error }) => error?.code === "would-disrupt");
    if (stopped.length > 0) count(tally, "apply stopped by the census");
    const { intent, report } = ended;
    const facts = { bench, before, intent, spec, scenario };
    await checkApplied({ ...facts, report });
    if (isStuck(report)) await recoverReleased(facts, random, tally);
  }
  for (const point of crashPoints(straight, random)) {
    const [mortalBench, mortalBefore] = await machineOf(scenario);
    const crash = await applyOn(mortalBench, { spec, scenario }, point);
    if (crash.ended.kind !== "died") throw new Error(`survived ${JSON.stringify(point)}`);
    count(tally, "crash in apply");
    const { intent } = crash.ended;
    const crashed = { bench: mortalBench, before: mortalBefore, intent, spec, scenario };
    const recovered = await recoverFrom(crashed, random, tally);
    if (isStuck(recovered)) await recoverReleased(crashed, random, tally);
  }
}
