// Which VF attributes each network driver refuses, and with which errno: a function a driver, in the
// order of its own checks (Linux 6.12, drivers/net/ethernet/intel and mellanox). That the VF exists
// is checked by whoever asks.

import type { VfAttribute } from "../../model/vf-attribute.ts";
import type { CardName } from "./cards.ts";
import { cardOf } from "./cards.ts";
import type { Errno } from "./state.ts";

/** What a driver looks at before it takes an attribute. */
export type AttributeContext = {
  readonly card: CardName;
  /** The driver has seen a link. */
  readonly hasLink: boolean;
  /** The card's own register says that the link is up, which the driver may not have seen. */
  readonly isLinkRegisterUp: boolean;
  readonly numVfs: number;
  /** Minimum rates of the PF's other VFs, together. */
  readonly guaranteedElsewhereMbps: number;
  readonly isSwitchdev: boolean;
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

export function igbRefuses(attribute: VfAttribute, context: AttributeContext): Errno | null {
  const { card, hasLink, isLinkRegisterUp } = context;
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      return vlanRefusal(attribute.vlan, false);
    case "rate":
      // igb_ndo_set_vf_bw(): 82576 alone has a rate limiter. The link is asked of the register, the
      // speed of what the driver last saw, which is 0 without a link: then only 0 passes.
      if (card !== "intel-82576") return "EOPNOTSUPP";
      if (attribute.txRateMinMbps !== 0 || !isLinkRegisterUp) return "EINVAL";
      return rateLimit(attribute, hasLink ? cardOf(card).linkSpeedMbps : 0);
    case "spoofCheck":
      return context.numVfs === 0 ? "EOPNOTSUPP" : null;
    case "trust":
      return null;
    default:
      return "EOPNOTSUPP";
  }
}

export function ixgbeRefuses(attribute: VfAttribute, { hasLink }: AttributeContext): Errno | null {
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

export function i40eRefuses(
  attribute: VfAttribute,
  { card, hasLink }: AttributeContext,
): Errno | null {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      return vlanRefusal(attribute.vlan, false);
    case "rate":
      if (attribute.txRateMinMbps !== 0) return "EINVAL";
      // i40e_set_bw_limit(): without a link the speed is -EINVAL, compared as a huge number.
      return rateLimit(attribute, hasLink ? cardOf(card).linkSpeedMbps : Infinity);
    case "rssQuery":
    case "nodeGuid":
    case "portGuid":
      return "EOPNOTSUPP";
    default:
      return null;
  }
}

/** ice_set_vf_bw(): guarantees of all VFs within the link; a limit within the link too. */
function iceRateRefusal(rate: Rate, context: AttributeContext): Errno | null {
  const { card, hasLink, guaranteedElsewhereMbps } = context;
  const speedMbps = hasLink ? cardOf(card).linkSpeedMbps : 0;
  if (guaranteedElsewhereMbps + rate.txRateMinMbps > speedMbps) return "EINVAL";
  return rateLimit(rate, speedMbps);
}

export function iceRefuses(attribute: VfAttribute, context: AttributeContext): Errno | null {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan":
      // 802.1ad needs double-VLAN mode, a setting of the package that is loaded; it is here.
      return vlanRefusal(attribute.vlan, true);
    case "rate":
      return iceRateRefusal(attribute, context);
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

export function mlx5Refuses(attribute: VfAttribute, { card, isSwitchdev }: AttributeContext) {
  switch (attribute.name) {
    case "mac":
      return isUnicast(attribute.mac) ? null : "EINVAL";
    case "vlan": {
      const { id, protocol } = attribute.vlan;
      if (protocol === "802.1ad") return "EPROTONOSUPPORT";
      // VLAN 0 is accepted in switchdev mode for the sake of libvirt.
      if (isSwitchdev) return id === 0 ? null : "EOPNOTSUPP";
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
