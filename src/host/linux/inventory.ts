// Puts the inventory together: the walk over the functions, then config space of the PFs, netdevs,
// details and owners, each from its own file. Nothing here writes, takes a lock for more than a
// deadline, or guesses: what could not be read is null and has a problem.

import type { Address } from "../../model/bdf.ts";
import { slotOf } from "../../model/bdf.ts";
import type {
  Bridge,
  HostIdentity,
  Inventory,
  Netdev,
  Owner,
  PciLink,
  Pf,
  Vf,
} from "../../model/inventory.ts";
import type { Problem } from "../../model/problem.ts";
import type { InventoryOptions } from "../host.ts";
import type { ConfigFacts } from "./config-facts.ts";
import { type DriverIndex, driverOf, readDrivers } from "./drivers.ts";
import type { LinkFacts, VfPolicies } from "./link-facts.ts";
import { bareNetdev, indexedNetdev, netdevFromFiles, readNetdevs } from "./netdevs.ts";
import type { LinuxPaths } from "./paths.ts";
import { iommuGroupOf, type PciFunction } from "./pci-function.ts";
import { readPfConfigs } from "./pf-config.ts";
import { type PfDetail, readDetail } from "./pf-detail.ts";
import { type ScannedPf, scanFunctions } from "./scan.ts";
import type { HostSources } from "./sources.ts";
import { TreeReader } from "./tree-reader.ts";

type InventoryQuestion = {
  readonly paths: LinuxPaths;
  readonly identity: HostIdentity;
  readonly sources: HostSources;
};

export type OwnersByAddress = ReadonlyMap<Address, readonly Owner[]>;

/** What a census needs to know about each function it looks for. */
export type CensusFunction = {
  readonly address: Address;
  readonly driver: string | null;
  readonly iommuGroup: number | null;
  readonly classCode: number;
  readonly netdevs: readonly string[];
};

type Facts = {
  readonly paths: LinuxPaths;
  readonly drivers: DriverIndex;
  readonly netdevNames: ReadonlyMap<Address, readonly string[]>;
  readonly links: LinkFacts | null;
  readonly withAttributes: boolean;
  /** PFs that the asker wants to see more of. */
  readonly detailed: ReadonlySet<Address>;
  readonly detail: PfDetail;
  readonly reader: TreeReader;
};

const none: readonly never[] = [];

/** Without netlink a VF's ifindex is a file of its own, read only where somebody shows it. */
function vfNetdevs(address: Address, isDetailed: boolean, facts: Facts): readonly Netdev[] {
  const names = facts.netdevNames.get(address);
  if (names === undefined) return none;
  return names.map((name) => {
    const known = facts.links?.netdevs.get(name);
    if (known !== undefined) return known;
    const { paths, reader } = facts;
    return isDetailed && facts.withAttributes
      ? indexedNetdev(paths, name, reader)
      : bareNetdev(name);
  });
}

function pfNetdevs(address: Address, facts: Facts): readonly Netdev[] {
  const { paths, reader, links, withAttributes } = facts;
  return (facts.netdevNames.get(address) ?? none).map(
    (name) =>
      links?.netdevs.get(name) ??
      (withAttributes ? netdevFromFiles(paths, name, reader) : bareNetdev(name)),
  );
}

/** VF attributes come with the PF's netdev; in switchdev mode it has others, without any. */
function policiesOf(pf: Address, { netdevNames, links }: Facts): VfPolicies | undefined {
  const names = netdevNames.get(pf) ?? none;
  return names.map((name) => links?.policies.get(name)).find((found) => found !== undefined);
}

function readVfs({ fn, seats }: ScannedPf, facts: Facts): Vf[] {
  const { drivers, detail, reader } = facts;
  const isDetailed = facts.detailed.has(fn.address);
  // VFs are siblings of their PF, on other buses too: a virtual bus has no folder of its own.
  const parent = fn.folder.slice(0, fn.folder.lastIndexOf("/"));
  const isGrouped = fn.files.has("iommu_group");
  const policies = policiesOf(fn.address, facts);
  return seats.map(({ vfIndex, address }) => ({
    vfIndex,
    address,
    driver: driverOf(drivers, address, `${parent}/${address}`, reader),
    driverOverride: detail.driverOverrides.get(address) ?? null,
    netdevs: vfNetdevs(address, isDetailed, facts),
    iommuGroup: isGrouped ? iommuGroupOf(`${parent}/${address}`, reader) : null,
    policy: policies?.get(vfIndex) ?? null,
    msixCount: detail.msixCounts.get(address) ?? null,
    owners: none,
  }));
}

function readPciLink({ folder, files }: PciFunction, reader: TreeReader): PciLink {
  const speed = (name: string): string | null => {
    // "8.0 GT/s PCIe", and "Unknown" where the register says nothing.
    const text = files.has(name) ? reader.textIfThere(`${folder}/${name}`, ["EINVAL"]) : null;
    return text === null || !/^[0-9.]+ GT\/s/.test(text) ? null : text.replace(/ PCIe$/, "");
  };
  const width = (name: string): number | null => {
    const text = files.has(name) ? reader.textIfThere(`${folder}/${name}`, ["EINVAL"]) : null;
    const lanes = text === null || !/^[0-9]{1,3}$/.test(text) ? 0 : Number(text);
    return lanes === 0 || lanes === 255 ? null : lanes;
  };
  return {
    speed: speed("current_link_speed"),
    width: width("current_link_width"),
    maxSpeed: speed("max_link_speed"),
    maxWidth: width("max_link_width"),
  };
}

function numaNodeOf({ folder, files }: PciFunction, reader: TreeReader): number | null {
  const node = files.has("numa_node") ? reader.decimal(`${folder}/numa_node`) : null;
  return node === null || node < 0 ? null : node;
}

type PfParts = {
  readonly scanned: ScannedPf;
  readonly config: ConfigFacts | null;
  readonly isChanging: boolean;
};

/** The group's mutex guards the type; nothing that waits for a user holds it. */
function groupTypeOf(group: number | null, { paths, reader }: Facts): string | null {
  if (group === null) return null;
  return reader.textIfThere(`${paths.iommuGroups}/${group}/type`) || null;
}

function readPf({ scanned, config, isChanging }: PfParts, facts: Facts): Pf {
  const { fn, sriov, seats } = scanned;
  const { reader, detail, drivers } = facts;
  const virtualFunctions = readVfs(scanned, facts);
  const netdevs = pfNetdevs(fn.address, facts);
  const iommuGroup = fn.files.has("iommu_group") ? iommuGroupOf(fn.folder, reader) : null;
  return {
    address: fn.address,
    adapter: config?.serial ?? slotOf(fn.address),
    serial: config?.serial ?? null,
    vendorId: fn.vendorId,
    deviceId: fn.deviceId,
    subsystemVendorId: fn.subsystemVendorId,
    subsystemDeviceId: fn.subsystemDeviceId,
    classCode: fn.classCode,
    driver: driverOf(drivers, fn.address, fn.folder, reader),
    driverOverride: detail.driverOverrides.get(fn.address) ?? null,
    numaNode: numaNodeOf(fn, reader),
    iommuGroup,
    iommuGroupType: groupTypeOf(iommuGroup, facts),
    netdevs,
    permanentMac: netdevs.find(({ permanentMac }) => permanentMac !== null)?.permanentMac ?? null,
    totalVfs: sriov.totalVfs,
    capabilityTotalVfs: config?.capabilityTotalVfs ?? null,
    hasVfMemory: detail.vfMemory.get(fn.address) ?? null,
    numVfs: seats.filter(({ isLinked }) => isLinked).length,
    isChanging,
    firstVfOffset: sriov.firstVfOffset ?? config?.firstVfOffset ?? null,
    vfStride: sriov.vfStride ?? config?.vfStride ?? null,
    vfDeviceId: sriov.vfDeviceId ?? config?.vfDeviceId ?? null,
    driversAutoprobe: sriov.driversAutoprobe,
    eswitchMode: facts.links?.eswitchModes.get(fn.address) ?? null,
    msixCount: config?.msixCount ?? null,
    vfTotalMsix: detail.vfTotalMsix.get(fn.address) ?? null,
    link: readPciLink(fn, reader),
    path: fn.parents,
    owners: none,
    virtualFunctions,
  };
}

function readBridge(fn: PciFunction, facts: Facts): Bridge {
  const { reader, drivers } = facts;
  const bus = (name: string): number | null =>
    fn.files.has(name) ? reader.decimal(`${fn.folder}/${name}`) : null;
  return {
    address: fn.address,
    vendorId: fn.vendorId,
    deviceId: fn.deviceId,
    classCode: fn.classCode,
    driver: driverOf(drivers, fn.address, fn.folder, reader),
    secondaryBus: bus("secondary_bus_number"),
    subordinateBus: bus("subordinate_bus_number"),
    iommuGroup: fn.files.has("iommu_group") ? iommuGroupOf(fn.folder, reader) : null,
  };
}

function censusFunctions(pfs: readonly Pf[]): CensusFunction[] {
  const namesOf = (netdevs: readonly Netdev[]): string[] => netdevs.map(({ name }) => name);
  return pfs.flatMap(({ virtualFunctions, netdevs, ...pf }) => [
    { ...pf, netdevs: namesOf(netdevs) },
    ...virtualFunctions.map((vf) => ({
      ...vf,
      classCode: pf.classCode,
      netdevs: namesOf(vf.netdevs),
    })),
  ]);
}

const withOwners = (pfs: readonly Pf[], owners: OwnersByAddress): Pf[] =>
  pfs.map((pf) => ({
    ...pf,
    owners: owners.get(pf.address) ?? none,
    virtualFunctions: pf.virtualFunctions.map((vf) => ({
      ...vf,
      owners: owners.get(vf.address) ?? none,
    })),
  }));

export async function readInventory(
  { paths, identity, sources }: InventoryQuestion,
  options: InventoryOptions,
): Promise<Inventory> {
  const reader = new TreeReader(sources.files);
  if (sources.readLinks === null) reader.problems.push(capturedTree(identity));
  const drivers = readDrivers(paths, reader);
  const { only } = options;
  const scan = scanFunctions({ paths, only, hidesSriov: sources.hidesSriov }, reader);
  const unsettled = scan.pfs.filter(({ looksUnsettled }) => looksUnsettled);
  const changing = new Set([...sources.changingPfs(), ...unsettled.map(({ fn }) => fn.address)]);
  const steadyPfs = scan.pfs.map(({ fn }) => fn.address).filter((pf) => !changing.has(pf));
  const detailed = scan.pfs.filter(({ fn }) => options.detailOf.includes(fn.address));
  const [configs, detail] = await Promise.all([
    readPfConfigs(scan.pfs, { changing, readConfigs: sources.readConfigs }, reader),
    readDetail({ paths, sources, changing }, detailed, reader),
  ]);
  const readLinks = options.netdevAttributes
    ? async () => (await sources.readLinks?.(reader, steadyPfs)) ?? null
    : async () => null;
  const netdevs =
    options.netdevAttributes || options.census
      ? await readNetdevs(paths, reader, readLinks)
      : { netdevNames: new Map(), links: null };
  const facts: Facts = {
    paths,
    drivers,
    ...netdevs,
    withAttributes: options.netdevAttributes,
    detailed: new Set(options.detailOf),
    detail,
    reader,
  };
  const pfs = scan.pfs.map((scanned, index) => {
    const config = configs[index];
    const isChanging = changing.has(scanned.fn.address) || config?.isLate === true;
    return readPf({ scanned, config: config?.facts ?? null, isChanging }, facts);
  });
  const owners = options.census ? await sources.census(censusFunctions(pfs)) : null;
  return {
    host: identity,
    physicalFunctions: owners === null ? pfs : withOwners(pfs, owners),
    bridges: scan.bridges.map((fn) => readBridge(fn, facts)),
    loadedDrivers: drivers.names,
    problems: reader.problems,
  };
}

const capturedTree = ({ name }: HostIdentity): Problem => ({
  code: "captured-tree",
  where: name,
  message: `${name} is a captured tree: what only netlink and /proc tell is not known`,
});
