// Where VFs are: the routing ID of a VF is its PF's plus First VF Offset plus its index times
// VF Stride (PCIe Base, "SR-IOV: VF Discovery"). The sum carries into the bus byte, so VFs may be on
// a higher bus than their PF, and that bus number must lie in the window of the bridge above.
//
//   PF 03:00.0, First VF Offset 0x180, VF Stride 1       VF 0 -> 04:10.0   (0x0300 + 0x180)
//                                                        VF 1 -> 04:10.1

import type { Address, Bdf } from "../model/bdf.ts";
import { formatBdf } from "../model/bdf.ts";

/** What the SR-IOV capability says about the places of VFs. Both may change when NumVFs or ARI
 * Capable Hierarchy changes, so these are the values in force for one NumVFs. */
export type VfPlacement = {
  readonly firstVfOffset: number;
  readonly vfStride: number;
};

/** Routing ID before it is cut to 16 bits: above 0xffff there is no such bus. */
const unboundedVfRoutingId = (
  pfRoutingId: number,
  { firstVfOffset, vfStride }: VfPlacement,
  vfIndex: number,
): number => pfRoutingId + firstVfOffset + vfIndex * vfStride;

/** Routing ID of VF `vfIndex` (0-based), modulo 2^16 as the hardware adds. */
export const vfRoutingId = (pfRoutingId: number, placement: VfPlacement, vfIndex: number): number =>
  unboundedVfRoutingId(pfRoutingId, placement, vfIndex) % 0x10000;

/** Bus of VF `vfIndex` without wrapping: above 255 means that the VF cannot exist (Linux
 * drivers/pci/iov.c pci_iov_virtfn_bus() computes the same number). */
export const vfBus = (pfRoutingId: number, placement: VfPlacement, vfIndex: number): number =>
  Math.floor(unboundedVfRoutingId(pfRoutingId, placement, vfIndex) / 0x100);

export const vfAddress = (pf: Bdf, placement: VfPlacement, vfIndex: number): Address =>
  formatBdf({ domain: pf.domain, routingId: vfRoutingId(pf.routingId, placement, vfIndex) });

/** Addresses of VFs 0 to `numVfs` - 1, in index order. */
export const vfAddresses = (pf: Bdf, placement: VfPlacement, numVfs: number): Address[] =>
  Array.from({ length: numVfs }, (_, vfIndex) => vfAddress(pf, placement, vfIndex));

/** Index of the VF at a routing ID, among `numVfs` VFs of the PF; null when none is there. */
export function vfIndexAt(
  pfRoutingId: number,
  placement: VfPlacement,
  numVfs: number,
  routingId: number,
): number | null {
  const distance = (routingId - pfRoutingId - placement.firstVfOffset + 0x20000) % 0x10000;
  if (placement.vfStride === 0) return distance === 0 && numVfs > 0 ? 0 : null;
  const vfIndex = distance / placement.vfStride;
  return Number.isInteger(vfIndex) && vfIndex < numVfs ? vfIndex : null;
}

type BusRange = { readonly first: number; readonly last: number };

/** Buses that `numVfs` VFs are on, the PF's own included; `last` above 255 cannot be had. The
 * bridge above needs a subordinate bus number of at least `last`. */
export function busesOfVfs(pfRoutingId: number, placement: VfPlacement, numVfs: number): BusRange {
  const first = pfRoutingId >> 8;
  if (numVfs === 0) return { first, last: first };
  return { first, last: vfBus(pfRoutingId, placement, numVfs - 1) };
}
