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

async function choiceAt(bench: TestBench) {
  const recovery = await recoveryAt(bench);
  return recovery.kind === "choice" ? recovery : assert.fail(recovery.sentence);
}

const kinds = (actions: readonly { readonly change: { readonly kind: string } }[]): string[] =>
  actions.map(({ change }) => change.kind);

const steps =
  "remove-vfs set-autoprobe create-vfs set-vf set-vf bind-driver set-autoprobe bind-driver bind-driver".split(
    " ",
  );

// Writes: 0 file, 1 header, 2 and 3 removal, 4 and 5 autoprobe, 6 and 7 creation, 8 and 9 changes
// of VFs, 10 and 11 autoprobe, 12 and 13 kernel drivers, 14 end.
// `done` steps need no finishing, `begun` ones are undone.
const rows = [
  { name: "before the first intent nothing is undone", afterWrite: 1, done: 0, begun: 0 },
  { name: "a removal in doubt is undone or repeated", afterWrite: 2, done: 0, begun: 1 },
  { name: "a removal that is done is not repeated", afterWrite: 3, done: 1, begun: 1 },
  { name: "undo goes backwards", afterWrite: 7, done: 3, begun: 3 },
  { name: "changes of VFs are in doubt together", afterWrite: 8, done: 3, begun: 6 },
  { name: "when all is done, finishing runs nothing", afterWrite: 13, done: 9, begun: 9 },
];

for (const { name, afterWrite, done, begun } of rows) {
  test(`recoveryOf() after a crash: ${name}`, async () => {
    const recovery = await choiceAt(
      await crashApplying(await openBench(machine), spec, { afterWrite }),
    );
    assert.deepEqual(kinds(recovery.finish.actions), steps.slice(done));
    assert.deepEqual(kinds(recovery.undo.actions), steps.slice(0, begun).toReversed());
    assert.equal(recovery.preferred, "undo");
  });
}

test("recoveryOf() prefers to finish where undo would hit a user nobody named", async () => {
  const bench = await crashApplying(await openBench(machine), spec, { afterWrite: 13 });
  assert.deepEqual((await stateOf(bench)).slice(2, 3), ["  1 vfio-pci vlan 5"]);
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: "0000:10:10.2" });
  const recovery = await choiceAt(bench);
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
  const recovery = await choiceAt(bench);
  assert.deepEqual(kinds(recovery.undo.actions), steps.toReversed());
});
