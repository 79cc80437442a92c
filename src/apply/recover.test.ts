// Taking up a journal again on the emulated host: after a crash, after a reboot, and to roll back.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applySpec,
  crashApplying,
  openBench,
  options,
  planOn,
  stateOf,
  type TestBench,
} from "../../test/sim/bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import { refused } from "../../test/sim/refused.ts";
import { specOf } from "../../test/sim/specs.ts";
import { history, unfinished } from "./history.ts";
import { recover, rollback, type RecoverRequest } from "./recover.ts";

const pf0 = "0000:10:00.0";

const resized: MachinePlan = {
  pfs: [{ card: "intel-82576", numVfs: 2, vfDrivers: { 0: "igbvf", 1: "vfio-pci" } }],
  isVfioLoaded: true,
};

const toFour = specOf({
  unassigned: "kernel",
  pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }],
});

const recovery: RecoverRequest = {
  ...options,
  choice: "preferred",
  consent: [],
  command: "sriovctl recover",
  settleTimeoutMs: 5_000,
};

/** Dies while the VFs are being created: header, removal, intent to create. */
const crashed = async (bench: TestBench): Promise<TestBench> =>
  await crashApplying(bench, toFour, { request: 1 });

test("after a crash apply refuses until recover has undone it", async () => {
  const bench = await crashed(await openBench(resized));
  await refused("unfinished-apply", applySpec(bench, toFour));
  assert.equal(unfinished(bench.journals, bench.host.identity, bench.view).length, 1);
  const report = await recover(bench.session, recovery);
  assert.equal(report?.outcome, "undone");
  assert.deepEqual(report.notRestored, []);
  assert.deepEqual(await stateOf(bench), [`${pf0} 2`, "  0 igbvf", "  1 vfio-pci"]);
  assert.equal((await applySpec(bench, toFour)).outcome, "done");
});

test("recover --finish ends where the apply would have ended", async () => {
  const bench = await crashed(await openBench(resized));
  const report = await recover(bench.session, { ...recovery, choice: "finish" });
  assert.equal(report?.outcome, "done");
  assert.deepEqual((await planOn(bench, toFour)).actions, []);
});

test("recover has nothing to do after an apply that ended", async () => {
  const bench = await openBench(resized);
  await applySpec(bench, toFour);
  assert.equal(await recover(bench.session, recovery), null);
});

test("a reboot ends an unfinished apply without undoing anything", async () => {
  const bench = await crashed(await openBench(resized));
  const identity = { ...bench.host.identity, bootId: "another" };
  const host = new Proxy(bench.host, {
    get: (target, name) => {
      if (name === "identity") return identity;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const session = { ...bench.session, host };
  assert.equal(await recover(session, recovery), null);
  assert.deepEqual(
    history(bench.journals, identity).entries.map(({ outcome, place }) => [outcome, place]),
    [["rebooted", "rebooted"]],
  );
});

test("rollback returns to the state before the last apply, then to the one before that", async () => {
  const bench = await openBench(resized);
  const states = [await stateOf(bench)];
  await applySpec(bench, toFour);
  states.push(await stateOf(bench));
  await applySpec(bench, specOf({ pfs: [{ numVfs: 4, vfs: { "0": { vlan: 7 } } }] }));
  const request = { ...options, consent: [], command: "sriovctl rollback" };
  for (const state of states.toReversed()) {
    const report = await rollback(bench.session, request);
    assert.equal(report.outcome, "undone");
    assert.deepEqual(report.notRestored, []);
    assert.deepEqual(await stateOf(bench), state);
  }
  await refused("not-found", rollback(bench.session, request));
});

test("rollback refuses to take a VF from a guest that came after the apply", async () => {
  const bench = await openBench({ ...resized, guests: [{ name: "web1", holds: [] }] });
  await applySpec(bench, specOf({ pfs: [{ numVfs: 4, vfs: { "2": { driver: "vfio-pci" } } }] }));
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: "0000:10:10.4" });
  const before = await stateOf(bench);
  const request = { ...options, consent: [], command: "sriovctl rollback" };
  const error = await refused("would-disrupt", rollback(bench.session, request));
  assert.match(error.message, /vm:web1/);
  assert.deepEqual(await stateOf(bench), before);
});
