// Runs of traffic on whole machines: what is counted adds up, and the machine is as it was.

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildMachine } from "../build.ts";
import { profileOf } from "../machine-list.ts";
import { runPolicyChecks } from "./policy-checks.ts";
import { runTraffic } from "./traffic.ts";

test("traffic of a whole machine: every frame is accounted for on every way", () => {
  const machine = buildMachine(profileOf("demo"));
  const before = structuredClone(machine.state);
  const wish = {
    pf: "0000:5e:00.0",
    pair: null,
    frames: 100,
    sizeBytes: 64,
    burst: 32,
    vlan: null,
  };
  const { paths, testGuests } = runTraffic(machine, wish);
  assert.deepEqual(testGuests, [1, 2, 3]);
  for (const { ends, frames, unsent, path } of paths) {
    assert.equal(
      ends.reduce((sum, each) => sum + each.frames, unsent),
      frames,
      path,
    );
  }
  assert.deepEqual(machine.state, before, "the machine is as it was");
});

test("the VFs of a group without ACS can be given to nobody", () => {
  const machine = buildMachine(profileOf("demo"));
  const pf = machine.state.pfs.find(({ address }) => address === "0000:5e:00.0");
  for (const each of pf?.vfs ?? []) if (each !== null) each.group = 7;
  const { leftOut, checks } = runPolicyChecks(machine, "0000:5e:00.0");
  assert.deepEqual(
    leftOut.map(({ vfIndex }) => vfIndex),
    [1, 2, 3],
  );
  assert.ok(checks.every(({ vfIndex }) => vfIndex === 0));
});
