// Which VF attributes each network driver refuses, and with which errno: a table a driver, whose
// rules keep the order of the driver's own checks (Linux 6.12, drivers/net/ethernet/intel and
// mellanox). An attribute without a rule is one that the driver has no operation for. That the VF
// exists is checked by whoever asks.

import type { VfAttribute, VfAttributeName } from "../../model/vf-attribute.ts";
import type { CardRef } from "./cards.ts";
import { cardOf } from "./cards.ts";
import type { Errno } from "./state.ts";

/** What a driver looks at before it takes an attribute. */
type AttributeContext = {
  readonly card: CardRef;
  /** The driver has seen a link. */
  readonly hasLink: boolean;
  /** The card's own register says that the link is up, which the driver may not have seen. */
  readonly isLinkRegisterUp: boolean;
  readonly numVfs: number;
  /** Minimum rates of the PF's other VFs, together. */
  readonly guaranteedElsewhereMbps: number;
  readonly isSwitchdev: boolean;
};

type Of<Name extends VfAttributeName> = Extract<VfAttribute, { name: Name }>;

type Rule<Name extends VfAttributeName> = (
  attribute: Of<Name>,
  context: AttributeContext,
) => Errno | null;

type Rules = { readonly [Name in VfAttributeName]?: Rule<Name> };

export type Refusal = (attribute: VfAttribute, context: AttributeContext) => Errno | null;

const refusalBy =
  (rules: Rules): Refusal =>
  (attribute, context) => {
    const rule = rules[attribute.name] as Rule<VfAttributeName> | undefined;
    return rule === undefined ? "EOPNOTSUPP" : rule(attribute, context);
  };

const taken = (): null => null;

const unicastMac: Rule<"mac"> = ({ mac }) =>
  (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 ? null : "EINVAL";

const isVlanInRange = ({ vlan: { id, qos } }: Of<"vlan">): boolean => id <= 4095 && qos <= 7;

/** Range first, then protocol. */
const vlan8021q: Rule<"vlan"> = (attribute) => {
  if (!isVlanInRange(attribute)) return "EINVAL";
  return attribute.vlan.protocol === "802.1ad" ? "EPROTONOSUPPORT" : null;
};

/** Rate rules that hold everywhere: net/core/rtnetlink.c do_setvfinfo() looks before drivers do. */
const rateLimit = ({ txRateMaxMbps }: Of<"rate">, limitMbps: number): Errno | null =>
  txRateMaxMbps > limitMbps ? "EINVAL" : null;

const intel: Rules = { mac: unicastMac, vlan: vlan8021q, spoofCheck: taken, trust: taken };

/** igb_ndo_set_vf_bw(): 82576 alone has a rate limiter. The link is asked of the register, the
 * speed of what the driver last saw, which is 0 without a link: then only 0 passes. */
const igbRate: Rule<"rate"> = (rate, { card, hasLink, isLinkRegisterUp }) => {
  if (card !== "intel-82576") return "EOPNOTSUPP";
  if (rate.txRateMinMbps !== 0 || !isLinkRegisterUp) return "EINVAL";
  return rateLimit(rate, hasLink ? cardOf(card).linkSpeedMbps : 0);
};

export const igbRefuses = refusalBy({
  ...intel,
  rate: igbRate,
  spoofCheck: (_, { numVfs }) => (numVfs === 0 ? "EOPNOTSUPP" : null),
});

/** ixgbe_ndo_set_vf_bw(): link at 10 Gbit/s; 0 or 11 to 10000. */
const ixgbeRate: Rule<"rate"> = (rate, { hasLink }) => {
  const { txRateMinMbps, txRateMaxMbps } = rate;
  if (!hasLink || txRateMinMbps !== 0) return "EINVAL";
  return txRateMaxMbps !== 0 && txRateMaxMbps <= 10 ? "EINVAL" : rateLimit(rate, 10_000);
};

export const ixgbeRefuses = refusalBy({
  ...intel,
  rate: ixgbeRate,
  linkState: taken,
  rssQuery: taken,
});

/** i40e_set_bw_limit(): without a link the speed is -EINVAL, compared as a huge number. */
const i40eRate: Rule<"rate"> = (rate, { card, hasLink }) =>
  rate.txRateMinMbps === 0
    ? rateLimit(rate, hasLink ? cardOf(card).linkSpeedMbps : Infinity)
    : "EINVAL";

export const i40eRefuses = refusalBy({ ...intel, rate: i40eRate, linkState: taken });

/** ice_set_vf_bw(): guarantees of all VFs within the link; a limit within the link too. */
const iceRate: Rule<"rate"> = (rate, { card, hasLink, guaranteedElsewhereMbps }) => {
  const speedMbps = hasLink ? cardOf(card).linkSpeedMbps : 0;
  if (guaranteedElsewhereMbps + rate.txRateMinMbps > speedMbps) return "EINVAL";
  return rateLimit(rate, speedMbps);
};

const inLegacyMode = (_: VfAttribute, { isSwitchdev }: AttributeContext): Errno | null =>
  isSwitchdev ? "EOPNOTSUPP" : null;

export const iceRefuses = refusalBy({
  ...intel,
  // 802.1ad needs double-VLAN mode, a setting of the package that is loaded; it is here.
  vlan: (attribute) => (isVlanInRange(attribute) ? null : "EINVAL"),
  rate: iceRate,
  trust: inLegacyMode,
  linkState: taken,
});

const mlx5Vlan: Rule<"vlan"> = (attribute, { isSwitchdev }) => {
  const { id, protocol } = attribute.vlan;
  if (protocol === "802.1ad") return "EPROTONOSUPPORT";
  // VLAN 0 is accepted in switchdev mode for the sake of libvirt.
  if (isSwitchdev) return id === 0 ? null : "EOPNOTSUPP";
  return isVlanInRange(attribute) ? null : "EINVAL";
};

export const mlx5Refuses = refusalBy({
  mac: unicastMac,
  vlan: mlx5Vlan,
  rate: (rate, { card }) => rateLimit(rate, cardOf(card).linkSpeedMbps),
  spoofCheck: inLegacyMode,
  trust: inLegacyMode,
  linkState: inLegacyMode,
});
