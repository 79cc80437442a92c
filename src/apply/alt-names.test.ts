// Alternative names of VF netdevs, from the spec to the machine and back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applySpec, openBench, options, planOn, type TestBench } from "../../test/sim/bench.ts";
import { specOf, type SpecKeys } from "../../test/sim/specs.ts";
import { fullInventory } from "../host/host.ts";
import type { Spec } from "../model/spec.ts";
import { formatPlan } from "../plan/plan-text.ts";
import { rollback } from "./recover.ts";

const pf = "0000:10:00.0";

const wanted = (keys: SpecKeys, altNames?: boolean): Spec => ({
  ...specOf(keys),
  ...(altNames === undefined ? {} : { altNames }),
});

/** Names by VF; null where a VF has no netdev. */
async function namesOf({ host }: TestBench): Promise<(string | null)[]> {
  const { physicalFunctions } = await host.inventory(fullInventory);
  const vfs = physicalFunctions[0]?.virtualFunctions ?? [];
  return vfs.map(({ netdevs: [netdev] }) => netdev?.altNames?.join(" ") ?? null);
}

const three: SpecKeys = {
  unassigned: "kernel",
  pfs: [{ numVfs: 3, vfs: { "1": { driver: "vfio-pci" } } }],
};

test("VF netdevs get their names with their drivers, and no other VF does", async () => {
  const bench = await openBench({ pfs: [{ card: "intel-82576" }] });
  const text = formatPlan(await planOn(bench, wanted(three, true)));
  assert.match(
    text,
    /^ {2}\+ VF 0,2: alternative names p0-vf0 \.\.\. p0-vf2 {2}\(defaults\.altNames is on\)$/m,
  );
  const report = await applySpec(bench, wanted(three, true));
  assert.deepEqual([report.outcome, report.verify?.empty], ["done", true]);
  assert.deepEqual(await namesOf(bench), ["p0-vf0", null, "p0-vf2"]);
});

test("names are given and taken where the VFs stand, and rollback brings back what was", async () => {
  const bench = await openBench({ pfs: [{ card: "intel-82576" }] });
  await applySpec(bench, wanted(three));
  assert.deepEqual(await namesOf(bench), ["", null, ""]);
  await applySpec(bench, wanted(three, true));
  assert.deepEqual(await namesOf(bench), ["p0-vf0", null, "p0-vf2"]);
  const none = await planOn(bench, wanted(three));
  assert.deepEqual(none.actions, []);
  const off = await applySpec(bench, wanted(three, false));
  assert.deepEqual([off.outcome, await namesOf(bench)], ["done", ["", null, ""]]);
  const back = await rollback(bench.session, { ...options, consent: [], command: "rollback" });
  assert.deepEqual([back.outcome, await namesOf(bench)], ["undone", ["p0-vf0", null, "p0-vf2"]]);
});

test("names survive a resize and a change of driver, and come back when those are undone", async () => {
  const bench = await openBench({ pfs: [{ card: "intel-82576" }] });
  await applySpec(bench, wanted(three, true));
  const two: SpecKeys = { unassigned: "kernel", pfs: [{ numVfs: 2 }] };
  await applySpec(bench, wanted(two));
  assert.deepEqual(await namesOf(bench), ["p0-vf0", ""]);
  await rollback(bench.session, { ...options, consent: [], command: "rollback" });
  assert.deepEqual(await namesOf(bench), ["p0-vf0", null, "p0-vf2"]);
  const swapped: SpecKeys = {
    unassigned: "kernel",
    pfs: [{ numVfs: 3, vfs: { "0": { driver: "vfio-pci" } } }],
  };
  await applySpec(bench, wanted(swapped, true));
  assert.deepEqual(await namesOf(bench), [null, "p0-vf1", "p0-vf2"]);
  await rollback(bench.session, { ...options, consent: [], command: "rollback" });
  assert.deepEqual(await namesOf(bench), ["p0-vf0", null, "p0-vf2"]);
});

test("a name that somebody else has fails its VF alone", async () => {
  const bench = await openBench({ pfs: [{ card: "intel-82576" }] });
  bench.host.happen({ event: "netdev-renamed", pf, name: "p0-vf2" });
  const report = await applySpec(bench, wanted(three, true));
  assert.equal(report.outcome, "partial");
  const failed = report.actions.filter(({ result }) => result === "failed");
  assert.deepEqual(
    failed.map(({ action, error }) => [action.target, error?.errno]),
    [[`${pf}/vf2`, "EEXIST"]],
  );
  assert.deepEqual(await namesOf(bench), ["p0-vf0", null, ""]);
});

test("a drive has no netdevs to name", async () => {
  const bench = await openBench({ pfs: [{ card: "qemu-nvme" }] });
  const { actions } = await planOn(bench, wanted({ pfs: [{ numVfs: 2 }] }, true));
  assert.deepEqual(
    actions.map(({ change }) => change.kind),
    ["create-vfs"],
  );
});
