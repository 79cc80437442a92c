// The choice after a crash, as a pure function of journal and inventory: one row a situation.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applySpec,
  crashApplying,
  openBench,
  stateOf,
  type TestBench,
} from "../../test/sim/bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import type { CrashPoint } from "../../test/sim/mortal.ts";
import { specOf } from "../../test/sim/specs.ts";
import { fullInventory } from "../host/host.ts";
import type { HostIdentity } from "../model/inventory.ts";
import { readJournals } from "./journal-store.ts";
import type { Journal } from "./journal.ts";
import { recoveryOf } from "./recovery.ts";

const machine: MachinePlan = {
  pfs: [{ card: "intel-82576", numVfs: 2, vfDrivers: { 0: "igbvf", 1: "vfio-pci" } }],
  isVfioLoaded: true,
  guests: [{ name: "web1", holds: [] }],
};

const spec = specOf({
  unassigned: "kernel",
  pfs: [{ numVfs: 3, vfs: { "1": { driver: "vfio-pci", vlan: 5 } } }],
});

function lastJournal({ journals }: TestBench): Journal {
  const last = readJournals(journals).journals.at(-1);
  return last ?? assert.fail("there is no journal");
}

async function recoveryAt(bench: TestBench, changes: Partial<HostIdentity> = {}) {
  const inventory = await bench.host.inventory(fullInventory);
  const host = { ...inventory.host, ...changes };
  return recoveryOf(lastJournal(bench), { ...inventory, host }, []);
}

const kinds = (actions: readonly { readonly change: { readonly kind: string } }[]): string =>
  actions.map(({ change }) => change.kind).join(" ");

type Row = {
  readonly name: string;
  readonly point: CrashPoint;
  readonly finish: string;
  readonly undo: string;
};

// Writes: 0 file, 1 header, 2 and 3 removal, 4 and 5 creation, 6 and 7 changes of VFs, 8 end.
const rows: readonly Row[] = [
  {
    name: "before the first intent there is nothing to undo",
    point: { afterWrite: 1 },
    finish: "remove-vfs create-vfs set-vf set-vf bind-driver",
    undo: "",
  },
  {
    name: "a removal in doubt is undone or repeated",
    point: { afterWrite: 2 },
    finish: "remove-vfs create-vfs set-vf set-vf bind-driver",
    undo: "remove-vfs",
  },
  {
    name: "a removal that is done is not repeated",
    point: { afterWrite: 3 },
    finish: "create-vfs set-vf set-vf bind-driver",
    undo: "remove-vfs",
  },
  {
    name: "undo goes backwards",
    point: { afterWrite: 5 },
    finish: "set-vf set-vf bind-driver",
    undo: "create-vfs remove-vfs",
  },
  {
    name: "changes of VFs are in doubt together",
    point: { afterWrite: 6 },
    finish: "set-vf set-vf bind-driver",
    undo: "bind-driver set-vf set-vf create-vfs remove-vfs",
  },
  {
    name: "when all is done, finishing runs nothing",
    point: { afterWrite: 7 },
    finish: "",
    undo: "bind-driver set-vf set-vf create-vfs remove-vfs",
  },
];

for (const { name, point, finish, undo } of rows) {
  test(`recoveryOf() after a crash: ${name}`, async () => {
    const bench = await crashApplying(await openBench(machine), spec, point);
    const recovery = await recoveryAt(bench);
    if (recovery.kind !== "choice") assert.fail(recovery.sentence);
    assert.equal(kinds(recovery.finish.actions), finish);
    assert.equal(kinds(recovery.undo.actions), undo);
    assert.equal(recovery.preferred, "undo");
  });
}

test("recoveryOf() prefers to finish where undo would hit a user nobody named", async () => {
  const bench = await crashApplying(await openBench(machine), spec, { afterWrite: 7 });
  assert.deepEqual((await stateOf(bench)).slice(2, 3), ["  1 vfio-pci vlan 5"]);
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: "0000:10:10.2" });
  const recovery = await recoveryAt(bench);
  if (recovery.kind !== "choice") assert.fail(recovery.sentence);
  assert.equal(recovery.preferred, "finish");
  assert.deepEqual(
    recovery.undo.unnamed.map(({ kind, name, target }) => [kind, name, target]),
    [["vm", "web1", "0000:10:00.0/vf1"]],
  );
  assert.deepEqual(recovery.finish.unnamed, []);
});

test("recoveryOf() leaves other boots and other machines alone", async () => {
  const bench = await crashApplying(await openBench(machine), spec, { afterWrite: 5 });
  for (const [changes, reason] of [
    [{ bootId: "another" }, "rebooted"],
    [{ machineId: "another" }, "other-machine"],
    [{ machineId: "another", bootId: "another" }, "other-machine"],
  ] as const) {
    const recovery = await recoveryAt(bench, changes);
    assert.equal(recovery.kind === "nothing" && recovery.reason, reason);
  }
});

test("a journal that has ended offers the whole way back to rollback", async () => {
  const bench = await openBench(machine);
  await applySpec(bench, spec);
  const recovery = await recoveryAt(bench);
  if (recovery.kind !== "choice") assert.fail(recovery.sentence);
  assert.equal(kinds(recovery.undo.actions), rows.at(-1)?.undo);
});
