// How each PF driver behaves, as a table: what it allows, what it resets, what it refuses and with
// which errno. Read from the drivers of Linux 6.12 (drivers/net/ethernet/intel, mellanox;
// drivers/nvme); the igb row was also compared with a running kernel.

import type { VfAttribute, VfPolicy } from "../../model/vf-attribute.ts";
import { noPolicy } from "../../model/vf-attribute.ts";
import type { Errno } from "./state.ts";
import type { Card, CardName } from "./cards.ts";
import { cardOf } from "./cards.ts";

/** What a driver looks at before it takes an attribute. */
export type AttributeContext = {
  readonly card: CardName;
  readonly hasLink: boolean;
  readonly numVfs: number;
  readonly isSwitchdev: boolean;
};

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
  /** Attributes that reset the VF when they change. */
  readonly resetsVfOn: readonly VfAttribute["name"][];
  /** What a fresh VF reports; null fields are never reported. */
  readonly fresh: VfPolicy;
  readonly attributeMs: number;
  readonly refuses: (attribute: VfAttribute, context: AttributeContext) => Errno | null;
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

type Vlan = Extract<VfAttribute, { name: "vlan" }>["vlan"];
type Rate = Extract<VfAttribute, { name: "rate" }>;

/** Intel drivers: range first, then protocol. */
function vlanRefusal({ id, qos, protocol }: Vlan, takes8021ad: boolean): Errno | null {
  if (id > 4095 || qos > 7) return "EINVAL";
  return protocol === "802.1ad" && !takes8021ad ? "EPROTONOSUPPORT" : null;
}

const isUnicast = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;

/** Rate rules that hold everywhere: net/core/rtnetlink.c do_setvfinfo() looks before drivers do. */
const rateLimit = ({ txRateMaxMbps }: Rate, limitMbps: number): Errno | null =>
  txRateMaxMbps > limitMbps ? "EINVAL" : null;

function igbRefuses(attribute: VfAttribute, context: AttributeContext): Errno | null {
  const { card, hasLink } = context;
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      return vlanRefusal(attribute.vlan, false);
    case "rate":
      // igb_ndo_set_vf_bw(): 82576 alone has a rate limiter; without a link not even 0 is taken.
      if (card !== "intel-82576") return "EOPNOTSUPP";
      if (attribute.txRateMinMbps !== 0) return "EINVAL";
      return hasLink ? rateLimit(attribute, cardOf(card).linkSpeedMbps) : "EINVAL";
    case "spoofCheck":
      return context.numVfs === 0 ? "EOPNOTSUPP" : null;
    case "trust":
      return null;
    default:
      return "EOPNOTSUPP";
  }
}

function ixgbeRefuses(attribute: VfAttribute, { hasLink }: AttributeContext): Errno | null {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      return vlanRefusal(attribute.vlan, false);
    case "rate":
      // ixgbe_ndo_set_vf_bw(): link at 10 Gbit/s; 0 or 11 to 10000.
      if (!hasLink || attribute.txRateMinMbps !== 0) return "EINVAL";
      if (attribute.txRateMaxMbps !== 0 && attribute.txRateMaxMbps <= 10) return "EINVAL";
      return rateLimit(attribute, 10_000);
    case "nodeGuid":
    case "portGuid":
      return "EOPNOTSUPP";
    default:
      return null;
  }
}

function i40eRefuses(attribute: VfAttribute, { card, hasLink }: AttributeContext): Errno | null {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      return vlanRefusal(attribute.vlan, false);
    case "rate":
      if (attribute.txRateMinMbps !== 0) return "EINVAL";
      // i40e_set_bw_limit(): the link's speed is the limit, and there is none without link.
      return rateLimit(attribute, hasLink ? cardOf(card).linkSpeedMbps : 0);
    case "rssQuery":
    case "nodeGuid":
    case "portGuid":
      return "EOPNOTSUPP";
    default:
      return null;
  }
}

function iceRefuses(attribute: VfAttribute, context: AttributeContext): Errno | null {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      // 802.1ad needs double-VLAN mode, a setting of the package that is loaded; it is here.
      return vlanRefusal(attribute.vlan, true);
    case "rate":
      return rateLimit(attribute, context.hasLink ? cardOf(context.card).linkSpeedMbps : 0);
    case "trust":
      return context.isSwitchdev ? "EOPNOTSUPP" : null;
    case "rssQuery":
    case "nodeGuid":
    case "portGuid":
      return "EOPNOTSUPP";
    default:
      return null;
  }
}

function mlx5Refuses(attribute: VfAttribute, { card, isSwitchdev }: AttributeContext) {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan": {
      const { id, qos } = attribute.vlan;
      // VLAN 0 is accepted in switchdev mode for the sake of libvirt.
      if (isSwitchdev && (id !== 0 || qos !== 0)) return "EOPNOTSUPP";
      return vlanRefusal(attribute.vlan, false);
    }
    case "rate":
      return rateLimit(attribute, cardOf(card).linkSpeedMbps);
    case "spoofCheck":
    case "trust":
    case "linkState":
      return isSwitchdev ? "EOPNOTSUPP" : null;
    default:
      return "EOPNOTSUPP";
  }
}

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
export const pfDrivers: Readonly<Record<string, PfDriver>> = {
  igb,
  "ixgbe": {
    ...igb,
    totalVfs: () => 63,
    perVfMs: 10,
    linkUpMs: 1500,
    fresh: { ...fresh, rssQuery: false },
    refuses: ixgbeRefuses,
  },
  "i40e": {
    ...igb,
    totalVfs: ({ totalVfs }) => totalVfs,
    enableMs: 1200,
    perVfMs: 40,
    attributeMs: 20,
    resetsVfOn: ["mac", "vlan", "trust"],
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
export type VfDriver = {
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
