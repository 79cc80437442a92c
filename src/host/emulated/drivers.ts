// How each PF driver behaves, as a table: what it allows, what it resets, what it refuses and with
// which errno. Read from the drivers of Linux 6.12 (drivers/net/ethernet/intel, mellanox;
// drivers/nvme); the igb row was also compared with a running kernel.

import type { VfAttribute, VfPolicy } from "../../model/vf-attribute.ts";
import { noPolicy } from "../../model/vf-attribute.ts";
import type { Refusal } from "./attribute-rules.ts";
import {
  i40eRefuses,
  iceRefuses,
  igbRefuses,
  ixgbeRefuses,
  mlx5Refuses,
} from "./attribute-rules.ts";
import type { Card } from "./card.ts";

export type PfDriver = {
  readonly isNetwork: boolean;
  /** `sriov_totalvfs` while it is bound. */
  readonly totalVfs: (card: Card) => number;
  /** Null: no sriov_configure callback, so any count is ENOENT. */
  readonly enableMs: number | null;
  readonly disableMs: number;
  readonly perVfMs: number;
  /** Taking or dropping VFs closes and opens the PF's netdev. */
  readonly resetsPf: boolean;
  /** From opening the netdev to its carrier. */
  readonly linkUpMs: number;
  /** Unbinding leaves the VFs on. */
  readonly keepsVfsOnUnbind: boolean;
  readonly eswitch: "none" | "needs-zero-vfs" | "any-time";
  readonly resizesMsix: boolean;
  /** Attributes that reset the VF when they change, and those that do whenever they are set. */
  readonly resetsVfOn: readonly VfAttribute["name"][];
  readonly alwaysResetsVfOn: readonly VfAttribute["name"][];
  /** Taken, and nothing comes of it. */
  readonly ignores: (attribute: VfAttribute) => boolean;
  /** What 0 means for `sriov_vf_msix_count`. */
  readonly msixZero: "default" | "no-change";
  /** What a fresh VF reports; null fields are never reported. */
  readonly fresh: VfPolicy;
  readonly attributeMs: number;
  readonly refuses: Refusal;
};

const fresh: VfPolicy = {
  ...noPolicy,
  mac: "00:00:00:00:00:00",
  vlan: { id: 0, qos: 0, protocol: "802.1q" },
  txRateMinMbps: 0,
  txRateMaxMbps: 0,
  spoofCheck: true,
  trust: false,
  // The kernel reports 0, automatic, for drivers that say nothing.
  linkState: "auto",
};

const simple: PfDriver = {
  isNetwork: false,
  totalVfs: ({ totalVfs }) => totalVfs,
  enableMs: 20,
  disableMs: 20,
  perVfMs: 1,
  resetsPf: false,
  linkUpMs: 0,
  keepsVfsOnUnbind: true,
  eswitch: "none",
  resizesMsix: false,
  resetsVfOn: [],
  alwaysResetsVfOn: [],
  ignores: () => false,
  msixZero: "default",
  fresh: noPolicy,
  attributeMs: 0,
  refuses: () => "EOPNOTSUPP",
};

const igb: PfDriver = {
  ...simple,
  isNetwork: true,
  // igb_probe_vfs(): 7 of the 8, as queues are shared.
  totalVfs: () => 7,
  enableMs: 400,
  disableMs: 900,
  perVfMs: 5,
  resetsPf: true,
  // Measured in the lab: 0.55 s.
  linkUpMs: 550,
  keepsVfsOnUnbind: false,
  fresh,
  attributeMs: 1,
  refuses: igbRefuses,
};

/** By kernel driver name. A PF bound to anything else has no sriov_configure callback. */
const pfDrivers: Readonly<Record<string, PfDriver>> = {
  igb,
  "ixgbe": {
    ...igb,
    totalVfs: () => 63,
    perVfMs: 10,
    linkUpMs: 1500,
    resetsVfOn: ["trust"],
    // ixgbe_ndo_set_vf_link_state(): logs that it is not supported, and returns 0.
    ignores: (attribute) => attribute.name === "linkState" && attribute.linkState === "enable",
    fresh: { ...fresh, rssQuery: false },
    refuses: ixgbeRefuses,
  },
  "i40e": {
    ...igb,
    totalVfs: ({ totalVfs }) => totalVfs,
    enableMs: 1200,
    perVfMs: 40,
    attributeMs: 20,
    resetsVfOn: ["vlan", "trust"],
    alwaysResetsVfOn: ["mac"],
    refuses: i40eRefuses,
  },
  "ice": {
    ...igb,
    totalVfs: ({ totalVfs }) => totalVfs,
    enableMs: 300,
    perVfMs: 15,
    attributeMs: 10,
    resetsPf: false,
    resizesMsix: true,
    msixZero: "no-change",
    eswitch: "needs-zero-vfs",
    resetsVfOn: ["mac", "vlan", "trust"],
    refuses: iceRefuses,
  },
  "mlx5_core": {
    ...igb,
    totalVfs: ({ totalVfs }) => totalVfs,
    enableMs: 200,
    perVfMs: 60,
    resetsPf: false,
    resizesMsix: true,
    eswitch: "any-time",
    fresh: { ...fresh, spoofCheck: false },
    refuses: mlx5Refuses,
  },
  "nvme": simple,
  "pci-pf-stub": simple,
};

export const pfDriverOf = (name: string | null): PfDriver | null =>
  name === null ? null : (pfDrivers[name] ?? null);

/** Time that a driver's probe takes for one VF, and what comes of it. */
type VfDriver = {
  readonly probeMs: number;
  readonly isNetwork: boolean;
  /** igbvf waits for a PF that is down: "PF still in reset state". */
  readonly probeMsWhilePfDown: number;
  /** A VF controller that is offline refuses (nvme: CSTS=0x2 until it is given queues). */
  readonly alwaysFails: boolean;
};

const netVf = (probeMs: number): VfDriver => ({
  probeMs,
  isNetwork: true,
  probeMsWhilePfDown: probeMs,
  alwaysFails: false,
});

export const vfDrivers: Readonly<Record<string, VfDriver>> = {
  "igbvf": { ...netVf(80), probeMsWhilePfDown: 5000 },
  "ixgbevf": netVf(90),
  "iavf": netVf(340),
  "mlx5_core": netVf(500),
  "nvme": { probeMs: 100, isNetwork: false, probeMsWhilePfDown: 100, alwaysFails: true },
  "vfio-pci": { probeMs: 5, isNetwork: false, probeMsWhilePfDown: 5, alwaysFails: false },
  "pci-stub": { probeMs: 1, isNetwork: false, probeMsWhilePfDown: 1, alwaysFails: false },
};

/** Drivers that manage DMA for somebody else: a group is viable with these only. */
export const isUserDriver = (driver: string): boolean =>
  driver === "vfio-pci" || driver === "pci-stub";
