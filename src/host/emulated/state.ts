// The machine as data: everything that outlives the program that looks at it, plain enough for
// JSON. VFs keep only what differs from a fresh one (their addresses, identifiers and config space
// follow from their PF), so that 65,000 of them fit in a few megabytes.

import type { Address } from "../../model/bdf.ts";
import type { EswitchMode, Owner } from "../../model/inventory.ts";
import type { VfPolicy, Vlan } from "../../model/vf-attribute.ts";
import type { HostRequest } from "../host.ts";
import type { VfBar } from "./card.ts";
import type { CardRef } from "./cards.ts";
import type { Fault } from "./faults.ts";
import type { LockModel, NetdevProfile, PortKind, Profile } from "./profile.ts";

export const stateFormat = "sriovctl-emulated/1";

/** errno names that the machine answers with. */
export const errnos = [
  "EACCES",
  "EAGAIN",
  "EBUSY",
  "EEXIST",
  "EINVAL",
  "EIO",
  "ENODEV",
  "ENOENT",
  "ENOMEM",
  "ENOSPC",
  "EOPNOTSUPP",
  "EPERM",
  "EPROTONOSUPPORT",
  "ERANGE",
] as const;

export type Errno = (typeof errnos)[number];

export type NetdevState = {
  name: string;
  /** Absent: none. */
  altNames?: string[];
  ifindex: number;
  mac: string;
  permanentMac: string;
  mtu: number;
  isUp: boolean;
  /** Namespace that it was moved to, `netns:ci`; absent: the host's own. */
  inside?: string;
  /** Carrier comes at this time, if the netdev is up and there is a cable. */
  linkUpAtMs: number;
};

/** A VF that exists. Absent keys are a fresh VF's. */
export type VfState = {
  group?: number;
  driver?: string;
  override?: string;
  netdev?: NetdevState;
  /** What was set, over the driver's fresh values. */
  policy?: Partial<VfPolicy>;
  msixCount?: number;
  /** Resets that hit it since it was made: each is a disruption for whoever uses it. */
  resets?: number;
  /** User-space application that it is set aside for. */
  application?: string;
  /** Its `physfn` and `virtfnN` links are gone: it is being removed. */
  isLeaving?: true;
  /** In a twin: who uses it on the host that it is a twin of. */
  users?: readonly Owner[];
};

export type PortState = {
  address: Address;
  kind: PortKind;
  below: Address | null;
  secondaryBus: number;
  subordinateBus: number;
  hasAcs: boolean;
  forwardsAri: boolean;
  group: number | null;
  windowBase: number;
  windowBytes: number;
};

export type PfState = {
  address: Address;
  below: Address | null;
  card: CardRef;
  serial: string | null;
  numaNode: number | null;
  isMultifunction: boolean;
  group: number | null;
  driver: string | null;
  override: string | null;
  isPresent: boolean;
  /** Registers of the SR-IOV capability. */
  vfEnable: boolean;
  numVfsRegister: number;
  ariHierarchy: boolean;
  barBase: number;
  /** Address of each VF BAR; null where the window above had no room. */
  vfBarBases: { bar: VfBar; base: number | null }[];
  /** `sriov_drivers_autoprobe`. */
  autoprobe: boolean;
  eswitchMode: EswitchMode | null;
  /** Socket on the card; null for a card that is no NIC. */
  port: NetdevProfile | null;
  netdev: NetdevState | null;
  /** By index; null is a VF that has been removed while others still are there. */
  vfs: (VfState | null)[];
  /** VFs that the card's firmware gives; absent: as many as it has. */
  firmware?: { now: number; nextBoot: number };
  /** In a twin: who uses it on the host that it is a twin of. */
  users?: readonly Owner[];
};

export type DeviceState = {
  name: string;
  vf: Address;
  mac: string | null;
  vlan: Vlan | "none" | null;
  /** Of the guest's configuration, not only of what runs. */
  isPersistent: boolean;
  /** NIC of the guest that stands in for it; absent: none. */
  failover?: string;
};

export type GuestState = {
  name: string;
  pid: number;
  /** VFs that it has open. */
  holds: Address[];
  /** VFs that it had open when it was stopped, and will want again; absent while it runs. */
  stoppedWith?: Address[];
  /** Its machine has no port from which a device could be unplugged; absent: it has. */
  keepsDevices?: boolean;
  /** virtio NICs that can stand in for a VF; absent: none. */
  standIns?: { name: string; mac: string }[];
  /** VFs that it was given by name; absent: none. */
  devices?: DeviceState[];
};

type OperationPhase =
  | "locking"
  | "starting"
  | "creating"
  | "probing"
  | "removing"
  | "settling"
  | "finishing"
  | "done";

/** A request that takes time. It belongs to the kernel: it goes on when its manager is dead. */
export type Operation = {
  id: number;
  request: HostRequest;
  /** Who waits for it. */
  session: string;
  startedAtMs: number;
  phase: OperationPhase;
  /** When it goes on; null while it waits for a lock, a guest or for ever. */
  wakeAtMs: number | null;
  waitsFor: string | null;
  /** Locks to take, in order, and how many of them it has. */
  locks: string[];
  locksHeld: number;
  /** VF that it is at. */
  cursor: number;
  /** VFs to make. */
  wanted: number;
  /** What the fault plan has for it. */
  faults: Fault[];
  errno: Errno | null;
  /** There was nothing to write to. */
  isMissing: boolean;
  reason: string;
};

/** Everything but the functions. */
export type CoreState = {
  format: typeof stateFormat;
  name: string;
  about: string;
  kernelRelease: string;
  machineId: string;
  bootId: string;
  lockModel: LockModel;
  hasIommu: boolean;
  naming: Profile["naming"];
  /** CPUs of each NUMA node, numbered through them; absent: not known. */
  cpusPerNode?: number;
  loadedDrivers: string[];
  loadableModules: string[];
  /** `new_id` of a driver. */
  dynamicIds: { driver: string; vendorId: number; deviceId: number }[];
  clockMs: number;
  nextOperationId: number;
  nextIfindex: number;
  /** Seed of the next random MAC. */
  macSeed: number;
  ports: PortState[];
  guests: GuestState[];
  /** `netns:ci`, `docker:web`; absent: none. */
  namespaces?: string[];
  operations: Operation[];
  /** Lock name to the operation that has it. */
  locks: Record<string, number>;
  faults: { fault: Fault; seen: number }[];
  /** The kernel log, newest last, cut to the last lines. */
  log: string[];
  /** Uevents, `add 0000:01:10.0`, likewise. */
  uevents: string[];
};

export type MachineState = { core: CoreState; pfs: PfState[] };

export const isVfHeld = (state: MachineState, address: Address): boolean =>
  state.core.guests.some(({ holds }) => holds.includes(address));

export function holderOf(state: MachineState, address: Address): GuestState | null {
  return state.core.guests.find(({ holds }) => holds.includes(address)) ?? null;
}

const logLength = 200;
/** They are written with every change of a VF, so few are kept. */
const ueventsLength = 32;

type UeventAction = "add" | "change" | "remove" | "bind" | "unbind";

/** What udev would hear. */
export function emitUevent({ core }: MachineState, action: UeventAction, address: Address): void {
  core.uevents.push(`${action} ${address}`);
  const excess = core.uevents.length - ueventsLength;
  if (excess > 0) core.uevents.splice(0, excess);
}

/** One line of the kernel log. */
export function logLine({ core }: MachineState, line: string): void {
  core.log.push(`[${(core.clockMs / 1000).toFixed(6).padStart(12)}] ${line}`);
  if (core.log.length > logLength) core.log.splice(0, core.log.length - logLength);
}

/** False as soon as lines may have been cut off. */
export const isLogWhole = ({ log }: CoreState): boolean => log.length < logLength;
