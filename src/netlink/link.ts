// RTM_NEWLINK: one network interface and, where its driver has VFs, what the driver says about
// each. Also the way from there to the model's Netdev. What the kernel does not say is null;
// attributes that nobody here decodes stay readable as bytes (`attributesOf`).

import type { Netdev } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import {
  attributeHeaderLength,
  isLittleEndian,
  readAttributes,
  viewOf,
  walkAttributes,
  type Attribute,
} from "./attribute.ts";
import {
  attributeTypeMask,
  interfaceFlag,
  linkAttribute,
  rtnetlinkNumber,
} from "./kernel-numbers.ts";
import { takeAttribute, type Link, type LinkDraft } from "./link-attributes.ts";
import type { Message } from "./message.ts";
import { decodeVfInfo, vlanProtocolOf, type VfInfo } from "./vf-info.ts";
import { readVfList, type Span } from "./vf-list.ts";

const interfaceHeaderLength = 16;

export type LinkReading = { readonly link: Link | null; readonly problems: readonly Problem[] };

/** Decodes RTM_NEWLINK; `link` is null for another message or one without a header and a name. */
export function decodeLink(message: Message): LinkReading {
  const { payload: bytes } = message;
  if (message.type !== rtnetlinkNumber.RTM_NEWLINK) return { link: null, problems: [] };
  if (bytes.length < interfaceHeaderLength) {
    const sentence = `Cannot read a link: its message has ${bytes.length} bytes, wanted 16 or more`;
    return { link: null, problems: [shortProblem("netlink", sentence)] };
  }
  const view = viewOf(bytes);
  const draft = emptyLink(bytes, view);
  const problems: Problem[] = [];
  const spans: Span[] = [];
  let hasList = false;
  const readList = (start: number): number => {
    const storedLength = view.getUint16(start - attributeHeaderLength, isLittleEndian);
    const { numVf } = draft;
    const list = readVfList({ view, start, storedLength, limit: bytes.length, numVf });
    spans.push(...list.entries);
    hasList = true;
    return list.next;
  };
  const visit = (type: number, start: number, end: number): number | void => {
    if (type === linkAttribute.IFLA_VFINFO_LIST) return readList(start);
    if (!takeAttribute({ draft, view, type, start, end })) {
      const sentence = `Cannot read attribute ${type} of ${nameOf(draft)}: it has ${end - start} bytes, too few for its type`;
      problems.push(shortProblem(nameOf(draft), sentence));
    }
    return undefined;
  };
  let stop = walkAttributes(view, interfaceHeaderLength, bytes.length, visit);
  if (isWrappedList(view, stop)) {
    stop = walkAttributes(view, readList(stop + attributeHeaderLength), bytes.length, visit);
  }
  if (stop < bytes.length) {
    const sentence = `Cannot read all attributes of ${nameOf(draft)}: byte ${stop} of ${bytes.length} starts none`;
    problems.push(shortProblem(nameOf(draft), sentence));
  }
  if (hasList) problems.push(...decodeVfs(draft, view, spans));
  if (draft.ifindex <= 0 || draft.name === "") {
    const sentence = `Cannot use the link with index ${draft.ifindex}: it has no name or index`;
    return { link: null, problems: [...problems, shortProblem("netlink", sentence)] };
  }
  return { link: draft, problems };
}

const shortProblem = (where: string, message: string): Problem => ({
  code: "netlink-malformed",
  where,
  message,
});

const nameOf = ({ name, ifindex }: LinkDraft): string => (name === "" ? `link ${ifindex}` : name);

/** A list whose stored length wrapped to less than its own header: a plain walk stops there. */
function isWrappedList(view: DataView, offset: number): boolean {
  if (offset + attributeHeaderLength > view.byteLength) return false;
  const type = view.getUint16(offset + 2, isLittleEndian) & attributeTypeMask;
  const length = view.getUint16(offset, isLittleEndian);
  return type === linkAttribute.IFLA_VFINFO_LIST && length < attributeHeaderLength;
}

function emptyLink(bytes: Uint8Array, view: DataView): LinkDraft {
  const flags = view.getUint32(8, isLittleEndian);
  return {
    ifindex: view.getInt32(4, isLittleEndian),
    name: "",
    altNames: [],
    hardwareType: view.getUint16(2, isLittleEndian),
    flags,
    isUp: (flags & interfaceFlag.IFF_UP) !== 0,
    hasCarrier: null,
    operState: null,
    mtu: null,
    mac: null,
    permanentMac: null,
    master: null,
    lower: null,
    lowerNetnsId: null,
    kind: null,
    portName: null,
    portId: null,
    switchId: null,
    parentName: null,
    parentBus: null,
    numVf: null,
    virtualFunctions: null,
    bytes,
  };
}

/** Puts the VFs into the draft. Says how many the list should have had and has not. */
function decodeVfs(draft: LinkDraft, view: DataView, spans: readonly Span[]): Problem[] {
  // A link address has at most 32 bytes (MAX_ADDR_LEN); Ethernet when the link has none.
  const addressLength = draft.mac === null ? 6 : Math.ceil(draft.mac.length / 3);
  const byIndex = new Map<number, VfInfo>();
  for (const { start, end } of spans) {
    const vf = decodeVfInfo(view, start, end, addressLength);
    if (vf !== null && !byIndex.has(vf.vfIndex)) byIndex.set(vf.vfIndex, vf);
  }
  const vfs = [...byIndex.values()];
  draft.virtualFunctions = vfs;
  const problems = vlanProblems(draft, vfs);
  const missing = (draft.numVf ?? 0) - vfs.length;
  if (missing > 0) {
    const message = `Cannot read the attributes of ${missing} VFs of ${nameOf(draft)}: the kernel listed ${vfs.length} of ${draft.numVf}`;
    problems.push({ code: "vf-list-incomplete", where: nameOf(draft), message });
  }
  return problems;
}

function vlanProblems(draft: LinkDraft, vfs: readonly VfInfo[]): Problem[] {
  const strange = vfs.filter(
    ({ vlanEtherType }) => vlanEtherType !== null && vlanProtocolOf(vlanEtherType) === null,
  );
  const [first] = strange;
  if (first === undefined) return [];
  const hex = (first.vlanEtherType ?? 0).toString(16).padStart(4, "0");
  const message = `Cannot name the VLAN protocol of ${strange.length} VFs of ${nameOf(draft)}: it is 0x${hex} on VF ${first.vfIndex}, wanted 0x8100 or 0x88a8`;
  return [{ code: "vlan-protocol-unknown", where: nameOf(draft), message }];
}

/** Every attribute of the link as bytes, for whoever needs one that `Link` does not name. */
export const attributesOf = (link: Link): readonly Attribute[] =>
  readAttributes(link.bytes.subarray(interfaceHeaderLength)).attributes;

/**
 * The link as the inventory names it. Carrier is not known while the link is down (sysfs answers
 * EINVAL then), so nor is it here.
 */
export const netdevOf = (link: Link, linkSpeedMbps: number | null): Netdev => ({
  name: link.name,
  ifindex: link.ifindex,
  mac: link.mac,
  permanentMac: link.permanentMac,
  mtu: link.mtu,
  isUp: link.isUp,
  hasLink: link.isUp ? link.hasCarrier : null,
  linkSpeedMbps,
  portName: link.portName,
  altNames: link.altNames,
});
