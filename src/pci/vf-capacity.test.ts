// Capacity rows: one machine each, with the reason why the next VF does not fit.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VfLimit, VfRoom } from "./vf-capacity.ts";
import { vfCapacity } from "./vf-capacity.ts";

const room = (part: Partial<VfRoom>): VfRoom => ({
  pfRoutingId: 0x0300,
  totalVfs: 256,
  placementOf: () => ({ firstVfOffset: 0x80, vfStride: 1 }),
  subordinateBus: 4,
  reachOnOwnBus: "all",
  ...part,
});

function check(part: Partial<VfRoom>, numVfs: number, limit: VfLimit): void {
  const capacity = vfCapacity(room(part));
  assert.deepEqual({ numVfs: capacity.numVfs, limit: capacity.limit }, { numVfs, limit });
}

test("all VFs fit where the window holds the second bus", () => {
  check({}, 256, { kind: "total-vfs" });
  assert.equal(vfCapacity(room({})).subordinateBusForAll, 4);
});

test("a window of one bus ends the count at the last function of that bus", () => {
  check({ subordinateBus: 3 }, 128, { kind: "bus-window", bus: 4, subordinateBus: 3 });
});

test("routing IDs end at bus 255", () => {
  const top = { pfRoutingId: 0xff00, subordinateBus: null };
  check(top, 128, { kind: "routing-ids", bus: 256 });
  assert.equal(vfCapacity(room(top)).subordinateBusForAll, 256);
});

test("65,535 VFs reach over 256 buses, one too many for a PF on bus 1", () => {
  const many = { totalVfs: 65_535, placementOf: () => ({ firstVfOffset: 1, vfStride: 1 }) };
  check({ ...many, pfRoutingId: 0, subordinateBus: 255 }, 65_535, { kind: "total-vfs" });
  const limit = { kind: "routing-ids", bus: 256 } as const;
  check({ ...many, pfRoutingId: 0x100, subordinateBus: 255 }, 65_279, limit);
});

test("without ARI forwarding only functions 1 to 7 of the own bus can be VFs", () => {
  const placementOf = (): { firstVfOffset: number; vfStride: number } => ({
    firstVfOffset: 1,
    vfStride: 1,
  });
  check({ placementOf, reachOnOwnBus: "device-0" }, 7, { kind: "needs-ari", routingId: 0x308 });
});

test("without ARI forwarding VFs on the next bus are reached at any function number", () => {
  const placementOf = (): { firstVfOffset: number; vfStride: number } => ({
    firstVfOffset: 0x100,
    vfStride: 1,
  });
  check({ placementOf, reachOnOwnBus: "device-0" }, 256, { kind: "total-vfs" });
});

test("hardware that moves its VFs with NumVFs is asked for each count", () => {
  const placementOf = (numVfs: number): { firstVfOffset: number; vfStride: number } => ({
    firstVfOffset: 1,
    vfStride: numVfs > 16 ? 256 : 1,
  });
  check({ placementOf, subordinateBus: 3 }, 16, {
    kind: "bus-window",
    bus: 19,
    subordinateBus: 3,
  });
});

test("an offset or stride of zero leaves no room", () => {
  const at = (firstVfOffset: number, vfStride: number): Partial<VfRoom> => ({
    placementOf: () => ({ firstVfOffset, vfStride }),
  });
  check(at(0, 1), 0, { kind: "placement-zero", register: "firstVfOffset" });
  check(at(1, 0), 1, { kind: "placement-zero", register: "vfStride" });
  check({ totalVfs: 0 }, 0, { kind: "total-vfs" });
});
