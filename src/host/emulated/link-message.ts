// The RTM_NEWLINK message with which a kernel answers for a PF: IFLA_NUM_VF and the list of VFs, one
// VF_INFO of 196 bytes each (net/core/rtnetlink.c rtnl_fill_vfinfo(), statistics skipped). The
// length of the list is kept in 16 bits as in a kernel, so 335 VFs and more wrap it; the inventory
// reads its policies back from these bytes with the decoder that reads a real kernel's.

import type { LinkStatePolicy, VfPolicy } from "../../model/vf-attribute.ts";
import {
  concatBytes,
  encodeAttribute,
  encodeNest,
  encodeText,
  encodeU32,
  isLittleEndian,
} from "../../netlink/attribute.ts";
import {
  etherType,
  hardwareType,
  linkAttribute,
  rtnetlinkNumber,
  vfAttribute,
} from "../../netlink/kernel-numbers.ts";
import type { Message } from "../../netlink/message.ts";

export type ReportedVf = { readonly vfIndex: number; readonly policy: VfPolicy };

type ReportedLink = {
  readonly ifindex: number;
  readonly name: string;
  /** IFLA_NUM_VF: what sriov_numvfs says. */
  readonly numVf: number;
  /** A VF whose query fails is left out. */
  readonly vfs: readonly ReportedVf[];
};

const vfInfoBytes = 196;
const linkStates: readonly LinkStatePolicy[] = ["auto", "enable", "disable"];
/** What the kernel puts there before it asks the driver. */
const notReported = 0xffffffff;

const numberOf = (setting: boolean | null): number =>
  setting === null ? notReported : Number(setting);

/** Appends attributes to a buffer of known size. */
class AttributeWriter {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  header(type: number, payloadLength: number): void {
    this.#view.setUint16(this.#at, payloadLength + 4, isLittleEndian);
    this.#view.setUint16(this.#at + 2, type, isLittleEndian);
    this.#at += 4;
  }

  words(type: number, ...values: readonly number[]): void {
    this.header(type, values.length * 4);
    for (const value of values) this.word(value);
  }

  word(value: number): void {
    this.#view.setUint32(this.#at, value, isLittleEndian);
    this.#at += 4;
  }

  /** A hardware address in the 32 bytes that the kernel keeps for one. */
  address(mac: string): void {
    mac.split(":").forEach((octet, index) => {
      this.#bytes[this.#at + index] = Number.parseInt(octet, 16);
    });
    this.#at += 32;
  }

  networkOrder(value: number): void {
    this.#view.setUint16(this.#at, value, false);
    this.#at += 4;
  }
}

function encodeVfInfo({ vfIndex, policy }: ReportedVf): Uint8Array {
  const bytes = new Uint8Array(vfInfoBytes);
  const writer = new AttributeWriter(bytes);
  const { id, qos, protocol } = policy.vlan ?? { id: 0, qos: 0, protocol: "802.1q" };
  const ether = protocol === "802.1ad" ? etherType.ETH_P_8021AD : etherType.ETH_P_8021Q;
  const rateMax = policy.txRateMaxMbps ?? 0;
  writer.header(vfAttribute.IFLA_VF_INFO, vfInfoBytes - 4);
  writer.header(vfAttribute.IFLA_VF_MAC, 36);
  writer.word(vfIndex);
  writer.address(policy.mac ?? "00:00:00:00:00:00");
  writer.header(vfAttribute.IFLA_VF_BROADCAST, 32);
  writer.address("ff:ff:ff:ff:ff:ff");
  writer.words(vfAttribute.IFLA_VF_VLAN, vfIndex, id, qos);
  writer.words(vfAttribute.IFLA_VF_RATE, vfIndex, policy.txRateMinMbps ?? 0, rateMax);
  writer.words(vfAttribute.IFLA_VF_TX_RATE, vfIndex, rateMax);
  writer.words(vfAttribute.IFLA_VF_SPOOFCHK, vfIndex, numberOf(policy.spoofCheck));
  const linkState = linkStates.indexOf(policy.linkState ?? "auto");
  writer.words(vfAttribute.IFLA_VF_LINK_STATE, vfIndex, linkState);
  writer.words(vfAttribute.IFLA_VF_RSS_QUERY_EN, vfIndex, numberOf(policy.rssQuery));
  writer.words(vfAttribute.IFLA_VF_TRUST, vfIndex, numberOf(policy.trust));
  writer.header(vfAttribute.IFLA_VF_VLAN_LIST, 20);
  writer.header(vfAttribute.IFLA_VF_VLAN_INFO, 16);
  for (const word of [vfIndex, id, qos]) writer.word(word);
  writer.networkOrder(ether);
  return bytes;
}

function interfaceHeader(ifindex: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, hardwareType.ARPHRD_ETHER, isLittleEndian);
  view.setInt32(4, ifindex, isLittleEndian);
  return bytes;
}

export function linkMessageOf({ ifindex, name, numVf, vfs }: ReportedLink): Message {
  const payload = concatBytes([
    interfaceHeader(ifindex),
    encodeAttribute(linkAttribute.IFLA_IFNAME, encodeText(name)),
    encodeAttribute(linkAttribute.IFLA_NUM_VF, encodeU32(numVf)),
    encodeNest(linkAttribute.IFLA_VFINFO_LIST, vfs.map(encodeVfInfo)),
    encodeAttribute(linkAttribute.IFLA_PARENT_DEV_BUS_NAME, encodeText("pci")),
  ]);
  return { type: rtnetlinkNumber.RTM_NEWLINK, flags: 0, sequence: 1, portId: 0, payload };
}
