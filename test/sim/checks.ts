// What must hold after an apply or a recover, whatever went wrong on the way.

import assert from "node:assert/strict";
import { differencesFrom, factsOf, type PfFacts } from "../../src/apply/facts.ts";
import { unfinished } from "../../src/apply/history.ts";
import type { Report } from "../../src/apply/report.ts";
import { findVf } from "../../src/host/emulated/machine.ts";
import { fullInventory } from "../../src/host/host.ts";
import { SriovError } from "../../src/model/errors.ts";
import type { Inventory } from "../../src/model/inventory.ts";
import type { Problem } from "../../src/model/problem.ts";
import type { Consent, Plan } from "../../src/model/plan.ts";
import type { Spec } from "../../src/model/spec.ts";
import { planOn, type TestBench } from "./bench.ts";
import type { Scenario } from "./scenario.ts";

/** A VF that a guest has open: `vm:web1` on `0000:10:10.2`, reset so often. */
type HeldVf = { readonly user: string; readonly address: string; readonly resets: number };

export type Before = { readonly facts: readonly PfFacts[]; readonly held: readonly HeldVf[] };

export type Checked = {
  readonly bench: TestBench;
  readonly before: Before;
  readonly intent: { readonly plan: Plan; readonly consent: Consent };
  readonly spec: Spec;
  readonly scenario: Scenario;
};

type OnHost = Pick<TestBench, "host">;

export async function inventoryOn({ host }: OnHost): Promise<Inventory> {
  const options = { ...fullInventory, census: false };
  const { physicalFunctions } = await host.inventory(options);
  return await host.inventory({
    ...options,
    detailOf: physicalFunctions.map(({ address }) => address),
  });
}

export const factsOn = async (bench: OnHost): Promise<PfFacts[]> =>
  (await inventoryOn(bench)).physicalFunctions.map(factsOf);

export const heldVfs = ({ host }: TestBench): HeldVf[] =>
  host.store.transact((machine) =>
    machine.state.core.guests.flatMap(({ name, holds }) =>
      holds.map((address) => {
        const resets = findVf(machine, address)?.vf.resets ?? 0;
        return { user: `vm:${name}`, address, resets };
      }),
    ),
  );

const setNoFaults = ({ host }: TestBench): void =>
  host.store.transact(({ state }) => {
    state.core.faults = [];
  });

export async function checkUntouched(bench: TestBench, { facts }: Before): Promise<void> {
  setNoFaults(bench);
  assert.deepEqual(differencesFrom(facts, await inventoryOn(bench)), [], "changed by a refusal");
}

/** Nobody without consent lost a VF, or had it reset or the kernel waiting for it. */
function checkNobodyDisrupted(bench: TestBench, { held }: Before, consent: Consent): void {
  const now = new Map(heldVfs(bench).map((vf) => [`${vf.user} ${vf.address}`, vf]));
  for (const vf of held.filter(({ user }) => !consent.includes(user))) {
    const still = now.get(`${vf.user} ${vf.address}`);
    assert.ok(still !== undefined, `${vf.user} lost ${vf.address}`);
    assert.equal(still.resets, vf.resets, `${vf.address} of ${vf.user} was reset`);
    const driver = bench.host.store.transact((machine) => findVf(machine, vf.address)?.vf.driver);
    assert.equal(driver, "vfio-pci", `${vf.address} of ${vf.user} was taken away`);
  }
}

/** Somebody consented to lose a VF that is still open, or the fault plan hangs a write, or lets a
 * guest open a VF between our last look and the kernel. */
const mayBeStuck = ({ scenario, intent }: Checked): boolean =>
  intent.consent.some((word) => word.startsWith("vm:")) ||
  scenario.faults.some(
    ({ on, effect }) =>
      effect.kind === "hang" || (effect.kind === "event" && on.verb !== "inventory"),
  );

/** The first problem of each journal that somebody must see to: to recover, or to confirm it. */
export function toSeeTo({ journals, host, view }: TestBench): Problem[] {
  const problems = unfinished(journals, host.identity, view);
  return [...Map.groupBy(problems, ({ where }) => where).values()].flatMap(
    ([first]) => first ?? [],
  );
}

async function checkAutoprobe({ bench, before }: Checked): Promise<void> {
  const now = new Map((await factsOn(bench)).map((pf) => [pf.address, pf.driversAutoprobe]));
  for (const { address, driversAutoprobe } of before.facts) {
    assert.equal(now.get(address), driversAutoprobe, `autoprobe of ${address} was left changed`);
  }
}

/** A VF whose policy could not be set must not have got its driver afterwards. */
function checkNoHalfConfiguredVf({ actions }: Report): void {
  const failed = new Set<string>();
  for (const { action, result } of actions) {
    if (result === "failed" && "vfIndex" in action.change) failed.add(action.target);
    else if (failed.has(action.target)) {
      assert.notEqual(result, "done", `${action.target} went on after its failure`);
    }
  }
}

async function checkPlansNothing(bench: TestBench, spec: Spec, intent: Checked["intent"]) {
  const { actions, problems } = await planOn(bench, spec, intent.consent);
  assert.deepEqual(actions, [], "applied, but planning again is not empty");
  assert.deepEqual(problems, [], "applied, but planning again has problems");
}

/** Without keep-going and faults of PFs, what is left to do is about the VFs that failed. */
async function checkPartial({ bench, spec, intent, scenario }: Checked, report: Report) {
  if (scenario.keepGoing || intent.plan.problems.length > 0) return;
  const failed = new Set(
    report.actions.filter(({ result }) => result !== "done").map(({ action }) => action.target),
  );
  const { actions } = await planOn(bench, spec, intent.consent);
  for (const { target, change } of actions) {
    const isAbout = failed.has(target) || change.kind === "set-autoprobe" || target === "host";
    assert.ok(isAbout, `${change.kind} on ${target} is left over and did not fail`);
  }
}

export async function checkApplied(checked: Checked & { readonly report: Report }): Promise<void> {
  const { bench, before, intent, spec, scenario, report } = checked;
  const { outcome } = report;
  const isFaulty = scenario.faults.length > 0 || scenario.lateGuest !== null;
  const story = report.actions
    .filter(({ error }) => error !== null)
    .map(({ action, error }) => `${action.target} ${action.change.kind}: ${error?.message}`)
    .join("\n");
  setNoFaults(bench);
  checkNobodyDisrupted(bench, before, intent.consent);
  checkNoHalfConfiguredVf(report);
  const open = toSeeTo(bench);
  assert.equal(open.length, outcome === "stuck" ? 1 : 0, `${outcome}, but ${open.length} open`);
  if (outcome === "stuck") assert.ok(mayBeStuck(checked), `stuck without a reason\n${story}`);
  if (outcome === "stuck") return;
  const expected = intent.plan.problems.length > 0 ? "partial" : "done";
  if (!isFaulty && !mayBeStuck(checked)) assert.equal(outcome, expected, story);
  if (outcome === "undone") {
    const differences = differencesFrom(before.facts, await inventoryOn(bench));
    assert.deepEqual(differences, [], "undone, but not as before");
    assert.deepEqual(report.notRestored, [], "undone, but reported otherwise");
  }
  if (outcome === "undo-failed") return;
  const isAutoprobeRefused = report.actions.some(
    ({ action, result }) => action.change.kind === "set-autoprobe" && result === "failed",
  );
  if (!isAutoprobeRefused) await checkAutoprobe(checked);
  if (outcome === "done") await checkPlansNothing(bench, spec, intent);
  if (outcome === "partial") await checkPartial(checked, report);
}

const notBegun = new Set(["journal-unborn"]);

type RecoveredCheck = Checked & {
  /** The faults of the scenario went on during recovery. */
  readonly isFaulty: boolean;
  readonly ended: Report | SriovError | "nothing";
};

export async function checkRecovered(checked: RecoveredCheck): Promise<void> {
  const { bench, before, intent, spec, isFaulty, ended } = checked;
  setNoFaults(bench);
  checkNobodyDisrupted(bench, before, intent.consent);
  const open = toSeeTo(bench);
  if (ended instanceof SriovError) {
    const codes = ["stuck", "would-disrupt", ...(isFaulty ? ["kernel-refused"] : [])];
    assert.ok(codes.includes(ended.code), ended.message);
    if (ended.code === "stuck") assert.ok(mayBeStuck(checked), ended.message);
    assert.equal(open.length, 1, "a refused recovery must be offered again");
    return;
  }
  if (ended === "nothing") {
    // A crash before the header was whole leaves a file that is said, and nothing to do.
    assert.deepEqual(new Set(open.map(({ code }) => code)).difference(notBegun), new Set());
    return;
  }
  const { outcome } = ended;
  assert.equal(open.length, outcome === "stuck" ? 1 : 0, `${outcome}, but ${open.length} open`);
  if (outcome === "stuck") assert.ok(mayBeStuck(checked), "recovery is stuck without a reason");
  if (outcome === "undo-failed") {
    // A bridge that came up with its PF is in service by now, and nobody has named it.
    const isInService = ended.actions.some(
      ({ result, error }) => result === "undo-failed" && error?.code === "would-disrupt",
    );
    assert.ok(isFaulty || isInService || mayBeStuck(checked), storyOf(ended));
  }
  if (outcome === "undone") {
    const differences = differencesFrom(before.facts, await inventoryOn(bench));
    const isTold = ended.warnings.length > 0;
    const others = differences.filter(({ field }) => !isTold || field !== "driversAutoprobe");
    assert.deepEqual(others, [], "recovered by undo, but not as before");
  }
  if (outcome === "done" && intent.plan.problems.length === 0) {
    await checkPlansNothing(bench, spec, intent);
  }
  const isWhole = outcome === "done" || outcome === "undone";
  if (isWhole && ended.warnings.length === 0) await checkAutoprobe(checked);
}

const storyOf = ({ actions }: Report): string =>
  actions
    .filter(({ error }) => error !== null)
    .map(({ action, error }) => `${action.target} ${action.change.kind}: ${error?.message}`)
    .join("\n");
