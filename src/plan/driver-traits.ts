// What PF drivers can and do, as one table: it is how a plan knows before the first write that an
// attribute would be refused, what a fresh VF looks like, and which changes reset a PF in use.
// Read in the drivers of kernel 6.12 (igb_main.c, ixgbe_sriov.c, i40e_virtchnl_pf.c, ice_sriov.c,
// mlx5 esw/legacy.c, bnxt_sriov.c), igb measured on a real kernel. A driver that is not listed is
// unknown: nothing is refused beforehand and the kernel's answer is reported per VF.

import type { VfAttributeName } from "../model/vf-attribute.ts";

export type DriverTraits = {
  /** Attributes that the driver answers with EOPNOTSUPP. */
  readonly unsupported: ReadonlySet<VfAttributeName>;
  /** `min_tx_rate` other than 0 is refused. */
  readonly hasMinRate: boolean;
  /** Max rate is refused with EINVAL while the PF has no link. */
  readonly rateNeedsLink: boolean;
  /** The rate that the driver reports for a wanted one, Mbit/s. */
  readonly roundRateMbps: (wantedMbps: number) => number;
  readonly has8021ad: boolean;
  /** `link state enable` is accepted and does nothing, so it never reads back. */
  readonly ignoresLinkEnable: boolean;
  /** Spoof check of a fresh VF; null: up to the firmware. */
  readonly freshSpoofCheck: boolean | null;
  /** Creating or removing VFs resets the PF's own netdev. */
  readonly resizeResetsPf: boolean;
  /** Changing the MTU takes the PF's link down for a moment. */
  readonly mtuResetsPf: boolean;
  /** The VF's netdev keeps its old MAC until the VF driver is loaded again. */
  readonly macNeedsReload: boolean;
  readonly hasSwitchdev: boolean;
  /** The kernel's driver refuses a VF that was just made: its controller has no queues yet. */
  readonly freshVfsAreOffline: boolean;
};

const exactly = (wantedMbps: number): number => wantedMbps;

/** Assumed of a driver that is not in the table: allow everything, fear everything. */
const unknownDriver: DriverTraits = {
  unsupported: new Set(),
  hasMinRate: true,
  rateNeedsLink: false,
  roundRateMbps: exactly,
  has8021ad: true,
  ignoresLinkEnable: false,
  freshSpoofCheck: null,
  resizeResetsPf: true,
  mtuResetsPf: true,
  macNeedsReload: true,
  hasSwitchdev: true,
  freshVfsAreOffline: false,
};

const guids: readonly VfAttributeName[] = ["nodeGuid", "portGuid"];

const intel: DriverTraits = {
  ...unknownDriver,
  unsupported: new Set(guids),
  hasMinRate: false,
  has8021ad: false,
  freshSpoofCheck: true,
  hasSwitchdev: false,
};

/** Drivers of functions without netdev attributes: sriov_configure is the simple helper. */
const countOnly: DriverTraits = {
  ...unknownDriver,
  resizeResetsPf: false,
  mtuResetsPf: false,
  hasSwitchdev: false,
};

const traitsByDriver: Readonly<Record<string, DriverTraits>> = {
  "igb": {
    ...intel,
    unsupported: new Set<VfAttributeName>([...guids, "linkState", "rssQuery"]),
    rateNeedsLink: true,
  },
  "ixgbe": { ...intel, rateNeedsLink: true, ignoresLinkEnable: true },
  "i40e": {
    ...intel,
    // It programs steps of 50 Mbit/s and reports what was asked (i40e_ndo_set_vf_bw()); without a
    // link it takes any rate, as its speed of -EINVAL is compared as an unsigned number.
    unsupported: new Set<VfAttributeName>([...guids, "rssQuery"]),
    macNeedsReload: false,
  },
  "ice": {
    ...intel,
    unsupported: new Set<VfAttributeName>([...guids, "rssQuery"]),
    hasMinRate: true,
    rateNeedsLink: true,
    has8021ad: true,
    resizeResetsPf: false,
    macNeedsReload: false,
    hasSwitchdev: true,
  },
  "mlx5_core": {
    ...unknownDriver,
    unsupported: new Set<VfAttributeName>(["rssQuery"]),
    has8021ad: false,
    freshSpoofCheck: false,
    resizeResetsPf: false,
    mtuResetsPf: true,
    macNeedsReload: false,
  },
  "bnxt_en": {
    ...unknownDriver,
    resizeResetsPf: false,
    macNeedsReload: false,
  },
  "nvme": { ...countOnly, freshVfsAreOffline: true },
  "pci-pf-stub": countOnly,
  "virtio-pci": countOnly,
};

export const traitsOf = (driver: string | null): DriverTraits =>
  (driver === null ? undefined : traitsByDriver[driver]) ?? unknownDriver;
