// What a host has, as one immutable value: adapters, PFs, VFs, the bridges above them, IOMMU
// groups and who uses what. Absence has its own value: null means "not known" and a problem says
// why; an empty list means "known to be none".

import type { Address } from "./bdf.ts";
import type { Claim } from "./claim.ts";
import type { Problem } from "./problem.ts";
import type { AbsentReservation, Reservation } from "./reservation.ts";
import type { VfPolicy } from "./vf-attribute.ts";

export type EswitchMode = "legacy" | "switchdev";

/** Who uses a function. Consent names an owner as `kind:name`. */
export type OwnerKind =
  | "vm" // a QEMU or emulated guest that holds a VF
  | "process" // opened the vfio group or device
  | "netns" // the netdev lives in another network namespace
  | "container" // one whose network namespace has the netdev, or whose process has the node open
  | "netdev" // the netdev is up and has an address
  | "upper" // bridge, bond, VLAN, macvtap above the netdev
  | "route" // a route goes through the netdev
  | "session" // our own ssh session comes through the netdev
  | "mount" // a file system of an NVMe namespace is mounted
  | "volume" // LVM, dm-crypt, md or ZFS has an NVMe namespace and is not mounted itself
  | "cluster" // a link of the cluster's own traffic goes through the netdev
  | "unknown"; // something holds it and we cannot tell who

export type Owner = {
  readonly kind: OwnerKind;
  /** VM name, process name, bridge name, netns name, mount point ... */
  readonly name: string;
  /** Its number where its manager goes by that, as Proxmox VE does; absent: none. */
  readonly number?: string;
  readonly pid: number | null;
  /** What was seen: `/proc/812/fd/31 -> /dev/vfio/14`. */
  readonly evidence: string;
  /** Further signs of the same user; absent: none. */
  readonly moreEvidence?: readonly string[];
};

export type Netdev = {
  readonly name: string;
  readonly ifindex: number | null;
  readonly mac: string | null;
  /** IFLA_PERM_ADDRESS: survives MAC changes. */
  readonly permanentMac: string | null;
  readonly mtu: number | null;
  /** IFF_UP. */
  readonly isUp: boolean | null;
  /** Carrier. */
  readonly hasLink: boolean | null;
  readonly linkSpeedMbps: number | null;
  /** `phys_port_name`, for example `p0` or `pf0vf3`. */
  readonly portName: string | null;
  /** Further names by which it is found; absent: not read. */
  readonly altNames?: readonly string[];
};

export type Vf = {
  /** 0-based, as in `virtfnN` and netlink. */
  readonly vfIndex: number;
  readonly address: Address;
  readonly driver: string | null;
  /** Read only where asked for; null is "unset or not read". */
  readonly driverOverride: string | null;
  readonly netdevs: readonly Netdev[];
  readonly iommuGroup: number | null;
  /** null when the PF's driver reports no VF attributes (not a NIC) or could not be asked. */
  readonly policy: VfPolicy | null;
  /** MSI-X table size; null unless asked for. */
  readonly msixCount: number | null;
  readonly owners: readonly Owner[];
  /** Whose configuration names it without using it now; absent: not read, or none. */
  readonly reservations?: readonly Reservation[];
};

export type PciLink = {
  readonly speed: string | null;
  readonly width: number | null;
  readonly maxSpeed: string | null;
  readonly maxWidth: number | null;
};

/** null: not told. */
export type FirmwareVfs = { readonly now: number | null; readonly nextBoot: number | null };

export type Pf = {
  readonly address: Address;
  /** Key of the physical card: serial (`b4-96-91-ff-ff-00-00-10`) or slot (`0000:3b:00`). */
  readonly adapter: string;
  /** PCI Device Serial Number, eight dash-separated bytes, or the VPD serial. */
  readonly serial: string | null;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number | null;
  readonly subsystemDeviceId: number | null;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly driver: string | null;
  readonly driverOverride: string | null;
  readonly numaNode: number | null;
  readonly iommuGroup: number | null;
  /** What the group's DMA goes through: `DMA`, `DMA-FQ`, `identity` ...; null or absent: not known. */
  readonly iommuGroupType?: string | null;
  readonly netdevs: readonly Netdev[];
  readonly permanentMac: string | null;
  /** `sriov_totalvfs`: what the driver allows; null without the file. */
  readonly totalVfs: number | null;
  /** TotalVFs register of the capability; null when config space could not be read that far. */
  readonly capabilityTotalVfs: number | null;
  /** Whether its VF BARs have memory; null or absent: not known, or detail was not asked for. */
  readonly hasVfMemory?: boolean | null;
  /** VFs that the card's firmware gives now and from its next start on; absent: not asked. */
  readonly firmwareVfs?: FirmwareVfs | null;
  /** VFs that are there, by their links. */
  readonly numVfs: number;
  /** A write to `sriov_numvfs` is in flight: counts may be changing. */
  readonly isChanging: boolean;
  readonly firstVfOffset: number | null;
  readonly vfStride: number | null;
  readonly vfDeviceId: number | null;
  readonly driversAutoprobe: boolean | null;
  /** null where devlink does not know the PF: then it is legacy and cannot be set. */
  readonly eswitchMode: EswitchMode | null;
  readonly msixCount: number | null;
  /** `sriov_vf_total_msix`: vectors to distribute over VFs; 0 or null: not supported. */
  readonly vfTotalMsix: number | null;
  readonly link: PciLink;
  /** Bridges above, nearest first, up to the root port. */
  readonly path: readonly Address[];
  readonly owners: readonly Owner[];
  readonly reservations?: readonly Reservation[];
  readonly virtualFunctions: readonly Vf[];
};

export type Bridge = {
  readonly address: Address;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly classCode: number;
  readonly driver: string | null;
  readonly secondaryBus: number | null;
  readonly subordinateBus: number | null;
  readonly iommuGroup: number | null;
};

export type HostIdentity = {
  /** As named on the command line: `linux`, `linux:/srv/capture`, `emulated:demo`. */
  readonly name: string;
  readonly isWritable: boolean;
  readonly machineId: string | null;
  readonly bootId: string | null;
  readonly kernelRelease: string | null;
};

export type Inventory = {
  readonly host: HostIdentity;
  /** In address order. */
  readonly physicalFunctions: readonly Pf[];
  readonly bridges: readonly Bridge[];
  /** PCI drivers that are loaded: what a function can be bound to now. */
  readonly loadedDrivers: readonly string[];
  /** What other managers' configuration says about SR-IOV; absent unless asked for. */
  readonly claims?: readonly Claim[];
  /** What other managers' configuration reserves at addresses where no function is; absent unless
   * reservations were asked for and could be read. */
  readonly reservedElsewhere?: readonly AbsentReservation[];
  readonly problems: readonly Problem[];
};

/** PCI base class 02: what has a MAC, and VFs with interfaces. */
export const isNetwork = ({ classCode }: Pick<Pf, "classCode">): boolean =>
  classCode >> 16 === 0x02;

/** The VF with this index; the list is in index order and mostly without gaps. */
export function vfAt(pf: Pf, vfIndex: number): Vf | null {
  const guess = pf.virtualFunctions[vfIndex];
  if (guess?.vfIndex === vfIndex) return guess;
  return pf.virtualFunctions.find((vf) => vf.vfIndex === vfIndex) ?? null;
}
