// Requests about links: ask for them with their VFs, set one VF attribute, the MTU, up or down.
// One VF attribute a message: the kernel applies several in its own order, stops at the first
// error and keeps what came before (net/core/rtnetlink.c do_setvfinfo()).

import type { LinkStatePolicy, VfAttribute, Vlan } from "../model/vf-attribute.ts";
import {
  concatBytes,
  encodeAttribute,
  encodeNest,
  encodeText,
  encodeU32,
  isLittleEndian,
  parseHexPairs,
  viewOf,
} from "./attribute.ts";
import {
  etherType,
  interfaceFlag,
  linkAttribute,
  nestedFlag,
  netlinkNumber,
  rtnetlinkNumber,
  vfAttribute,
} from "./kernel-numbers.ts";
import { encodeMessage } from "./message.ts";

/** Type, flags and payload; whoever sends it numbers it. */
export type Request = {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
};

export const encodeRequest = (request: Request, sequence: number): Uint8Array =>
  encodeMessage({ ...request, sequence, portId: 0 });

const dumpFlags =
  netlinkNumber.NLM_F_REQUEST | netlinkNumber.NLM_F_ROOT | netlinkNumber.NLM_F_MATCH;
const changeFlags = netlinkNumber.NLM_F_REQUEST | netlinkNumber.NLM_F_ACK;

type InterfaceHeader = {
  readonly ifindex: number;
  readonly flags?: number;
  readonly change?: number;
};

/** struct ifinfomsg, AF_UNSPEC. */
function interfaceHeader({ ifindex, flags = 0, change = 0 }: InterfaceHeader): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = viewOf(bytes);
  view.setInt32(4, ifindex, isLittleEndian);
  view.setUint32(8, flags, isLittleEndian);
  view.setUint32(12, change, isLittleEndian);
  return bytes;
}

// Without SKIP_STATS a VF takes 296 bytes instead of 196, and a single GETLINK of a PF with many
// VFs meets its limits sooner.
const vfMask = rtnetlinkNumber.RTEXT_FILTER_VF | rtnetlinkNumber.RTEXT_FILTER_SKIP_STATS;

const extMask = (mask: number): Uint8Array =>
  encodeAttribute(linkAttribute.IFLA_EXT_MASK, encodeU32(mask));

/** All links of the network namespace, with their VFs. */
export const linkDump = (): Request => ({
  type: rtnetlinkNumber.RTM_GETLINK,
  flags: dumpFlags,
  payload: concatBytes([interfaceHeader({ ifindex: 0 }), extMask(vfMask)]),
});

/** All links, without asking any driver about its VFs. */
export const linkDumpWithoutVfs = (): Request => ({
  type: rtnetlinkNumber.RTM_GETLINK,
  flags: dumpFlags,
  payload: interfaceHeader({ ifindex: 0 }),
});

/** One link with its VFs. */
export const linkByIndex = (ifindex: number): Request => ({
  type: rtnetlinkNumber.RTM_GETLINK,
  flags: netlinkNumber.NLM_F_REQUEST,
  payload: concatBytes([interfaceHeader({ ifindex }), extMask(vfMask)]),
});

const changeLink = (header: InterfaceHeader, attributes: readonly Uint8Array[]): Request => ({
  type: rtnetlinkNumber.RTM_SETLINK,
  flags: changeFlags,
  payload: concatBytes([interfaceHeader(header), ...attributes]),
});

export const mtuChange = (ifindex: number, mtu: number): Request =>
  changeLink({ ifindex }, [encodeAttribute(linkAttribute.IFLA_MTU, encodeU32(mtu))]);

const altNameChange = (
  ifindex: number,
  altName: string,
  kind: Omit<Request, "payload">,
): Request => {
  const name = encodeAttribute(linkAttribute.IFLA_ALT_IFNAME, encodeText(altName));
  const list = encodeNest(linkAttribute.IFLA_PROP_LIST | nestedFlag, [name]);
  return { ...kind, payload: concatBytes([interfaceHeader({ ifindex }), list]) };
};

/** EEXIST where any link of the namespace has that name or alternative name. */
export const altNameAddition = (ifindex: number, altName: string): Request =>
  altNameChange(ifindex, altName, {
    type: rtnetlinkNumber.RTM_NEWLINKPROP,
    flags:
      changeFlags |
      netlinkNumber.NLM_F_EXCL |
      netlinkNumber.NLM_F_CREATE |
      netlinkNumber.NLM_F_APPEND,
  });

/** ENOENT where no link has it, EINVAL where another has. */
export const altNameRemoval = (ifindex: number, altName: string): Request =>
  altNameChange(ifindex, altName, { type: rtnetlinkNumber.RTM_DELLINKPROP, flags: changeFlags });

const upChange = (ifindex: number, flags: number): Request =>
  changeLink({ ifindex, flags, change: interfaceFlag.IFF_UP }, []);

export const linkUp = (ifindex: number): Request => upChange(ifindex, interfaceFlag.IFF_UP);
export const linkDown = (ifindex: number): Request => upChange(ifindex, 0);

/** Sets one attribute of VF `vfIndex` through its PF's netdev; null when the text is no address. */
export function vfChange(ifindex: number, vfIndex: number, attribute: VfAttribute): Request | null {
  const encoded = encodeVfAttribute(vfIndex, attribute);
  if (encoded === null) return null;
  const vfInfo = encodeNest(vfAttribute.IFLA_VF_INFO, [encoded]);
  return changeLink({ ifindex }, [encodeNest(linkAttribute.IFLA_VFINFO_LIST, [vfInfo])]);
}

/** The attribute inside a VF_INFO; null when a MAC or GUID is not one. */
function encodeVfAttribute(vfIndex: number, attribute: VfAttribute): Uint8Array | null {
  const words = (type: number, ...values: readonly number[]): Uint8Array =>
    encodeAttribute(type, encodeU32(vfIndex, ...values));
  switch (attribute.name) {
    case "mac":
      return encodeMac(vfIndex, attribute.mac);
    case "vlan":
      return encodeVlan(vfIndex, attribute.vlan);
    case "rate":
      // Not TX_RATE: that keeps a minimum which may then be above the maximum.
      return words(vfAttribute.IFLA_VF_RATE, attribute.txRateMinMbps, attribute.txRateMaxMbps);
    case "spoofCheck":
      return words(vfAttribute.IFLA_VF_SPOOFCHK, Number(attribute.isOn));
    case "trust":
      return words(vfAttribute.IFLA_VF_TRUST, Number(attribute.isOn));
    case "rssQuery":
      return words(vfAttribute.IFLA_VF_RSS_QUERY_EN, Number(attribute.isOn));
    case "linkState":
      return words(vfAttribute.IFLA_VF_LINK_STATE, linkStateNumber[attribute.linkState]);
    case "nodeGuid":
      return encodeGuid(vfAttribute.IFLA_VF_IB_NODE_GUID, vfIndex, attribute.guid);
    case "portGuid":
      return encodeGuid(vfAttribute.IFLA_VF_IB_PORT_GUID, vfIndex, attribute.guid);
  }
}

const linkStateNumber: Readonly<Record<LinkStatePolicy, number>> = {
  auto: vfAttribute.IFLA_VF_LINK_STATE_AUTO,
  enable: vfAttribute.IFLA_VF_LINK_STATE_ENABLE,
  disable: vfAttribute.IFLA_VF_LINK_STATE_DISABLE,
};

const maxAddressLength = 32;

/** struct ifla_vf_mac: vf, then 32 bytes of which the driver takes as many as it needs. */
function encodeMac(vfIndex: number, text: string): Uint8Array | null {
  const mac = parseHexPairs(text);
  if (mac === null || mac.length < 6 || mac.length > maxAddressLength) return null;
  const payload = new Uint8Array(4 + maxAddressLength);
  payload.set(encodeU32(vfIndex));
  payload.set(mac, 4);
  return encodeAttribute(vfAttribute.IFLA_VF_MAC, payload);
}

/** VF_VLAN knows 802.1Q only, and every driver knows it; VLAN_LIST carries the protocol. */
function encodeVlan(vfIndex: number, { id, qos, protocol }: Vlan): Uint8Array {
  if (protocol === "802.1q") {
    return encodeAttribute(vfAttribute.IFLA_VF_VLAN, encodeU32(vfIndex, id, qos));
  }
  const vlanInfo = concatBytes([encodeU32(vfIndex, id, qos), new Uint8Array(4)]);
  viewOf(vlanInfo).setUint16(12, etherType.ETH_P_8021AD, false);
  return encodeNest(vfAttribute.IFLA_VF_VLAN_LIST, [
    encodeAttribute(vfAttribute.IFLA_VF_VLAN_INFO, vlanInfo),
  ]);
}

/** struct ifla_vf_guid: vf, 4 bytes of padding, the GUID as a 64-bit number. */
function encodeGuid(type: number, vfIndex: number, text: string): Uint8Array | null {
  const guid = parseHexPairs(text);
  if (guid === null || guid.length !== 8) return null;
  const payload = new Uint8Array(16);
  const view = viewOf(payload);
  view.setUint32(0, vfIndex, isLittleEndian);
  view.setBigUint64(8, viewOf(guid).getBigUint64(0, false), isLittleEndian);
  return encodeAttribute(type, payload);
}
