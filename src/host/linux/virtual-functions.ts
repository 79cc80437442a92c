// Which VFs a PF has, and where. The addresses are computed from offset and stride instead of
// read: one link a VF would double the cost of an inventory. The computation is checked against
// the virtfnN names, the first and last link and the list of functions; where it does not hold,
// every link is read and a problem says so.

import type { Address } from "../../model/bdf.ts";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import { vfAddress, type VfPlacement, vfRoutingId } from "../../pci/routing-id.ts";
import type { PresentFunctions } from "./present-functions.ts";
import type { PciFunction } from "./pci-function.ts";
import type { TreeReader } from "./tree-reader.ts";

export type VfSeat = {
  readonly vfIndex: number;
  readonly address: Address;
  /** Its virtfnN link is there: false while the VF comes or goes. */
  readonly isLinked: boolean;
};

/** Address that virtfnN points at; null with a problem when it points nowhere. */
function linkedAddress(pf: PciFunction, vfIndex: number, reader: TreeReader): Address | null {
  const target = reader.link(`${pf.folder}/virtfn${vfIndex}`);
  if (target === null) return null; // gone since the folder was listed, or a plain file
  const bdf = parseBdf(target.slice(target.lastIndexOf("/") + 1));
  return bdf === null ? null : formatBdf(bdf);
}

function seatsByArithmetic(
  pf: PciFunction,
  placement: VfPlacement,
  present: PresentFunctions,
): VfSeat[] | null {
  const seats: VfSeat[] = [];
  const { domain, routingId } = pf.bdf;
  const inDomain = present.byRoutingId.get(domain);
  for (const vfIndex of pf.virtfnIndexes) {
    const address = inDomain?.get(vfRoutingId(routingId, placement, vfIndex));
    if (address === undefined) return null;
    seats.push({ vfIndex, address, isLinked: true });
  }
  return seats;
}

function seatsByLinks(pf: PciFunction, reader: TreeReader): VfSeat[] {
  const seats: VfSeat[] = [];
  for (const vfIndex of pf.virtfnIndexes) {
    const address = linkedAddress(pf, vfIndex, reader);
    if (address !== null) {
      seats.push({ vfIndex, address, isLinked: true });
      continue;
    }
    const where = `${pf.folder}/virtfn${vfIndex}`;
    reader.report("vf-link", where, `PF ${pf.address} has virtfn${vfIndex} that leads to no VF`);
  }
  return seats;
}

const agreesWithLinks = (pf: PciFunction, seats: readonly VfSeat[], reader: TreeReader): boolean =>
  [seats[0], seats.at(-1)].every(
    (seat) => seat === undefined || linkedAddress(pf, seat.vfIndex, reader) === seat.address,
  );

/** The VFs that have links, in index order. */
export function linkedSeats(
  pf: PciFunction,
  placement: VfPlacement | null,
  present: PresentFunctions,
  reader: TreeReader,
): VfSeat[] {
  if (pf.virtfnIndexes.length === 0) return [];
  if (placement === null) return seatsByLinks(pf, reader);
  const computed = seatsByArithmetic(pf, placement, present);
  if (computed !== null && agreesWithLinks(pf, computed, reader)) return computed;
  const { firstVfOffset, vfStride } = placement;
  reader.report(
    "vf-arithmetic",
    pf.address,
    `VFs of PF ${pf.address} are not where sriov_offset ${firstVfOffset} and sriov_stride ` +
      `${vfStride} put them: their links were read instead`,
  );
  return seatsByLinks(pf, reader);
}

type OrphanSearch = {
  readonly pf: PciFunction;
  readonly placement: VfPlacement;
  readonly totalVfs: number;
  readonly vfDeviceId: number | null;
  /** Functions that are explained by nothing so far. */
  readonly unclaimed: ReadonlySet<Address>;
};

/** VFs that stand where the PF's VFs stand but have no link: the kernel takes both links away
 * before it unbinds and removes a VF (drivers/pci/iov.c pci_iov_remove_virtfn()). */
export function orphanSeats(
  search: OrphanSearch,
  read: (address: Address) => PciFunction | null,
): VfSeat[] {
  const { pf, placement, totalVfs, vfDeviceId, unclaimed } = search;
  const isVfOfPf = (found: PciFunction | null): boolean =>
    found !== null &&
    found.vendorId === pf.vendorId &&
    found.deviceId === vfDeviceId &&
    // The kernel gives VFs neither of these (pci-sysfs.c pci_dev_hp_attrs_are_visible()).
    !["physfn", "sriov_totalvfs", "remove", "rescan"].some((name) => found.files.has(name));
  const linked = new Set(pf.virtfnIndexes);
  const seats: VfSeat[] = [];
  if (placement.firstVfOffset === 0 || (placement.vfStride === 0 && totalVfs > 1)) return seats;
  for (let vfIndex = 0; vfIndex < totalVfs && seats.length < unclaimed.size; vfIndex++) {
    if (linked.has(vfIndex)) continue;
    const address = vfAddress(pf.bdf, placement, vfIndex);
    if (unclaimed.has(address) && isVfOfPf(read(address))) {
      seats.push({ vfIndex, address, isLinked: false });
    }
  }
  return seats;
}
