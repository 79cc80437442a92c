// How many VFs fit as far as config space tells: routing IDs end at bus 255, a bus other than the
// PF's needs a number inside the window of the bridge above, and below a port without ARI
// Forwarding only device 0 answers on the PF's own bus. VFs are enabled as 0..N-1, so the first
// that has no place ends the count. What drivers and firmware allow is not known here.

import type { VfPlacement } from "./routing-id.ts";
import { vfBus, vfRoutingId } from "./routing-id.ts";

export type VfRoom = {
  readonly pfRoutingId: number;
  /** TotalVFs of the capability. */
  readonly totalVfs: number;
  /** First VF Offset and VF Stride in force for a number of VFs. A function, because hardware may
   * change both with NumVFs; where only one pair is known, return it always. */
  readonly placementOf: (numVfs: number) => VfPlacement;
  /** Subordinate bus number of the bridge above the PF; null on a root bus whose window is not
   * known: then only bus 255 is the end. */
  readonly subordinateBus: number | null;
  /** `device-0`: the port above does not forward ARI, so only functions 0 to 7 of the PF's own
   * bus can be reached. `all`: ARI is in force, or the PF is integrated in the root complex. */
  readonly reachOnOwnBus: "all" | "device-0";
};

/** What the VF after the last fitting one lacks. */
export type VfLimit =
  | { readonly kind: "total-vfs" }
  /** Its bus is beyond `subordinateBus`. */
  | { readonly kind: "bus-window"; readonly bus: number; readonly subordinateBus: number }
  /** Its bus would be above 255. */
  | { readonly kind: "routing-ids"; readonly bus: number }
  /** It is on the PF's bus at a function number that only ARI can reach. */
  | { readonly kind: "needs-ari"; readonly routingId: number }
  /** First VF Offset 0, or VF Stride 0 for more than one VF: Linux drops SR-IOV (iov.c
   * compute_max_vf_buses()). */
  | { readonly kind: "placement-zero"; readonly register: "firstVfOffset" | "vfStride" };

type VfCapacity = {
  /** Every count up to this one fits: VFs 0 to N-1 all have a place. */
  readonly numVfs: number;
  readonly limit: VfLimit;
  /** Subordinate bus number that the bridge above needs for all of TotalVFs; above 255 it cannot
   * be given. */
  readonly subordinateBusForAll: number;
};

/** What keeps VF `numVfs` - 1 from its place when `numVfs` are enabled; null when nothing does. */
function limitOf(room: VfRoom, numVfs: number): VfLimit | null {
  const { pfRoutingId, subordinateBus } = room;
  const placement = room.placementOf(numVfs);
  if (placement.firstVfOffset === 0) return { kind: "placement-zero", register: "firstVfOffset" };
  if (placement.vfStride === 0 && numVfs > 1) {
    return { kind: "placement-zero", register: "vfStride" };
  }
  const bus = vfBus(pfRoutingId, placement, numVfs - 1);
  if (bus > 0xff) return { kind: "routing-ids", bus };
  if (subordinateBus !== null && bus > subordinateBus) {
    return { kind: "bus-window", bus, subordinateBus };
  }
  if (room.reachOnOwnBus === "all") return null;
  const unreachable = firstBeyondDeviceZero(pfRoutingId, placement, numVfs);
  return unreachable === null ? null : { kind: "needs-ari", routingId: unreachable };
}

/** Routing ID of the first VF on the PF's own bus above function 7. Function numbers grow with
 * the index until they carry into the bus, so the last VF on the bus decides. */
function firstBeyondDeviceZero(
  pfRoutingId: number,
  placement: VfPlacement,
  numVfs: number,
): number | null {
  const ownBus = pfRoutingId >> 8;
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    if (vfBus(pfRoutingId, placement, vfIndex) !== ownBus) return null;
    const routingId = vfRoutingId(pfRoutingId, placement, vfIndex);
    if ((routingId & 0xff) > 7) return routingId;
  }
  return null;
}

export function vfCapacity(room: VfRoom): VfCapacity {
  const { pfRoutingId, totalVfs } = room;
  let subordinateBusForAll = pfRoutingId >> 8;
  let limit: VfLimit | null = null;
  let numVfs = 0;
  for (let count = 1; count <= totalVfs; count++) {
    const bus = vfBus(pfRoutingId, room.placementOf(count), count - 1);
    subordinateBusForAll = Math.max(subordinateBusForAll, bus);
    if (limit !== null) continue;
    limit = limitOf(room, count);
    if (limit === null) numVfs = count;
  }
  return { numVfs, limit: limit ?? { kind: "total-vfs" }, subordinateBusForAll };
}
