// What an emulated machine is built from: ports, cards in them, guests, and the kernel's habits.
// A profile says what somebody could write down after opening the case; everything that follows
// from it (windows, groups, registers, names) is worked out by build.ts as firmware and kernel do.

import type { Address } from "../../model/bdf.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import type { CardName } from "./cards.ts";

/** `global`: one lock around every SR-IOV change on the host (Debian 6.12.57 and later);
 * `per-pf`: only the PF's device lock. */
export type LockModel = "global" | "per-pf";

export type PortKind = "root-port" | "upstream-port" | "downstream-port";

export type PortProfile = {
  readonly address: Address;
  readonly kind: PortKind;
  /** Switch ports: the port above; null on a root bus. */
  readonly below: Address | null;
  readonly secondaryBus: number;
  readonly subordinateBus: number;
  readonly hasAcs: boolean;
  readonly forwardsAri: boolean;
  /** 64-bit prefetchable window for everything below. */
  readonly windowBytes: number;
};

export type NetdevProfile = {
  readonly name: string;
  readonly mac: string;
  readonly isUp: boolean;
  readonly hasCable: boolean;
  readonly mtu?: number;
  readonly portName?: string;
  /** What makes it used: addresses, an upper netdev, routes, our own session. */
  readonly addresses?: readonly string[];
  readonly upper?: string;
  readonly routes?: readonly string[];
  readonly carriesSession?: boolean;
};

export type FunctionProfile = {
  readonly address: Address;
  /** Port that it sits in; null is a root-complex integrated endpoint. */
  readonly below: Address | null;
  readonly card: CardName;
  /** PCI Device Serial Number; null when the card has none. */
  readonly serial: string | null;
  readonly numaNode: number | null;
  /** Null for a card that is no NIC. */
  readonly netdev: NetdevProfile | null;
  /** False leaves the function without a driver. */
  readonly isBound?: boolean;
  /** VFs that are on when the machine is first seen, and the drivers they have by index. */
  readonly numVfs?: number;
  readonly vfDrivers?: Readonly<Record<number, string>>;
  readonly vfPolicies?: Readonly<Record<number, Partial<VfPolicy>>>;
};

export type GuestProfile = {
  readonly name: string;
  readonly pid: number;
  /** VFs that it has open, through vfio. */
  readonly holds: readonly { readonly pf: Address; readonly vfIndex: number }[];
  /** Its machine has no port from which a device could be unplugged. */
  readonly keepsDevices?: boolean;
  /** virtio NICs that can stand in for a VF. */
  readonly standIns?: readonly { readonly name: string; readonly mac: string }[];
};

export type Profile = {
  readonly name: string;
  readonly about: string;
  readonly kernelRelease: string;
  readonly lockModel: LockModel;
  readonly hasIommu: boolean;
  /** `systemd` renames netdevs by slot and VF index; `kernel` leaves eth0, eth1 ... */
  readonly naming: "systemd" | "kernel";
  /** CPUs of each NUMA node, numbered through them; absent: not known. */
  readonly cpusPerNode?: number;
  readonly loadedDrivers: readonly string[];
  readonly loadableModules: readonly string[];
  readonly ports: readonly PortProfile[];
  readonly functions: readonly FunctionProfile[];
  readonly guests: readonly GuestProfile[];
  /** `netns:ci`, `docker:web`; absent: none. */
  readonly namespaces?: readonly string[];
};
