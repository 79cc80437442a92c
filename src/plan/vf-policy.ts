// VF attributes as the planner compares them: what the spec wants as settings, what the driver
// reports as settings, whether the two are the same as the driver rounds, and what a fresh VF has.

import { assertNever } from "../model/assert.ts";
import { zeroMac } from "../model/mac.ts";
import type { PolicySpec } from "../model/spec.ts";
import type { VfAttribute, VfAttributeName, VfPolicy, Vlan } from "../model/vf-attribute.ts";
import type { DriverTraits } from "./driver-traits.ts";

const noVlan: Vlan = { id: 0, qos: 0, protocol: "802.1q" };

/** In the order in which they are set: identity first, permissions last. */
export const attributeNames: readonly VfAttributeName[] = [
  "mac",
  "vlan",
  "rate",
  "spoofCheck",
  "trust",
  "linkState",
  "rssQuery",
  "nodeGuid",
  "portGuid",
];

const freshWith = (spoofCheck: boolean | null): VfPolicy => ({
  mac: zeroMac,
  vlan: noVlan,
  txRateMinMbps: 0,
  txRateMaxMbps: 0,
  spoofCheck,
  trust: false,
  linkState: "auto",
  rssQuery: false,
  nodeGuid: null,
  portGuid: null,
});

const [freshOn, freshOff, freshUnknown] = [freshWith(true), freshWith(false), freshWith(null)];

/** Policy of a VF that was just created; null where the table does not know. */
export function freshPolicy({ freshSpoofCheck }: DriverTraits): VfPolicy {
  if (freshSpoofCheck === null) return freshUnknown;
  return freshSpoofCheck ? freshOn : freshOff;
}

const toggle = (
  name: "spoofCheck" | "trust" | "rssQuery",
  isOn: boolean | null,
): VfAttribute | null => (isOn === null ? null : { name, isOn });

/** One attribute of a policy as a setting; null when the driver does not report it. */
export function settingOf(policy: VfPolicy, name: VfAttributeName): VfAttribute | null {
  const { mac, vlan, txRateMinMbps, txRateMaxMbps, linkState, nodeGuid, portGuid } = policy;
  switch (name) {
    case "mac":
      return mac === null ? null : { name, mac };
    case "vlan":
      return vlan === null ? null : { name, vlan };
    case "rate":
      if (txRateMaxMbps === null) return null;
      return { name, txRateMinMbps: txRateMinMbps ?? 0, txRateMaxMbps };
    case "spoofCheck":
    case "trust":
    case "rssQuery":
      return toggle(name, policy[name]);
    case "linkState":
      return linkState === null ? null : { name, linkState };
    case "nodeGuid":
      return nodeGuid === null ? null : { name, guid: nodeGuid };
    case "portGuid":
      return portGuid === null ? null : { name, guid: portGuid };
    default:
      return assertNever(name);
  }
}

/** What the spec wants of attribute `name`: a setting, `fresh-unknown` where it asks for a default
 * that nobody knows, null where it leaves the attribute alone. */
export function wantedSetting(
  name: VfAttributeName,
  wanted: PolicySpec,
  context: {
    readonly current: VfPolicy;
    readonly fresh: VfPolicy;
    readonly autoMac: string | null;
  },
): VfAttribute | "fresh-unknown" | null {
  const { current, fresh, autoMac } = context;
  const value = wanted[name];
  if (value === undefined) return null;
  if (value === "default") return settingOf(fresh, name) ?? "fresh-unknown";
  if (name === "mac") {
    const mac = wanted.mac === "auto" ? autoMac : (wanted.mac ?? null);
    return mac === null ? "fresh-unknown" : { name, mac };
  }
  const { vlan, rate, linkState, nodeGuid, portGuid } = wanted;
  if (name === "vlan" && typeof vlan === "object") return { name, vlan };
  if (name === "vlan") return { name, vlan: noVlan };
  if (name === "rate" && typeof rate === "object") {
    const txRateMinMbps = rate.minMbps ?? current.txRateMinMbps ?? 0;
    return { name, txRateMinMbps, txRateMaxMbps: rate.maxMbps ?? current.txRateMaxMbps ?? 0 };
  }
  if (name === "linkState" && linkState !== undefined && linkState !== "default") {
    return { name, linkState };
  }
  if (name === "nodeGuid" && nodeGuid !== undefined) return { name, guid: nodeGuid };
  if (name === "portGuid" && portGuid !== undefined) return { name, guid: portGuid };
  if (name === "spoofCheck" || name === "trust" || name === "rssQuery") {
    return { name, isOn: value === true };
  }
  return null;
}

const sameVlan = (left: Vlan, right: Vlan): boolean =>
  left.id === right.id &&
  left.qos === right.qos &&
  // Without a VLAN the protocol means nothing, and drivers report 802.1Q.
  (left.protocol === right.protocol || (left.id === 0 && left.qos === 0));

/** Whether the host has what is wanted, as the driver rounds it. */
export function isSame(wanted: VfAttribute, current: VfAttribute, traits: DriverTraits): boolean {
  switch (wanted.name) {
    case "mac":
      return current.name === "mac" && current.mac === wanted.mac;
    case "vlan":
      return current.name === "vlan" && sameVlan(current.vlan, wanted.vlan);
    case "rate":
      return (
        current.name === "rate" &&
        current.txRateMinMbps === traits.roundRateMbps(wanted.txRateMinMbps) &&
        current.txRateMaxMbps === traits.roundRateMbps(wanted.txRateMaxMbps)
      );
    case "spoofCheck":
    case "trust":
    case "rssQuery":
      return current.name === wanted.name && current.isOn === wanted.isOn;
    case "linkState":
      return current.name === "linkState" && current.linkState === wanted.linkState;
    case "nodeGuid":
    case "portGuid":
      return current.name === wanted.name && current.guid === wanted.guid;
    default:
      return assertNever(wanted);
  }
}

const vlanWords = ({ id, qos, protocol }: Vlan): string => {
  if (id === 0 && qos === 0) return "none";
  return `${id}${qos === 0 ? "" : ` qos ${qos}`}${protocol === "802.1q" ? "" : ` ${protocol}`}`;
};

const rateWords = (min: number, max: number): string =>
  `${max === 0 ? "unlimited" : `at most ${max} Mbit/s`}${min === 0 ? "" : `, at least ${min} Mbit/s`}`;

/** A setting in the words of the spec: `vlan 120 qos 3`, `trust on`. */
export function settingWords(setting: VfAttribute): string {
  switch (setting.name) {
    case "mac":
      return `mac ${setting.mac === zeroMac ? "unset" : setting.mac}`;
    case "vlan":
      return `vlan ${vlanWords(setting.vlan)}`;
    case "rate":
      return `rate ${rateWords(setting.txRateMinMbps, setting.txRateMaxMbps)}`;
    case "spoofCheck":
    case "trust":
    case "rssQuery":
      return `${setting.name} ${setting.isOn ? "on" : "off"}`;
    case "linkState":
      return `linkState ${setting.linkState}`;
    case "nodeGuid":
    case "portGuid":
      return `${setting.name} ${setting.guid}`;
    default:
      return assertNever(setting);
  }
}
