// Unattended applies on emulated machines: one row is a machine, what it meets, and what becomes
// of each PF. Nobody is there to ask, so nobody may be hit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crashApplying, openBench, stateOf, type TestBench } from "../../test/sim/bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import { specOf, type SpecKeys } from "../../test/sim/specs.ts";
import type { Fault } from "../host/emulated/faults.ts";
import { awaitPfs } from "./await-pfs.ts";
import { applyUnattended } from "./unattended.ts";

const [pf0, pf1] = ["0000:10:00.0", "0000:20:00.0"];
const igb: MachinePlan = { pfs: [{ card: "intel-82576" }, { card: "intel-82576" }] };
const both: SpecKeys = { unassigned: "kernel", pfs: [{ numVfs: 2 }, { numVfs: 1 }] };

const unattended = async ({ session }: TestBench, keys: SpecKeys) =>
  await applyUnattended(session, { spec: specOf(keys), command: "sriovctl", signal: null });

type Row = {
  readonly name: string;
  readonly machine: MachinePlan;
  readonly spec: SpecKeys;
  readonly faults?: readonly Fault[];
  /** `label state`, and the beginning of the first reason. */
  readonly results: readonly (readonly [string, string?])[];
  readonly state: readonly string[];
};

const rows: readonly Row[] = [
  {
    name: "applies every adapter",
    machine: igb,
    spec: both,
    results: [["p0 applied"], ["p1 applied"]],
    state: [`${pf0} 2`, "  0 igbvf", "  1 igbvf", `${pf1} 1`, "  0 igbvf"],
  },
  {
    name: "leaves alone what is as wanted",
    machine: { pfs: [{ card: "intel-82576", numVfs: 1 }] },
    spec: { pfs: [{ numVfs: 1 }] },
    results: [["p0 unchanged"]],
    state: [`${pf0} 1`, "  0 none"],
  },
  {
    name: "goes on beside an adapter whose kernel refuses",
    machine: igb,
    spec: both,
    faults: [
      { on: { verb: "setNumVfs", target: pf0 }, effect: { kind: "refuse", errno: "ENOMEM" } },
    ],
    results: [["p0 failed", "Cannot set 2 VFs on PF "], ["p1 applied"]],
    state: [`${pf0} 0`, `${pf1} 1`, "  0 igbvf"],
  },
  {
    name: "goes on beside an adapter whose write never ends",
    machine: { ...igb, lockModel: "per-pf" },
    spec: both,
    faults: [{ on: { verb: "setNumVfs", target: pf0 }, effect: { kind: "hang" } }],
    results: [["p0 failed", "Cannot"], ["p1 applied"]],
    state: [`${pf0} 0`, `${pf1} 1`, "  0 igbvf"],
  },
  {
    name: "goes on beside an adapter whose module does not load",
    machine: igb,
    spec: { pfs: [{ numVfs: 1, vfs: { "0": { driver: "no-such-driver" } } }, { numVfs: 1 }] },
    results: [["p0 failed", "Cannot load module no-such-driver"], ["p1 applied"]],
    state: [`${pf0} 0`, `${pf1} 1`, "  0 igbvf"],
  },
  {
    name: "names a PF that is not there, and applies the others",
    machine: { pfs: [{ card: "intel-82576" }] },
    spec: both,
    results: [["p0 applied"], ["p1 missing", "Cannot find p1: no PF has address 0000:20:00.0"]],
    state: [`${pf0} 2`, "  0 igbvf", "  1 igbvf"],
  },
  {
    name: "plans again where the host changed in between",
    machine: igb,
    spec: both,
    faults: [
      {
        on: { verb: "inventory", skip: 2 },
        effect: { kind: "event", event: { event: "pf-vanishes", pf: pf1 } },
      },
    ],
    results: [["p0 applied"], ["p1 missing", "Cannot find p1: no PF has address 0000:20:00.0"]],
    state: [`${pf0} 2`, "  0 igbvf", "  1 igbvf"],
  },
  {
    name: "waits for a reboot where a VM is in the way",
    machine: {
      pfs: [{ card: "intel-82576", numVfs: 1, vfDrivers: { 0: "vfio-pci" } }],
      isVfioLoaded: true,
      guests: [{ name: "web1", holds: [[0, 0]] }],
    },
    spec: { pfs: [{ numVfs: 2 }] },
    results: [["p0 pending-reboot", "Removing the VFs of p0 disrupts vm:web1"]],
    state: [`${pf0} 1`, "  0 vfio-pci"],
  },
];

for (const { name, machine, spec, faults = [], results, state } of rows) {
  test(`applyUnattended() ${name}`, async () => {
    const bench = await openBench(machine, faults);
    const { physicalFunctions } = await unattended(bench, spec);
    assert.deepEqual(
      physicalFunctions.map((pf) => `${pf.name} ${pf.state}`),
      results.map(([words]) => words),
    );
    physicalFunctions.forEach(({ reasons }, index) => {
      const wanted = results[index]?.[1];
      if (wanted === undefined) assert.deepEqual(reasons, []);
      else assert.equal(reasons[0]?.slice(0, wanted.length), wanted);
    });
    assert.deepEqual(await stateOf(bench), state);
  });
}

test("applyUnattended() says what a PF that it leaves alone still lacks", async () => {
  const bench = await openBench({
    pfs: [{ card: "intel-82576", numVfs: 1, vfDrivers: { 0: "vfio-pci" } }],
    isVfioLoaded: true,
    guests: [{ name: "web1", holds: [[0, 0]] }],
  });
  const { physicalFunctions, journal } = await unattended(bench, { pfs: [{ numVfs: 2 }] });
  assert.equal(journal, null);
  assert.match(physicalFunctions[0]?.drift.join("\n") ?? "", /^0000:10:00\.0: 2 VFs wanted by p0/m);
});

test("applyUnattended() resets a protected PF that nobody uses, and none that carries a bridge", async () => {
  for (const [upper, state] of [
    [undefined, "applied"],
    ["br0", "pending-reboot"],
  ] as const) {
    const pf = { card: "intel-82576", ...(upper === undefined ? {} : { upper }) } as const;
    const bench = await openBench({ pfs: [pf] });
    const keys = { pfs: [{ numVfs: 1, protect: ["management"] }] };
    const { physicalFunctions } = await unattended(bench, keys);
    assert.equal(physicalFunctions[0]?.state, state);
  }
});

test("applyUnattended() takes up what an earlier run of this boot left", async () => {
  const bench = await crashApplying(await openBench(igb), specOf(both), { afterWrite: 4 });
  const { recovered, physicalFunctions } = await unattended(bench, both);
  assert.equal(recovered?.outcome, "undone");
  assert.deepEqual(
    physicalFunctions.map(({ state }) => state),
    ["applied", "applied"],
  );
});

test("applyUnattended() ends the journal of an earlier boot and plans anew", async () => {
  const crashed = await crashApplying(await openBench(igb), specOf(both), { afterWrite: 4 });
  const { host } = await openBench(igb);
  assert.notEqual(host.identity.bootId, crashed.host.identity.bootId);
  const session = { ...crashed.session, host };
  const { recovered, physicalFunctions } = await unattended({ ...crashed, session }, both);
  assert.equal(recovered, null);
  assert.deepEqual(
    physicalFunctions.map(({ state }) => state),
    ["applied", "applied"],
  );
});

const late = (skip: number): Fault[] => [
  {
    on: { verb: "inventory" },
    effect: { kind: "event", event: { event: "pf-vanishes", pf: pf1 } },
  },
  { on: { verb: "inventory", skip }, effect: { kind: "event", event: { event: "rescan" } } },
];

test("awaitPfs() waits for a PF that comes late, and for none that does not come in time", async () => {
  for (const [skip, timeoutMs, isWhole, waitedMs] of [
    [7, 60_000, true, 3500],
    [7, 2000, false, 2000],
    [1, 0, false, 0],
  ] as const) {
    const { host } = await openBench(igb, late(skip));
    const startedAt = host.now();
    const isIdle = (): boolean => false;
    const awaited = await awaitPfs(host, specOf(both), { pf: null, timeoutMs, isIdle });
    assert.equal(awaited.isWhole, isWhole);
    const tookMs = host.now() - startedAt;
    assert.ok(tookMs >= waitedMs && tookMs < waitedMs + 500, `${tookMs} ms`);
  }
});

test("awaitPfs() gives a PF up when nobody was at work on devices for a while", async () => {
  const from = (atMs: number) => (now: number) => now >= atMs;
  for (const [isIdle, skip, isWhole, waitedMs] of [
    [from(0), 1000, false, 5000],
    [from(3000), 1000, false, 7500],
    [(now: number) => now % 4000 !== 0, 1000, false, 20_000],
    [from(0), 7, true, 3500],
  ] as const) {
    const { host } = await openBench(igb, late(skip));
    const options = { pf: null, timeoutMs: 20_000, isIdle: () => isIdle(host.now()) };
    const awaited = await awaitPfs(host, specOf(both), options);
    assert.deepEqual([awaited.isWhole, host.now()], [isWhole, waitedMs]);
  }
});

test("awaitPfs() waits on while a NIC has no driver: it may be the one", async () => {
  const { host } = await openBench(igb);
  await host.perform({ verb: "unbind", address: pf1 }, { deadlineMs: 1000, lockFd: null });
  const startedAt = host.now();
  const options = { pf: null, timeoutMs: 20_000, isIdle: () => true };
  const awaited = await awaitPfs(host, specOf(both), options);
  assert.deepEqual([awaited.isWhole, host.now() - startedAt], [false, 20_000]);
});

test("awaitPfs() for one PF gives its adapter alone, and nothing where no spec is about it", async () => {
  const { host } = await openBench(igb);
  const options = (pf: string) => ({ pf, timeoutMs: 60_000, isIdle: () => false });
  const of = async (pf: string, keys: SpecKeys) => {
    const { adapters } = await awaitPfs(host, specOf(keys), options(pf));
    return adapters.map(({ name }) => name);
  };
  assert.deepEqual(await of(pf1, both), ["nic1"]);
  assert.deepEqual(await of(pf1, { pfs: [{ numVfs: 1 }] }), []);
  assert.deepEqual(await of("0000:99:00.0", both), []);
  assert.equal(host.now(), 0);
});
