// One walk over the PCI functions in address order, which finds PFs, their VFs and the bridges. A
// VF's routing ID is always above its PF's, so by the time the walk comes to a VF its PF has
// claimed it, and it costs nothing; whatever nobody claims is read in full.

import { compareAddresses, type Address } from "../../model/bdf.ts";
import type { VfPlacement } from "../../pci/routing-id.ts";
import type { LinuxPaths } from "./paths.ts";
import { listFunctions } from "./present-functions.ts";
import { isBridge, type PciFunction, readFunction } from "./pci-function.ts";
import type { HostSources } from "./sources.ts";
import type { TreeReader } from "./tree-reader.ts";
import { linkedSeats, orphanSeats, type VfSeat } from "./virtual-functions.ts";

/** What the sriov_* files say; every read of these is free of locks (drivers/pci/iov.c), unlike
 * `sriov_numvfs` and `sriov_vf_total_msix`, which are never read here. */
type SriovFiles = {
  readonly totalVfs: number | null;
  readonly firstVfOffset: number | null;
  readonly vfStride: number | null;
  readonly vfDeviceId: number | null;
  readonly driversAutoprobe: boolean | null;
};

export type ScannedPf = {
  readonly fn: PciFunction;
  readonly sriov: SriovFiles;
  /** false: the capability is there but the kernel offers no files for it. */
  readonly hasFiles: boolean;
  /** In index order, those without links included. */
  readonly seats: readonly VfSeat[];
  /** Links show a change under way: an index is missing, or a VF has no link. */
  readonly looksUnsettled: boolean;
};

type Scan = {
  readonly pfs: readonly ScannedPf[];
  readonly bridges: readonly PciFunction[];
};

const noFiles: SriovFiles = {
  totalVfs: null,
  firstVfOffset: null,
  vfStride: null,
  vfDeviceId: null,
  driversAutoprobe: null,
};

function readSriovFiles({ folder, files }: PciFunction, reader: TreeReader): SriovFiles {
  const decimal = (name: string): number | null =>
    files.has(name) ? reader.decimal(`${folder}/${name}`) : null;
  const vfDevice = "sriov_vf_device";
  const autoprobe = decimal("sriov_drivers_autoprobe");
  return {
    totalVfs: decimal("sriov_totalvfs"),
    firstVfOffset: decimal("sriov_offset"),
    vfStride: decimal("sriov_stride"),
    vfDeviceId: files.has(vfDevice) ? reader.hexadecimal(`${folder}/${vfDevice}`) : null,
    driversAutoprobe: autoprobe === null ? null : autoprobe !== 0,
  };
}

const placementOf = ({ firstVfOffset, vfStride }: SriovFiles): VfPlacement | null =>
  firstVfOffset === null || vfStride === null ? null : { firstVfOffset, vfStride };

const isPf = ({ files }: PciFunction): boolean =>
  files.has("sriov_totalvfs") || files.has("sriov_numvfs");

function isSettled(indexes: readonly number[]): boolean {
  return indexes.every((vfIndex, position) => vfIndex === position);
}

type ScanQuestion = {
  readonly paths: LinuxPaths;
  readonly only: readonly Address[] | null;
  readonly hidesSriov: HostSources["hidesSriov"];
};

export function scanFunctions({ paths, only, hidesSriov }: ScanQuestion, reader: TreeReader): Scan {
  const functions = listFunctions(paths, reader);
  const claimed = new Set<Address>();
  const read = new Map<Address, PciFunction | null>();
  const pfs: ScannedPf[] = [];
  const readOnce = (address: Address): PciFunction | null => {
    const known = read.get(address);
    if (known !== undefined) return known;
    const fn = readFunction(paths, address, reader);
    read.set(address, fn);
    return fn;
  };
  for (const address of only?.filter((each) => functions.addresses.includes(each)) ??
    functions.addresses) {
    if (claimed.has(address)) continue;
    const fn = readOnce(address);
    if (fn === null || !isPf(fn)) continue;
    const sriov = readSriovFiles(fn, reader);
    const seats = linkedSeats(fn, placementOf(sriov), functions, reader);
    for (const seat of seats) claimed.add(seat.address);
    const looksUnsettled = !isSettled(fn.virtfnIndexes);
    pfs.push({ fn, sriov, hasFiles: true, seats, looksUnsettled });
  }
  for (const { fn } of pfs) for (const parent of fn.parents) if (only !== null) readOnce(parent);
  const unclaimed = new Set(functions.addresses.filter((address) => !claimed.has(address)));
  for (const { fn } of pfs) unclaimed.delete(fn.address);
  const withOrphans = pfs.map((pf) => addOrphans(pf, unclaimed, readOnce, reader));
  const others = [...read.values()].filter(
    (fn): fn is PciFunction => fn !== null && unclaimed.has(fn.address),
  );
  return {
    pfs: [...withOrphans, ...hiddenPfs(others, hidesSriov, reader)].sort((left, right) =>
      compareAddresses(left.fn.address, right.fn.address),
    ),
    bridges: others.filter(isBridge),
  };
}

function addOrphans(
  pf: ScannedPf,
  unclaimed: Set<Address>,
  read: (address: Address) => PciFunction | null,
  reader: TreeReader,
): ScannedPf {
  const placement = placementOf(pf.sriov);
  const { totalVfs, vfDeviceId } = pf.sriov;
  if (placement === null || totalVfs === null || unclaimed.size === 0) return pf;
  const orphans = orphanSeats({ pf: pf.fn, placement, totalVfs, vfDeviceId, unclaimed }, read);
  if (orphans.length === 0) return pf;
  for (const { address, vfIndex } of orphans) {
    unclaimed.delete(address);
    const vf = `${pf.fn.address}/vf${vfIndex}`;
    const message = `VF ${address} has no physfn link: it is coming or going, wanted VF ${vfIndex} of PF ${pf.fn.address}`;
    reader.report("vf-without-physfn", vf, message);
  }
  const seats = [...pf.seats, ...orphans].sort((left, right) => left.vfIndex - right.vfIndex);
  return { ...pf, seats, looksUnsettled: true };
}

/** A read of config space would wake it (drivers/pci/pci.c pci_config_pm_runtime_get()). */
const isPoweredOff = ({ folder, files }: PciFunction, reader: TreeReader): boolean =>
  files.has("power_state") && reader.textIfThere(`${folder}/power_state`) === "D3cold";

/** Functions whose SR-IOV capability the kernel does not offer. */
function hiddenPfs(
  others: readonly PciFunction[],
  hidesSriov: HostSources["hidesSriov"],
  reader: TreeReader,
): ScannedPf[] {
  return others.flatMap((fn) => {
    const isCandidate = !isBridge(fn) && fn.files.has("config") && !fn.files.has("physfn");
    if (!isCandidate || isPoweredOff(fn, reader) || !hidesSriov(`${fn.folder}/config`)) return [];
    reader.problems.push({
      code: "sriov-not-offered",
      where: fn.address,
      message: `PF ${fn.address} has the SR-IOV capability but no sriov_* files: the kernel dropped it at boot`,
      hint: "The kernel log tells why: bad offsets, no common page size, or a kernel without SR-IOV",
    });
    return [{ fn, sriov: noFiles, hasFiles: false, seats: [], looksUnsettled: false }];
  });
}
