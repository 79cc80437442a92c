// Small machines for tests of applying: cards of different habits below one root port each, VFs
// that are there already, and guests that hold some of them. Small, because a simulation runs
// thousands of them; the machines that people see are in src/host/emulated/machines.

import type { CardName } from "../../src/host/emulated/cards.ts";
import type {
  FunctionProfile,
  GuestProfile,
  PortProfile,
  Profile,
} from "../../src/host/emulated/profile.ts";
import type { Address } from "../../src/model/bdf.ts";

export type PfPlan = {
  readonly card: CardName;
  readonly numVfs?: number;
  /** By index; the kernel's driver otherwise. */
  readonly vfDrivers?: Readonly<Record<number, string>>;
  readonly isUp?: boolean;
  /** The PF carries a bridge, so resetting it disrupts somebody. */
  readonly upper?: string;
  readonly hasNetdev?: boolean;
};

export type MachinePlan = {
  readonly pfs: readonly PfPlan[];
  readonly guests?: readonly {
    readonly name: string;
    readonly holds: readonly (readonly [number, number])[];
    readonly keepsDevices?: boolean;
  }[];
  readonly isVfioLoaded?: boolean;
  /** Drivers of VFs are modules that nobody has loaded yet, as after a boot. */
  readonly areVfDriversLoaded?: boolean;
  readonly lockModel?: "global" | "per-pf";
};

const hex = (value: number): string => value.toString(16).padStart(2, "0");

export const pfAddress = (index: number): Address => `0000:${hex(0x10 * (index + 1))}:00.0`;

const pfMac = (index: number): string => `b4:96:91:00:00:${hex(index + 1)}`;

const portOf = (index: number): PortProfile => ({
  address: `0000:00:${hex(index + 1)}.0`,
  kind: "root-port",
  below: null,
  secondaryBus: 0x10 * (index + 1),
  subordinateBus: 0x10 * (index + 1) + 0x0f,
  hasAcs: true,
  forwardsAri: true,
  windowBytes: 2 ** 32,
});

function functionOf(plan: PfPlan, index: number): FunctionProfile {
  const { card, numVfs, vfDrivers, isUp = true, upper, hasNetdev = true } = plan;
  const netdev = {
    name: `pf${index}`,
    mac: pfMac(index),
    isUp,
    hasCable: true,
    ...(upper === undefined ? {} : { upper }),
  };
  return {
    address: pfAddress(index),
    below: portOf(index).address,
    card,
    serial: null,
    numaNode: 0,
    netdev: hasNetdev ? netdev : null,
    ...(numVfs === undefined ? {} : { numVfs }),
    ...(vfDrivers === undefined ? {} : { vfDrivers }),
  };
}

export function machineProfile({
  pfs,
  guests = [],
  isVfioLoaded,
  areVfDriversLoaded = true,
  lockModel,
}: MachinePlan): Profile {
  const holders = guests.map(({ name, holds, keepsDevices = false }, index): GuestProfile => ({
    name,
    pid: 4000 + index,
    holds: holds.map(([pf, vfIndex]) => ({ pf: pfAddress(pf), vfIndex })),
    ...(keepsDevices ? { keepsDevices } : {}),
  }));
  const pfDrivers = ["igb", "ixgbe", "i40e", "ice", "mlx5_core", "nvme"];
  const vfDrivers = ["igbvf", "ixgbevf", "iavf"];
  const drivers = areVfDriversLoaded ? [...pfDrivers, ...vfDrivers] : pfDrivers;
  return {
    name: "test",
    about: "a machine of a test",
    kernelRelease: "6.12.95",
    lockModel: lockModel ?? "per-pf",
    hasIommu: true,
    naming: "systemd",
    loadedDrivers: isVfioLoaded === true ? [...drivers, "vfio-pci"] : drivers,
    loadableModules: ["vfio-pci", ...vfDrivers],
    ports: pfs.map((_, index) => portOf(index)),
    functions: pfs.map(functionOf),
    guests: holders,
  };
}
