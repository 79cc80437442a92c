// Applying on the emulated host, end to end: what the host is like afterwards, what the report
// says, and that planning again is empty. One table row a story. Long because it is that table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applySpec, openBench, planOn, stateOf } from "../../test/sim/bench.ts";
import { refused } from "../../test/sim/refused.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import { specOf } from "../../test/sim/specs.ts";
import type { Fault } from "../host/emulated/faults.ts";
import type { HostRequest } from "../host/host.ts";
import { unfinished } from "./history.ts";
import type { Outcome } from "./journal.ts";
import type { Progress } from "./run.ts";

const igb: MachinePlan = { pfs: [{ card: "intel-82576" }] };

const resized: MachinePlan = {
  pfs: [{ card: "intel-82576", numVfs: 2, vfDrivers: { 0: "igbvf", 1: "vfio-pci" } }],
  isVfioLoaded: true,
};

const busy: MachinePlan = { ...resized, guests: [{ name: "web1", holds: [[0, 1]] }] };

const twoPfs: MachinePlan = { pfs: [{ card: "intel-82576" }, { card: "intel-e810-2x25" }] };

const pf0 = "0000:10:00.0";
const pf1 = "0000:20:00.0";
const vf1 = "0000:10:10.2";

const patience = { deadlineMs: 1e6, lockFd: null };

/** After autoprobe was put back: right before the first VF is probed. */
const udevIsLate: Fault[] = [
  { on: { verb: "probe" }, effect: { kind: "event", event: { event: "udev-loads-drivers" } } },
];

type Story = {
  readonly name: string;
  readonly machine: MachinePlan;
  readonly spec: Parameters<typeof specOf>[0];
  /** What somebody did before. */
  readonly past?: readonly HostRequest[];
  readonly faults?: readonly Fault[];
  readonly keepGoing?: boolean;
  readonly outcome: Outcome;
  /** `target kind: result` of every action that is not `done`. */
  readonly notDone?: readonly string[];
  readonly state: readonly string[];
};

/** What follows the creation of VFs where VF 1 of `resized` goes to vfio-pci. */
const notReached = [
  `${pf0}/vf0 set-vf: not-run`,
  `${pf0}/vf1 bind-driver: not-run`,
  `${pf0} set-autoprobe: not-run`,
  ...[0, 2, 3].map((vfIndex) => `${pf0}/vf${vfIndex} bind-driver: not-run`),
];

const stories: readonly Story[] = [
  {
    name: "creates VFs, sets their policy, binds them",
    machine: igb,
    spec: { pfs: [{ numVfs: 2, vfs: { "0-1": { driver: "vfio-pci", vlan: 120 } } }] },
    outcome: "done",
    state: [`${pf0} 2`, "  0 vfio-pci vlan 120", "  1 vfio-pci vlan 120"],
  },
  {
    name: "sets rates once the PF that making VFs has reset has its link back",
    machine: igb,
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "none", rate: { max: "1Gbit" } } } }] },
    outcome: "done",
    state: [`${pf0} 1`, "  0 none rate at most 1000 Mbit/s"],
  },
  {
    name: "resizes through 0",
    machine: resized,
    spec: { unassigned: "kernel", pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }] },
    outcome: "done",
    state: [`${pf0} 4`, "  0 igbvf", "  1 vfio-pci", "  2 igbvf", "  3 igbvf"],
  },
  {
    name: "asks no driver for VFs that the spec says nothing about",
    machine: { pfs: [{ card: "qemu-nvme" }] },
    spec: { pfs: [{ numVfs: 3, vfs: { "0-1": { driver: "vfio-pci" } } }] },
    outcome: "done",
    state: [`${pf0} 3`, "  0 vfio-pci", "  1 vfio-pci", "  2 none"],
  },
  {
    name: "fails for a kernel driver that was asked for and does not come",
    machine: { pfs: [{ card: "qemu-nvme" }] },
    spec: {
      unassigned: "kernel",
      pfs: [{ numVfs: 3, vfs: { "0-1": { driver: "vfio-pci" } } }],
    },
    outcome: "partial",
    notDone: [`${pf0}/vf2 bind-driver: failed`],
    state: [`${pf0} 3`, "  0 vfio-pci", "  1 vfio-pci", "  2 none"],
  },
  {
    name: "lets the kernel's driver have VFs that the spec says nothing about",
    machine: igb,
    spec: { pfs: [{ numVfs: 3, vfs: { "0-1": { driver: "vfio-pci" } } }] },
    outcome: "done",
    state: [`${pf0} 3`, "  0 vfio-pci", "  1 vfio-pci", "  2 igbvf"],
  },
  {
    name: "does not wait for udev to load the VFs' driver",
    machine: { ...igb, areVfDriversLoaded: false },
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "kernel", vlan: 5 } } }] },
    outcome: "done",
    state: [`${pf0} 1`, "  0 igbvf vlan 5"],
  },
  {
    name: "keeps VFs without a driver from one that udev loads later",
    machine: { ...igb, areVfDriversLoaded: false },
    spec: {
      pfs: [{ numVfs: 2, vfs: { "0": { driver: "kernel", vlan: 5 }, "1": { driver: "none" } } }],
    },
    faults: udevIsLate,
    outcome: "done",
    state: [`${pf0} 2`, "  0 igbvf vlan 5", "  1 none"],
  },
  {
    name: "fails for a VF whose driver is no module that could be loaded",
    machine: { ...igb, areVfDriversLoaded: false },
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "kernel", vlan: 5 } } }] },
    faults: [{ on: { verb: "loadModule" }, effect: { kind: "refuse", errno: "ENOENT" } }],
    outcome: "partial",
    notDone: [`${pf0}/vf0 bind-driver: failed`],
    state: [`${pf0} 1`, "  0 none vlan 5"],
  },
  {
    name: "undoes a resize whose creation came out short",
    machine: resized,
    spec: { unassigned: "kernel", pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }] },
    faults: [{ on: { verb: "setNumVfs", skip: 1 }, effect: { kind: "short-count", numVfs: 3 } }],
    outcome: "undone",
    notDone: [
      `${pf0} remove-vfs: undone`,
      `${pf0} set-autoprobe: undone`,
      `${pf0} create-vfs: undone`,
      ...notReached,
    ],
    state: [`${pf0} 2`, "  0 igbvf", "  1 vfio-pci"],
  },
  {
    name: "leaves a failing VF out and lets the others converge",
    machine: igb,
    spec: { pfs: [{ numVfs: 3, vfs: { "0-2": { driver: "vfio-pci", vlan: 5 } } }] },
    faults: [
      { on: { verb: "setVf", vfIndex: 1 }, effect: { kind: "refuse", errno: "EOPNOTSUPP" } },
    ],
    outcome: "partial",
    notDone: [`${pf0}/vf1 set-vf: failed`, `${pf0}/vf1 bind-driver: not-run`],
    state: [`${pf0} 3`, "  0 vfio-pci vlan 5", "  1 none", "  2 vfio-pci vlan 5"],
  },
  {
    name: "goes on after a step that only VFs were to have that failed before",
    machine: igb,
    spec: {
      pfs: [
        { numVfs: 3, vfs: { "0-1": { driver: "vfio-pci" }, "2": { driver: "kernel", vlan: 5 } } },
      ],
    },
    faults: [{ on: { verb: "setVf", vfIndex: 2 }, effect: { kind: "refuse", errno: "EINVAL" } }],
    outcome: "partial",
    notDone: [`${pf0}/vf2 set-vf: failed`, `${pf0}/vf2 bind-driver: not-run`],
    state: [`${pf0} 3`, "  0 vfio-pci", "  1 vfio-pci", "  2 none"],
  },
  {
    name: "believes no write of the PF that it does not see",
    machine: igb,
    spec: { pfs: [{ mtu: 9000, numVfs: 1 }] },
    faults: [{ on: { verb: "setMtu" }, effect: { kind: "ignore" } }],
    outcome: "undone",
    notDone: [`${pf0} set-mtu: undone`, `${pf0} create-vfs: not-run`],
    state: [`${pf0} 0`],
  },
  {
    name: "believes no MSI-X count that it does not see",
    machine: {
      pfs: [{ card: "mellanox-connectx6", numVfs: 1, vfDrivers: { 0: "vfio-pci" } }],
      isVfioLoaded: true,
    },
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "vfio-pci", msix: 4 } } }] },
    faults: [{ on: { verb: "setMsixCount" }, effect: { kind: "ignore" } }],
    outcome: "partial",
    notDone: [`${pf0}/vf0 set-msix-count: failed`, `${pf0}/vf0 bind-driver: not-run`],
    state: [`${pf0} 1`, "  0 none"],
  },
  {
    name: "gives a VF its MSI-X default back, and is content with it",
    machine: { pfs: [{ card: "mellanox-connectx6", numVfs: 3 }] },
    past: [{ verb: "setMsixCount", address: "0000:10:18.1", msixCount: 4 }],
    spec: { pfs: [{ numVfs: 3, vfs: { "0-2": { driver: "none", msix: "default" } } }] },
    outcome: "done",
    state: [`${pf0} 3`, "  0 none", "  1 none", "  2 none"],
  },
  {
    name: "calls any write of the PF stuck that never ends",
    machine: igb,
    spec: { pfs: [{ mtu: 9000, numVfs: 1 }] },
    faults: [{ on: { verb: "setMtu" }, effect: { kind: "hang" } }],
    outcome: "stuck",
    notDone: [`${pf0} set-mtu: stuck`, `${pf0} create-vfs: not-run`],
    state: [`${pf0} 0`],
  },
  {
    name: "calls a probe stuck that never ends",
    machine: { pfs: [{ card: "intel-82576", numVfs: 1, vfDrivers: { 0: "igbvf" } }] },
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "vfio-pci" } } }] },
    faults: [{ on: { verb: "probe" }, effect: { kind: "hang" } }],
    outcome: "stuck",
    notDone: [`${pf0}/vf0 bind-driver: stuck`],
    state: [`${pf0} 1`, "  0 none"],
  },
  {
    name: "leaves autoprobe alone that it has not come to",
    machine: { ...resized, pfs: [...resized.pfs, ...igb.pfs] },
    spec: { unassigned: "vfio-pci", pfs: [{ numVfs: 4 }, { numVfs: 1 }] },
    faults: [
      { on: { verb: "setNumVfs", target: pf0 }, effect: { kind: "refuse", errno: "EBUSY" } },
    ],
    keepGoing: true,
    outcome: "partial",
    notDone: [
      `${pf0} remove-vfs: failed`,
      `${pf0} set-autoprobe: not-run`,
      `${pf0} create-vfs: not-run`,
      `${pf0}/vf0 set-vf: not-run`,
      ...[0, 1, 2, 3].map((vfIndex) => `${pf0}/vf${vfIndex} bind-driver: not-run`),
      `${pf0} set-autoprobe: not-run`,
    ],
    state: [`${pf0} 2`, "  0 igbvf", "  1 vfio-pci", `${pf1} 1`, "  0 vfio-pci"],
  },
  {
    name: "undoes every PF when one fails",
    machine: twoPfs,
    spec: { unassigned: "kernel", pfs: [{ numVfs: 2 }, { numVfs: 2 }] },
    faults: [
      { on: { verb: "setNumVfs", target: pf1 }, effect: { kind: "refuse", errno: "ENOMEM" } },
    ],
    outcome: "undone",
    notDone: [`${pf0} create-vfs: undone`, `${pf1} create-vfs: failed`],
    state: [`${pf0} 0`, `${pf1} 0`],
  },
  {
    name: "goes on with the other PFs when told so",
    machine: twoPfs,
    spec: { unassigned: "kernel", pfs: [{ numVfs: 2 }, { numVfs: 2 }] },
    faults: [
      { on: { verb: "setNumVfs", target: pf1 }, effect: { kind: "refuse", errno: "ENOMEM" } },
    ],
    keepGoing: true,
    outcome: "partial",
    notDone: [`${pf1} create-vfs: failed`],
    state: [`${pf0} 2`, "  0 igbvf", "  1 igbvf", `${pf1} 0`],
  },
  {
    name: "reports a write that never ends as stuck and begins nothing else",
    machine: resized,
    spec: { unassigned: "kernel", pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }] },
    faults: [{ on: { verb: "setNumVfs" }, effect: { kind: "hang" } }],
    outcome: "stuck",
    notDone: [
      `${pf0} remove-vfs: stuck`,
      `${pf0} set-autoprobe: not-run`,
      `${pf0} create-vfs: not-run`,
      ...notReached,
    ],
    state: [`${pf0} 2`, "  0 igbvf", "  1 vfio-pci"],
  },
  {
    name: "puts a VF that its new driver does not take back on the former one",
    machine: { pfs: [{ card: "intel-82576", numVfs: 1, vfDrivers: { 0: "igbvf" } }] },
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "vfio-pci" } } }] },
    faults: [{ on: { verb: "probe" }, effect: { kind: "refuse", errno: "EINVAL" } }],
    outcome: "partial",
    notDone: [`${pf0}/vf0 bind-driver: failed`],
    state: [`${pf0} 1`, "  0 igbvf"],
  },
];

for (const story of stories) {
  test(`apply ${story.name}`, async () => {
    const { machine, spec, past = [], faults = [], keepGoing = false } = story;
    const bench = await openBench(machine, faults);
    for (const request of past) await bench.host.perform(request, patience);
    const report = await applySpec(bench, specOf(spec), { keepGoing });
    const notDone = report.actions
      .filter(({ result }) => result !== "done")
      .map(({ action, result }) => `${action.target} ${action.change.kind}: ${result}`);
    assert.deepEqual(notDone, story.notDone ?? []);
    assert.equal(report.outcome, story.outcome);
    assert.deepEqual(await stateOf(bench), story.state);
    if (story.outcome === "done") assert.equal(report.verify?.empty, true);
    if (story.outcome === "undone") assert.deepEqual(report.notRestored, []);
    const problems = unfinished(bench.journals, bench.host.identity, bench.view);
    assert.equal(problems.length, story.outcome === "stuck" ? 1 : 0);
  });
}

const toFour = specOf({
  unassigned: "kernel",
  pfs: [{ numVfs: 4, vfs: { "1": { driver: "vfio-pci" } } }],
});

test("apply does nothing, and journals nothing, when nothing differs", async () => {
  const bench = await openBench(resized);
  const spec = specOf({
    unassigned: "kernel",
    pfs: [{ numVfs: 2, vfs: { "1": { driver: "vfio-pci" } } }],
  });
  const report = await applySpec(bench, spec);
  assert.equal(report.outcome, "done");
  assert.equal(report.journal, null);
  assert.deepEqual(bench.journals.ids(), []);
});

test("apply refuses a plan that would disrupt somebody without consent", async () => {
  const bench = await openBench(busy);
  const before = bench.host.print();
  await refused("would-disrupt", applySpec(bench, toFour));
  assert.equal(bench.host.print(), before);
});

test("apply refuses a plan that the host has outrun", async () => {
  const bench = await openBench(resized);
  const plan = await planOn(bench, toFour);
  await bench.host.perform({ verb: "setNumVfs", pf: pf0, numVfs: 0 }, patience);
  await refused("plan-stale", applySpec(bench, toFour, { plan }));
});

test("apply asks the census again: a guest that came after the check is not disrupted", async () => {
  const machine = { ...resized, guests: [{ name: "web1", holds: [] }] };
  const bench = await openBench(machine);
  const before = await stateOf(bench);
  const onProgress = ({ type }: Progress): void => {
    // The plan was checked, the journal begun, and only now the guest opens its VF.
    if (type === "phase") bench.host.happen({ event: "guest-opens", guest: "web1", vf: vf1 });
  };
  const report = await applySpec(bench, toFour, { onProgress });
  assert.equal(report.outcome, "undone");
  assert.equal(report.actions[0]?.error?.code, "would-disrupt");
  assert.deepEqual(await stateOf(bench), before);
});

test("an interrupted apply undoes, or leaves the rest for recover, as told", async () => {
  for (const onInterrupt of ["undo", "leave"] as const) {
    const bench = await openBench(resized);
    const before = await stateOf(bench);
    const abort = new AbortController();
    const onProgress = ({ type }: { readonly type: string }): void => {
      if (type === "result") abort.abort();
    };
    const { signal } = abort;
    const report = await applySpec(bench, toFour, { signal, onProgress, onInterrupt });
    assert.equal(report.outcome, onInterrupt === "undo" ? "undone" : "interrupted");
    const open = unfinished(bench.journals, bench.host.identity, bench.view);
    assert.equal(open.length, onInterrupt === "undo" ? 0 : 1);
    if (onInterrupt === "undo") assert.deepEqual(await stateOf(bench), before);
  }
});
