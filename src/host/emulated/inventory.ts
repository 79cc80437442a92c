// The machine's state as the inventory that every host gives: only what a Linux host would show, so
// nothing here tells more than sysfs, netlink and /proc do.

import type { HostIdentity, Inventory, Netdev, Pf, PciLink, Vf } from "../../model/inventory.ts";
import type { Problem } from "../../model/problem.ts";
import { withWishes } from "../../model/reservation.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import { type Address, compareAddresses, formatBdf, slotOf, vfTarget } from "../../model/bdf.ts";
import { vfRoutingId } from "../../pci/routing-id.ts";
import { decodeLink } from "../../netlink/link.ts";
import type { InventoryOptions, NumaPlace, VfArrival } from "../host.ts";
import { cardOf } from "./cards.ts";
import type { PfDriver } from "./drivers.ts";
import { pfDriverOf, vfDrivers } from "./drivers.ts";
import { effectOf, takeFaults } from "./faults.ts";
import type { ReportedVf } from "./link-message.ts";
import { linkMessageOf } from "./link-message.ts";
import type { Machine } from "./machine.ts";
import { bdfOf, findPf, findPort, findVf, linkedVfs, placementOf } from "./machine.ts";
import { hasLink } from "./netdevs.ts";
import { isChanging } from "./operations.ts";
import { pfOwners, vfOwners, wishesOf } from "./owners.ts";
import type { NetdevState, PfState, VfState } from "./state.ts";
import { firmwareVfsOf } from "./firmware.ts";
import { driverTotalVfs } from "./verbs/num-vfs.ts";

export const identityOf = ({ state: { core } }: Machine): HostIdentity => ({
  name: `emulated:${core.name}`,
  isWritable: true,
  machineId: core.machineId,
  bootId: core.bootId,
  kernelRelease: core.kernelRelease,
});

export function inventoryOf(machine: Machine, options: InventoryOptions): Inventory {
  const { core, pfs } = machine.state;
  const problems: Problem[] = [];
  const wanted = pfs.filter(
    ({ address, isPresent }) =>
      isPresent && (options.only === null || options.only.includes(address)),
  );
  const inventory: Inventory = {
    host: identityOf(machine),
    physicalFunctions: wanted
      .toSorted((left, right) => compareAddresses(left.address, right.address))
      .map((pf) => pfOf(machine, { pf, options, problems })),
    bridges: core.ports.map((port) => ({
      address: port.address,
      vendorId: 0x8086,
      deviceId: portDeviceIds[port.kind],
      classCode: 0x060400,
      driver: "pcieport",
      secondaryBus: port.secondaryBus,
      subordinateBus: port.subordinateBus,
      iommuGroup: port.group,
    })),
    loadedDrivers: core.loadedDrivers.toSorted(),
    problems,
  };
  if (options.reservations === undefined) return inventory;
  return withWishes(inventory, wishesOf(machine), { hasProcesses: true });
}

export const portDeviceIds = {
  "root-port": 0x347a,
  "upstream-port": 0x8747,
  "downstream-port": 0x8748,
};

type Draft = {
  readonly pf: PfState;
  readonly options: InventoryOptions;
  readonly problems: Problem[];
};

function pfOf(machine: Machine, draft: Draft): Pf {
  const { pf, options } = draft;
  const card = cardOf(pf.card);
  const placement = placementOf(machine, pf);
  const isDetailed = options.detailOf.includes(pf.address);
  const { port } = pf;
  return {
    address: pf.address,
    adapter: pf.serial ?? slotOf(pf.address),
    serial: pf.serial,
    vendorId: card.vendorId,
    deviceId: card.deviceId,
    subsystemVendorId: card.subsystemVendorId,
    subsystemDeviceId: card.subsystemDeviceId,
    classCode: card.classCode,
    driver: pf.driver,
    driverOverride: isDetailed ? pf.override : null,
    numaNode: pf.numaNode,
    iommuGroup: pf.group,
    iommuGroupType: pf.group === null ? null : "DMA-FQ",
    netdevs:
      pf.netdev === null || port === null
        ? []
        : [netdevOf(pf.netdev, linkOf(machine, pf), options.netdevAttributes)],
    permanentMac: pf.netdev !== null && options.netdevAttributes ? pf.netdev.permanentMac : null,
    totalVfs: driverTotalVfs(pf),
    capabilityTotalVfs: card.totalVfs,
    ...(options.firmwareOf?.includes(pf.address) === true
      ? { firmwareVfs: firmwareVfsOf(pf) }
      : {}),
    hasVfMemory: isDetailed ? pf.vfBarBases.every(({ base }) => base !== null) : null,
    numVfs: linkedVfs(pf),
    isChanging: isChanging(machine, pf.address),
    firstVfOffset: placement.firstVfOffset,
    vfStride: placement.vfStride,
    vfDeviceId: card.vfDeviceId,
    driversAutoprobe: pf.autoprobe,
    eswitchMode: pf.eswitchMode,
    msixCount: card.msixCount,
    vfTotalMsix: isDetailed ? vfTotalMsixOf(pf) : null,
    link: pciLinkOf(pf),
    path: pathOf(machine, pf),
    owners: options.census ? pfOwners(machine, pf) : [],
    virtualFunctions: vfsOf(machine, draft),
  };
}

/** `sriov_vf_total_msix`. */
export const vfTotalMsixOf = (pf: PfState): number =>
  pfDriverOf(pf.driver)?.resizesMsix === true ? cardOf(pf.card).vfTotalMsix : 0;

const pciLinkOf = (pf: PfState): PciLink => {
  const { pcieSpeed, pcieWidth: width } = cardOf(pf.card);
  const speed = pcieSpeed.replace(" PCIe", "");
  return { speed, width, maxSpeed: speed, maxWidth: width };
};

function pathOf(machine: Machine, pf: PfState): string[] {
  const path: string[] = [];
  for (
    let port = findPort(machine, pf.below);
    port !== null;
    port = findPort(machine, port.below)
  ) {
    path.push(port.address);
  }
  return path;
}

type NetdevLink = {
  readonly isUp: boolean;
  readonly speedMbps: number | null;
  readonly portName: string | null;
};

const linkOf = (machine: Machine, pf: PfState): NetdevLink => {
  const isUp = hasLink(machine, pf);
  const speedMbps = isUp ? cardOf(pf.card).linkSpeedMbps : null;
  return { isUp, speedMbps, portName: pf.port?.portName ?? null };
};

const netdevOf = (netdev: NetdevState, link: NetdevLink, hasAttributes: boolean): Netdev => ({
  name: netdev.name,
  ...(hasAttributes ? { altNames: netdev.altNames ?? [] } : {}),
  ifindex: netdev.ifindex,
  mac: netdev.mac,
  permanentMac: hasAttributes ? netdev.permanentMac : null,
  mtu: netdev.mtu,
  isUp: netdev.isUp,
  // Nobody knows of a carrier while the netdev is down: sysfs answers EINVAL.
  hasLink: netdev.isUp ? link.isUp : null,
  linkSpeedMbps: netdev.isUp ? link.speedMbps : null,
  portName: link.portName,
});

function vfsOf(machine: Machine, draft: Draft): Vf[] {
  const { pf, options, problems } = draft;
  const pfBdf = bdfOf(pf.address);
  const placement = placementOf(machine, pf);
  const isDetailed = options.detailOf.includes(pf.address);
  const policies = options.netdevAttributes ? readPolicies(machine, draft) : null;
  const vfs: Vf[] = [];
  const { vfMsixCount } = cardOf(pf.card);
  // Each costs a read of the VF's config space, so only where they can differ.
  const hasMsixCounts = isDetailed && vfTotalMsixOf(pf) > 0;
  pf.vfs.forEach((vf, vfIndex) => {
    const routingId = vfRoutingId(pfBdf.routingId, placement, vfIndex);
    const address = formatBdf({ domain: pfBdf.domain, routingId });
    if (vf === null) return;
    if (vf.isLeaving === true) {
      const where = vfTarget(pf.address, vfIndex);
      const message = `VF ${address} has no physfn link: it is going, wanted VF ${vfIndex} of PF ${pf.address}`;
      problems.push({ code: "vf-without-physfn", where, message });
    }
    vfs.push({
      vfIndex,
      address,
      driver: vf.driver ?? null,
      driverOverride: isDetailed ? (vf.override ?? null) : null,
      netdevs: isOfHost(vf) ? [vfNetdevOf(machine, { pf, vf, options })] : [],
      iommuGroup: vf.group ?? null,
      policy: policies?.get(vfIndex) ?? null,
      msixCount: hasMsixCounts ? (vf.msixCount ?? vfMsixCount) : null,
      owners: options.census ? vfOwners(machine, { vf, address }) : [],
    });
  });
  return vfs;
}

/** A netdev in another namespace is not seen from here. */
const isOfHost = ({ netdev }: VfState): boolean =>
  netdev !== undefined && netdev.inside === undefined;

type VfNetdev = {
  readonly pf: PfState;
  readonly vf: VfState;
  readonly options: InventoryOptions;
};

function vfNetdevOf(machine: Machine, { pf, vf, options }: VfNetdev): Netdev {
  const link = { ...linkOf(machine, pf), portName: null };
  const isForcedUp = vf.policy?.linkState === "enable";
  const isUp = vf.policy?.linkState === "disable" ? false : isForcedUp || link.isUp;
  const { netdev } = vf;
  if (netdev === undefined) throw new Error("A VF without netdev has none to show");
  return netdevOf(netdev, { ...link, isUp }, options.netdevAttributes);
}

/**
 * What the PF's driver says of each VF, by index, read back from the netlink message that says it;
 * null when there is nobody to ask.
 */
function readPolicies(
  machine: Machine,
  { pf, problems }: Draft,
): ReadonlyMap<number, VfPolicy> | null {
  const driver = pfDriverOf(pf.driver);
  if (driver === null || !driver.isNetwork || pf.netdev === null) return null;
  const key = { verb: "vfList", target: pf.address, vfIndex: null, attribute: null } as const;
  const faults = takeFaults(machine.state, key);
  const listed = effectOf(faults, "truncated-list")?.numVfs ?? Infinity;
  const vfs: ReportedVf[] = [];
  pf.vfs.forEach((vf, vfIndex) => {
    if (vf === null || vfIndex >= listed) return;
    vfs.push({ vfIndex, policy: reportedPolicy(pf, driver, vf) });
  });
  const { name, ifindex } = pf.netdev;
  const numVf = pf.vfs.length;
  const reading = decodeLink(linkMessageOf({ ifindex, name, numVf, vfs }));
  // While VFs go, the kernel's list is as short as what is left.
  if (!isChanging(machine, pf.address)) problems.push(...reading.problems);
  const decoded = reading.link?.virtualFunctions ?? [];
  return new Map(decoded.map(({ vfIndex, policy }) => [vfIndex, policy]));
}

function reportedPolicy(pf: PfState, driver: PfDriver, vf: VfState): VfPolicy {
  const policy: VfPolicy = { ...driver.fresh, ...vf.policy };
  const isMacUnset = policy.mac === "00:00:00:00:00:00";
  // igb_vf_reset(): the VF's own choice is stored where nobody set an address.
  if (pf.driver !== "igb" || !isMacUnset || vf.netdev === undefined) return policy;
  return { ...policy, mac: vf.netdev.mac };
}

/** Which VFs are there, and which of them still wait for a netdev. */
export function arrivalOf(machine: Machine, address: Address): VfArrival {
  const pf = findPf(machine, address);
  if (pf === null) return { numVfs: 0, withoutNetdev: [] };
  const withoutNetdev: number[] = [];
  pf.vfs.forEach((vf, vfIndex) => {
    if (vf?.driver === undefined || vf.netdev !== undefined) return;
    if (vfDrivers[vf.driver]?.isNetwork === true) withoutNetdev.push(vfIndex);
  });
  return { numVfs: linkedVfs(pf), withoutNetdev };
}

function nodesOfCpus({ state }: Machine, cpus: readonly number[]): number[] {
  const { cpusPerNode } = state.core;
  if (cpusPerNode === undefined) return [];
  const nodes = new Set(cpus.map((cpu) => Math.floor(cpu / cpusPerNode)));
  const known = new Set(state.pfs.map(({ numaNode }) => numaNode));
  return [...nodes].filter((node) => known.has(node)).toSorted((left, right) => left - right);
}

/** Of a PF, a VF or CPUs; empty for any other function. */
export function numaNodesOf(machine: Machine, place: NumaPlace): number[] {
  if (place.kind === "cpus") return nodesOfCpus(machine, place.cpus);
  const { address } = place;
  const pf = findPf(machine, address) ?? findVf(machine, address)?.pf ?? null;
  return pf === null || pf.numaNode === null ? [] : [pf.numaNode];
}
