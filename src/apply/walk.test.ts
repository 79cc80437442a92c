// Random walks between states: reaching a state must not depend on where one came from. A table of
// specs that say everything about their PFs, and the state that each must come to; the walk visits
// them in order, then jumps between them at random, and rolls some jumps back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rollback } from "./recover.ts";
import { applySpec, openBench, options, planOn, stateOf } from "../../test/sim/bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import { randomOf } from "../../test/sim/random.ts";
import { specOf, type SpecKeys } from "../../test/sim/specs.ts";

const machine: MachinePlan = { pfs: [{ card: "intel-82576" }, { card: "intel-e810-2x25" }] };

const igb = "0000:10:00.0";
const ice = "0000:20:00.0";

/** Everything that the drivers let anybody say of a VF, at its fresh value. */
const igbVf = { mac: "default", vlan: "none", rate: "default", spoofCheck: true, trust: false };
const iceVf = { ...igbVf, linkState: "auto" };

const base = { adminState: "up", mtu: 1500 } as const;

type Stop = { readonly name: string; readonly spec: SpecKeys; readonly state: readonly string[] };

const stops: readonly [Stop, ...Stop[]] = [
  {
    name: "no VFs",
    spec: {
      pfs: [
        { ...base, numVfs: 0 },
        { ...base, numVfs: 0, eswitchMode: "legacy" },
      ],
    },
    state: [`${igb} 0`, `${ice} 0`],
  },
  {
    name: "VFs for the kernel",
    spec: {
      pfs: [
        { ...base, numVfs: 2, vfs: { "0-1": { ...igbVf, driver: "kernel" } } },
        { ...base, numVfs: 1, eswitchMode: "legacy", vfs: { "0": { ...iceVf, driver: "kernel" } } },
      ],
    },
    state: [`${igb} 2`, "  0 igbvf", "  1 igbvf", `${ice} 1`, "  0 iavf"],
  },
  {
    name: "the same VFs for guests",
    spec: {
      pfs: [
        { ...base, numVfs: 2, vfs: { "0-1": { ...igbVf, driver: "vfio-pci" } } },
        {
          ...base,
          numVfs: 1,
          eswitchMode: "legacy",
          vfs: { "0": { ...iceVf, driver: "vfio-pci" } },
        },
      ],
    },
    state: [`${igb} 2`, "  0 vfio-pci", "  1 vfio-pci", `${ice} 1`, "  0 vfio-pci"],
  },
  {
    name: "a mixed house",
    spec: {
      pfs: [
        {
          ...base,
          mtu: 9000,
          numVfs: 4,
          vfs: {
            "0": { ...igbVf, driver: "kernel" },
            "1-2": { ...igbVf, driver: "vfio-pci", vlan: 120, trust: true },
            "3": { ...igbVf, driver: "none" },
          },
        },
        {
          ...base,
          numVfs: 3,
          eswitchMode: "legacy",
          vfs: {
            "0": { ...iceVf, driver: "vfio-pci", linkState: "disable", spoofCheck: false },
            "1": { ...iceVf, driver: "none", rate: { max: "200Mbit" } },
            "2": { ...iceVf, driver: "none" },
          },
        },
      ],
    },
    state: [
      `${igb} 4 mtu 9000`,
      "  0 igbvf",
      "  1 vfio-pci vlan 120 trust on",
      "  2 vfio-pci vlan 120 trust on",
      "  3 none",
      `${ice} 3`,
      "  0 vfio-pci spoofCheck off linkState disable",
      "  1 none rate at most 200 Mbit/s",
      "  2 none",
    ],
  },
  {
    name: "one switchdev, one with rates",
    spec: {
      unassigned: "vfio-pci",
      pfs: [
        {
          ...base,
          numVfs: 3,
          vfs: { "0-2": { ...igbVf, driver: "vfio-pci", rate: { max: "100Mbit" } } },
        },
        { ...base, numVfs: 2, eswitchMode: "switchdev" },
      ],
    },
    state: [
      `${igb} 3`,
      "  0 vfio-pci rate at most 100 Mbit/s",
      "  1 vfio-pci rate at most 100 Mbit/s",
      "  2 vfio-pci rate at most 100 Mbit/s",
      `${ice} 2 switchdev`,
      "  0 vfio-pci",
      "  1 vfio-pci",
    ],
  },
];

for (const lockModel of ["per-pf", "global"] as const) {
  test(`reaching a state does not depend on the one before (${lockModel} lock)`, async () => {
    const random = randomOf(stops.length);
    const bench = await openBench({ ...machine, lockModel });
    const jumps = Array.from({ length: 8 * stops.length }, () => random.pick(stops));
    for (const [at, { name, spec, state }] of [...stops, ...jumps].entries()) {
      const story = `step ${at} to ${name}`;
      const before = await stateOf(bench);
      const report = await applySpec(bench, specOf(spec));
      assert.deepEqual(report.verify?.remaining.actions ?? [], [], story);
      assert.equal(report.outcome, "done", story);
      assert.deepEqual(await stateOf(bench), state, story);
      assert.deepEqual((await planOn(bench, specOf(spec))).actions, [], story);
      if (report.journal === null || !random.chance(0.3)) continue;
      const request = { ...options, consent: [], command: "sriovctl rollback" };
      const back = await rollback(bench.session, request);
      assert.equal(back.outcome, "undone", story);
      assert.deepEqual(back.notRestored, [], story);
      assert.deepEqual(await stateOf(bench), before, `${story} and back`);
    }
  });
}
