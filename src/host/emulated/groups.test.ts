// Groups as a kernel formed them in the lab, on the machine that has the lab's devices; the rules
// of isolation one by one; and numbers that are used again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fullInventory } from "../host.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import { isIsolated } from "../../pci/isolation.ts";
import { GroupIds, groupToJoin } from "./groups.ts";
import type { GroupNode } from "./groups.ts";

const endpoint: GroupNode = {
  kind: "endpoint",
  isMultifunction: false,
  isIsolatedByQuirk: false,
  acs: null,
  group: null,
  above: null,
};
const multifunction = { ...endpoint, isMultifunction: true };
const rootPort: GroupNode = { ...endpoint, kind: "root-port" };
const allOn = { capability: 0x5f, control: 0x1d };

const isolationRows: readonly (readonly [what: string, node: GroupNode, isolated: boolean])[] = [
  ["a function by itself", endpoint, true],
  ["one of several functions", multifunction, false],
  ["one of several with ACS", { ...multifunction, acs: allOn }, true],
  ["one of several with a quirk", { ...multifunction, isIsolatedByQuirk: true }, true],
  ["a root port without ACS", rootPort, false],
  ["a root port with ACS on", { ...rootPort, acs: allOn }, true],
  ["a root port with ACS off", { ...rootPort, acs: { capability: 0x5f, control: 0 } }, false],
  ["a flag that is lacking", { ...rootPort, acs: { capability: 0x11, control: 0x11 } }, true],
  ["an upstream port without ACS", { ...endpoint, kind: "upstream-port" }, true],
  ["a downstream port without ACS", { ...endpoint, kind: "downstream-port" }, false],
  ["a function of the root complex", { ...endpoint, kind: "integrated" }, true],
];

test("isIsolated() wants ACS of ports that lead down and of multifunction devices", () => {
  for (const [what, node, isolated] of isolationRows) {
    assert.equal(isIsolated(node), isolated, what);
  }
});

test("functions of one slot share a group when none of them is isolated", () => {
  const sibling = { ...multifunction, group: 7 };
  assert.equal(groupToJoin(multifunction, [sibling]), 7);
  assert.equal(groupToJoin(multifunction, [{ ...sibling, acs: allOn }]), null);
  assert.equal(groupToJoin({ ...multifunction, acs: allOn }, [sibling]), null);
});

test("the lowest free number is taken again", () => {
  const ids = new GroupIds();
  assert.deepEqual([ids.take(), ids.take(), ids.take()], [0, 1, 2]);
  ids.join(1);
  ids.leave(0);
  ids.leave(1);
  assert.deepEqual([ids.take(), ids.take()], [0, 3]);
  ids.leave(1);
  assert.equal(ids.take(), 1);
});

/** What test/kernel/semantics.kernel.test.ts found, with two VFs on each of five PFs. */
const lab: readonly (readonly string[])[] = [
  ["00:09.0"],
  ["01:00.0"],
  ["01:10.0"],
  ["00:0c.0", "04:00.0", "04:10.0", "04:10.2"],
  ["06:00.0", "07:00.0", "07:10.0", "07:10.2"],
  ["06:01.0", "08:00.0"],
  ["05:00.0"],
  ["00:06.0"],
  ["00:16.2"],
  ["09:00.0"],
  ["09:00.1"],
  ["09:10.1"],
];

test("the lab's machine has the lab's groups", async () => {
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  for (const pf of ["01:00.0", "04:00.0", "07:00.0", "00:06.0", "09:00.1"]) {
    const patience = { deadlineMs: 60_000, lockFd: null };
    await host.perform({ verb: "setNumVfs", pf: `0000:${pf}`, numVfs: 2 }, patience);
  }
  const { physicalFunctions, bridges } = await host.inventory(fullInventory);
  const all = [...bridges, ...physicalFunctions.flatMap((pf) => [pf, ...pf.virtualFunctions])];
  const membersOf = (address: string): string[] => {
    const group = all.find((each) => each.address === address)?.iommuGroup;
    assert(typeof group === "number", `${address} has a group`);
    return all.flatMap((each) => (each.iommuGroup === group ? [each.address.slice(5)] : []));
  };
  for (const group of lab) {
    assert.deepEqual(membersOf(`0000:${group[0]}`).toSorted(), group);
  }
});
