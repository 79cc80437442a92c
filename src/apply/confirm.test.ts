// An apply that waits for its confirmation, on the emulated host: confirmed, reverted at the
// deadline, crashed on the way, and with somebody in the way of going back.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applySpec,
  crashApplying,
  openBench,
  options,
  reopen,
  stateOf,
  type TestBench,
} from "../../test/sim/bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import { refused } from "../../test/sim/refused.ts";
import { specOf } from "../../test/sim/specs.ts";
import { SriovError } from "../model/errors.ts";
import { confirmApply, noteNotReverted, revertUnconfirmed } from "./confirm.ts";
import { history, unfinished } from "./history.ts";
import { recover, rollback } from "./recover.ts";

const machine: MachinePlan = {
  pfs: [
    { card: "intel-82576", numVfs: 2, vfDrivers: { 0: "igbvf", 1: "vfio-pci" } },
    { card: "intel-82576" },
  ],
  isVfioLoaded: true,
  guests: [{ name: "web1", holds: [] }],
};

const wanted = specOf({
  unassigned: "kernel",
  pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }, { numVfs: 1 }],
});

const withinMs = 90_000;
const confirm = { withinMs, arm: async () => {} };

async function applied(): Promise<{ readonly bench: TestBench; readonly before: string[] }> {
  const bench = await openBench(machine);
  const before = await stateOf(bench);
  const report = await applySpec(bench, wanted, { confirm });
  assert.equal(report.outcome, "done");
  assert.equal(report.confirmByMs, bench.session.bootMs() + withinMs);
  return { bench, before };
}

const revert = async (bench: TestBench) => {
  const journal = bench.journals.ids().at(-1) ?? "";
  const request = { ...options, journal, command: "sriovctl watchdog", settleTimeoutMs: 0 };
  return await revertUnconfirmed(bench.session, { ...request, when: "at-deadline" });
};

const windowOf = (bench: TestBench) =>
  history(bench.journals, bench.host.identity).entries.at(-1)?.window;

const codes = (bench: TestBench): string[] =>
  unfinished(bench.journals, bench.host.identity, bench.view).map(({ code }) => code);

test("an apply that nobody confirms goes back at its deadline, and not before", async () => {
  const { bench, before } = await applied();
  const after = await stateOf(bench);
  assert.deepEqual(codes(bench), ["unconfirmed-apply"]);
  bench.passMs(withinMs - 1);
  assert.equal((await revert(bench)).kind, "early");
  assert.deepEqual(await stateOf(bench), after);
  bench.passMs(1);
  const reverted = await revert(bench);
  assert.equal(reverted.kind === "reverted" && reverted.report.outcome, "undone");
  assert.deepEqual(await stateOf(bench), before);
  assert.equal(windowOf(bench)?.state, "reverted");
  assert.deepEqual(codes(bench), []);
  assert.equal((await revert(bench)).kind, "over");
  await refused("confirm-too-late", confirmApply(bench.session, "sriovctl confirm"));
});

test("a confirmed apply stays, and confirming it again does no harm", async () => {
  const { bench } = await applied();
  const after = await stateOf(bench);
  assert.equal((await confirmApply(bench.session, "sriovctl confirm")).kind, "confirmed");
  assert.equal((await confirmApply(bench.session, "sriovctl confirm")).kind, "confirmed-before");
  assert.deepEqual(codes(bench), []);
  bench.passMs(withinMs);
  assert.equal((await revert(bench)).kind, "over");
  assert.deepEqual(await stateOf(bench), after);
  assert.equal((await applySpec(bench, specOf({ pfs: [{ numVfs: 0 }] }))).outcome, "done");
  assert.equal((await confirmApply(bench.session, "sriovctl confirm")).kind, "nothing");
});

test("while it waits nothing else is applied, and rollback ends the wait", async () => {
  const { bench, before } = await applied();
  await refused("unconfirmed-apply", applySpec(bench, specOf({ pfs: [{ numVfs: 0 }] })));
  const request = { ...options, consent: [], command: "sriovctl rollback" };
  assert.equal((await rollback(bench.session, request)).outcome, "undone");
  assert.deepEqual(await stateOf(bench), before);
  assert.equal(windowOf(bench)?.state, "reverted");
});

test("what died half-way goes back at the first deadline", async () => {
  const bench = await openBench(machine);
  const before = await stateOf(bench);
  const crashed = await crashApplying(bench, wanted, { request: 2 }, { confirm });
  assert.deepEqual(codes(crashed), ["unfinished-apply", "unconfirmed-apply"]);
  await refused("unfinished-apply", confirmApply(crashed.session, "sriovctl confirm"));
  crashed.passMs(withinMs);
  const reverted = await revert(crashed);
  assert.equal(reverted.kind === "reverted" && reverted.report.outcome, "undone");
  assert.deepEqual(await stateOf(crashed), before);
  assert.deepEqual(codes(crashed), []);
});

test("what recover finishes waits for its confirmation from then on", async () => {
  const bench = await openBench(machine);
  const crashed = await crashApplying(bench, wanted, { request: 2 }, { confirm });
  crashed.passMs(withinMs / 2);
  const request = { ...options, choice: "finish", consent: [], settleTimeoutMs: 0 } as const;
  const report = await recover(crashed.session, { ...request, command: "sriovctl recover" });
  assert.equal(report?.confirmByMs, crashed.session.bootMs() + withinMs);
  assert.deepEqual(codes(crashed), ["unconfirmed-apply"]);
});

test("a watchdog that does not answer leaves the host untouched", async () => {
  const bench = await openBench(machine);
  const before = await stateOf(bench);
  const arm = async (): Promise<never> => {
    throw new SriovError("watchdog-failed", "Cannot arm", { operation: "arm", target: "" });
  };
  await refused("watchdog-failed", applySpec(bench, wanted, { confirm: { withinMs, arm } }));
  assert.deepEqual(await stateOf(bench), before);
  assert.deepEqual(codes(bench), []);
});

test("a guest that came since keeps its VF; the other PF goes back all the same", async () => {
  const { bench, before } = await applied();
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: "0000:10:10.2" });
  const after = await stateOf(bench);
  bench.passMs(withinMs);
  const reverted = await revert(bench);
  assert.equal(reverted.kind === "reverted" && reverted.report.outcome, "undo-failed");
  const second = after.findIndex((line) => line.startsWith("0000:20"));
  const now = await stateOf(bench);
  assert.deepEqual(now.slice(0, second), after.slice(0, second));
  assert.deepEqual(now.slice(second), before.slice(-1));
  assert.equal(windowOf(bench)?.state, "revert-failed");
  bench.host.happen({ event: "guest-ends", guest: "web1" });
  const request = { ...options, consent: [], command: "sriovctl rollback" };
  assert.equal((await rollback(bench.session, request)).outcome, "undone");
  assert.deepEqual(await stateOf(bench), before);
});

test("whom the apply was allowed to disrupt, its way back is not held up by", async () => {
  const bench = await openBench(machine);
  const before = await stateOf(bench);
  await applySpec(bench, wanted, { confirm, consent: ["vm:web1"] });
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: "0000:10:10.2" });
  bench.passMs(withinMs);
  const asked = await revert(bench);
  // The kernel waits until the guest has let go of the VF that is taken away.
  assert.equal(asked.kind === "reverted" && asked.report.outcome, "stuck");
  await refused("stuck", revert(bench));
  bench.host.happen({ event: "guest-ends", guest: "web1" });
  await bench.host.sleep(10_000);
  const reverted = await revert(bench);
  assert.equal(reverted.kind === "reverted" && reverted.report.outcome, "undone");
  assert.deepEqual(await stateOf(bench), before);
});

test("a watchdog that gave up says why, and the change can be kept", async () => {
  const { bench } = await applied();
  bench.passMs(withinMs);
  const failure = new SriovError("stuck", "Cannot recover", { operation: "x", target: "" });
  await noteNotReverted(bench.session, bench.journals.ids().at(-1) ?? "", failure);
  assert.deepEqual(codes(bench), ["not-reverted"]);
  assert.equal((await confirmApply(bench.session, "sriovctl confirm")).kind, "confirmed");
  assert.deepEqual(codes(bench), []);
});

test("the deadline is told as wall time, and a watchdog that is gone is said", async () => {
  const { bench } = await applied();
  const clock = { now: () => "2026-08-01T10:00:00.000Z", bootMs: bench.session.bootMs };
  const words = (isWatched: boolean): string | undefined =>
    unfinished(bench.journals, bench.host.identity, { clock, isWatched: () => isWatched })[0]
      ?.message;
  const due = new Date("2026-08-01T10:01:30.000Z").toTimeString().slice(0, 8);
  assert.match(words(true) ?? "", new RegExp(`reverts at ${due}$`));
  assert.match(words(false) ?? "", /its watchdog is gone/);
  const reopened = await reopen(bench);
  assert.deepEqual(codes(reopened), ["unconfirmed-apply"]);
});
