// One VF_INFO nest: what a driver says about one VF. Each attribute repeats the VF's index, and
// that index is the identity of the entry: a VF whose query fails is left out of the list
// (net/core/rtnetlink.c rtnl_fill_vf()), so its position says nothing.

import { noPolicy, type LinkStatePolicy, type Vlan, type VfPolicy } from "../model/vf-attribute.ts";
import { formatHexPairs, isLittleEndian, walkAttributes, type Attribute } from "./attribute.ts";
import { etherType, vfAttribute } from "./kernel-numbers.ts";

/** Counters of a VF as its PF's driver keeps them; all zero where it keeps none. */
type VfStatistics = {
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly broadcasts: bigint;
  readonly multicasts: bigint;
  readonly rxDropped: bigint;
  readonly txDropped: bigint;
};

export type VfInfo = {
  readonly vfIndex: number;
  readonly policy: VfPolicy;
  /** EtherType of the port VLAN as sent; null when there is no VLAN_LIST. */
  readonly vlanEtherType: number | null;
  /** Present only when statistics were asked for. */
  readonly statistics: VfStatistics | null;
  /** Attributes that this decoder does not know or that are shorter than their type. */
  readonly unknown: readonly Attribute[];
};

/** "The driver does not report it": what the kernel puts there before it asks the driver. */
const notReported = 0xffffffff;

type Writable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };

type Draft = Writable<Omit<VfInfo, "policy" | "unknown">> & {
  policy: Writable<VfPolicy>;
  unknown: Attribute[];
};

const linkStates: readonly LinkStatePolicy[] = ["auto", "enable", "disable"];

const booleanOf = (value: number): boolean | null => (value === notReported ? null : value !== 0);

export function vlanProtocolOf(ether: number): Vlan["protocol"] | null {
  // Drivers that never had a VLAN to set (netdevsim) put 0 over the kernel's default of 802.1Q.
  if (ether === etherType.ETH_P_8021Q || ether === 0) return "802.1q";
  return ether === etherType.ETH_P_8021AD ? "802.1ad" : null;
}

/** No port VLAN has no protocol, whatever the last one had: one value for it, to compare with. */
export const normalVlan = (vlan: Vlan): Vlan =>
  vlan.id === 0 && vlan.qos === 0 ? { id: 0, qos: 0, protocol: "802.1q" } : vlan;

/** Bytes that an attribute needs, its index included; fewer is kept as unknown. */
const leastLength: Readonly<Record<number, number>> = {
  [vfAttribute.IFLA_VF_MAC]: 10,
  [vfAttribute.IFLA_VF_VLAN]: 12,
  [vfAttribute.IFLA_VF_TX_RATE]: 8,
  [vfAttribute.IFLA_VF_SPOOFCHK]: 8,
  [vfAttribute.IFLA_VF_LINK_STATE]: 8,
  [vfAttribute.IFLA_VF_RATE]: 12,
  [vfAttribute.IFLA_VF_RSS_QUERY_EN]: 8,
  [vfAttribute.IFLA_VF_STATS]: 0,
  [vfAttribute.IFLA_VF_TRUST]: 8,
  [vfAttribute.IFLA_VF_IB_NODE_GUID]: 16,
  [vfAttribute.IFLA_VF_IB_PORT_GUID]: 16,
  [vfAttribute.IFLA_VF_VLAN_LIST]: 0,
  [vfAttribute.IFLA_VF_BROADCAST]: 0,
};

/**
 * Decodes the VF_INFO whose payload is `start` to `end` of the view; null without an index in it.
 * `addressLength` is that of the PF's own link address: 6 for Ethernet, 20 for InfiniBand.
 */
export function decodeVfInfo(
  view: DataView,
  start: number,
  end: number,
  addressLength: number,
): VfInfo | null {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const draft: Draft = {
    vfIndex: -1,
    policy: { ...noPolicy },
    vlanEtherType: null,
    statistics: null,
    unknown: [],
  };
  walkAttributes(view, start, end, (type, from, to) => {
    const least = leastLength[type];
    if (least === undefined || to - from < least) {
      const rawType = view.getUint16(from - 2, isLittleEndian);
      draft.unknown.push({ rawType, payload: bytes.slice(from, to) });
      return;
    }
    if (least >= 8) draft.vfIndex = view.getUint32(from, isLittleEndian);
    if (type === vfAttribute.IFLA_VF_MAC) {
      // struct ifla_vf_mac has room for 32 bytes; a shorter one is a shorter address.
      const length = Math.min(addressLength, to - from - 4);
      draft.policy.mac = formatHexPairs(bytes.subarray(from + 4, from + 4 + length));
    } else if (type === vfAttribute.IFLA_VF_STATS) {
      draft.statistics = decodeStatistics(view, from, to);
    } else if (type === vfAttribute.IFLA_VF_VLAN_LIST) {
      decodeVlanList({ view, from, to, draft });
    } else {
      decodeNumbers({ type, view, from, draft });
    }
  });
  return draft.vfIndex === -1 ? null : draft;
}

type Place = { readonly view: DataView; readonly from: number; readonly draft: Draft };

function decodeNumbers({ type, view, from, draft }: Place & { readonly type: number }): void {
  const { policy } = draft;
  const word = (at: number): number => view.getUint32(from + at, isLittleEndian);
  switch (type) {
    case vfAttribute.IFLA_VF_VLAN:
      // VLAN_LIST says the protocol too; without it this is all there is.
      policy.vlan = { id: word(4), qos: word(8), protocol: policy.vlan?.protocol ?? "802.1q" };
      break;
    case vfAttribute.IFLA_VF_TX_RATE:
      policy.txRateMaxMbps ??= word(4);
      break;
    case vfAttribute.IFLA_VF_RATE:
      policy.txRateMinMbps = word(4);
      policy.txRateMaxMbps = word(8);
      break;
    case vfAttribute.IFLA_VF_SPOOFCHK:
      policy.spoofCheck = booleanOf(word(4));
      break;
    case vfAttribute.IFLA_VF_TRUST:
      policy.trust = booleanOf(word(4));
      break;
    case vfAttribute.IFLA_VF_RSS_QUERY_EN:
      policy.rssQuery = booleanOf(word(4));
      break;
    case vfAttribute.IFLA_VF_LINK_STATE:
      policy.linkState = linkStates[word(4)] ?? null;
      break;
    case vfAttribute.IFLA_VF_IB_NODE_GUID:
      policy.nodeGuid = formatGuid(view, from + 8);
      break;
    case vfAttribute.IFLA_VF_IB_PORT_GUID:
      policy.portGuid = formatGuid(view, from + 8);
      break;
  }
}

/** A GUID is a number on the wire; its text starts with the most significant byte. */
function formatGuid(view: DataView, at: number): string {
  const digits = view.getBigUint64(at, isLittleEndian).toString(16).padStart(16, "0");
  return digits.replaceAll(/..(?!$)/g, "$&:");
}

/** struct ifla_vf_vlan_info: vf, vlan, qos, and the EtherType in network byte order. */
function decodeVlanList({ view, from, to, draft }: Place & { readonly to: number }): void {
  walkAttributes(view, from, to, (type, start, end) => {
    if (type !== vfAttribute.IFLA_VF_VLAN_INFO || end - start < 14) return;
    const ether = view.getUint16(start + 12, false);
    const protocol = vlanProtocolOf(ether);
    draft.vlanEtherType = ether;
    draft.policy.vlan =
      protocol === null
        ? null
        : normalVlan({
            id: view.getUint32(start + 4, isLittleEndian),
            qos: view.getUint32(start + 8, isLittleEndian),
            protocol,
          });
  });
}

function decodeStatistics(view: DataView, from: number, to: number): VfStatistics {
  const counters = Array.from({ length: 9 }, () => 0n);
  walkAttributes(view, from, to, (type, start, end) => {
    if (type < counters.length && end - start >= 8) {
      counters[type] = view.getBigUint64(start, isLittleEndian);
    }
  });
  const at = (type: number): bigint => counters[type] ?? 0n;
  // linux/if_link.h IFLA_VF_STATS_*; 6 is padding.
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    broadcasts: at(4),
    multicasts: at(5),
    rxDropped: at(7),
    txDropped: at(8),
  };
}
