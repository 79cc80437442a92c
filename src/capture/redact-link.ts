// A link message without whose machine it is from: addresses and names get the stand-ins of the rest of
// the capture, plain numbers stay, and an attribute that is not known to be harmless is left out,
// because nobody can say what a driver of tomorrow puts into one.

import {
  attributeHeaderLength,
  concatBytes,
  decodeText,
  encodeAttribute,
  encodeNest,
  encodeText,
  isLittleEndian,
  viewOf,
  walkAttributes,
} from "../netlink/attribute.ts";
import {
  attributeTypeMask,
  harmlessLinkAttribute,
  linkAttribute,
  linkInfoAttribute,
  vfAttribute,
} from "../netlink/kernel-numbers.ts";
import { readVfList, type Span } from "../netlink/vf-list.ts";

type Replacing = {
  readonly text: (value: string) => string;
  /** Six bytes of a MAC, and eight of a GUID, from their hexadecimal digits. */
  readonly mac: (digits: string) => readonly number[];
  readonly serial: (digits: string) => readonly number[];
};

const interfaceHeaderLength = 16;

const digitsOf = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** An address of Ethernet, or of InfiniBand, whose last eight bytes are the port's GUID (RFC 4391
 * section 9.1.1); of anything else nothing is left. */
function replaceAddress(bytes: Uint8Array, { mac, serial }: Replacing): Uint8Array {
  if (bytes.length === 6) return Uint8Array.from(mac(digitsOf(bytes)));
  if (bytes.length === 8) return Uint8Array.from(serial(digitsOf(bytes)));
  if (bytes.length !== 20) return new Uint8Array(bytes.length);
  return Uint8Array.from([...bytes.subarray(0, 12), ...serial(digitsOf(bytes.subarray(12)))]);
}

const addresses: ReadonlySet<number> = new Set([
  linkAttribute.IFLA_ADDRESS,
  linkAttribute.IFLA_PERM_ADDRESS,
  linkAttribute.IFLA_PHYS_PORT_ID,
  linkAttribute.IFLA_PHYS_SWITCH_ID,
]);

const names: ReadonlySet<number> = new Set([
  linkAttribute.IFLA_IFNAME,
  linkAttribute.IFLA_PHYS_PORT_NAME,
  linkAttribute.IFLA_PARENT_DEV_NAME,
  linkAttribute.IFLA_PARENT_DEV_BUS_NAME,
]);

const harmless: ReadonlySet<number> = new Set(Object.values(harmlessLinkAttribute));

const encodeName = (type: number, bytes: Uint8Array, { text }: Replacing): Uint8Array =>
  encodeAttribute(type, encodeText(text(decodeText(bytes))));

/** A nest with its members of one type, each a text. */
function namesInNest(
  nest: { readonly type: number; readonly member: number },
  bytes: Uint8Array,
  replacing: Replacing,
): Uint8Array {
  const parts: Uint8Array[] = [];
  walkAttributes(viewOf(bytes), 0, bytes.length, (type, start, end) => {
    if (type === nest.member) parts.push(encodeName(type, bytes.subarray(start, end), replacing));
  });
  return encodeNest(nest.type, parts);
}

const { IFLA_VF_MAC } = vfAttribute;
const guids: ReadonlySet<number> = new Set([
  vfAttribute.IFLA_VF_IB_NODE_GUID,
  vfAttribute.IFLA_VF_IB_PORT_GUID,
]);

/** Flags, rates and VLANs, and what a driver counts. */
const harmlessOfVf: ReadonlySet<number> = new Set([
  vfAttribute.IFLA_VF_VLAN,
  vfAttribute.IFLA_VF_TX_RATE,
  vfAttribute.IFLA_VF_SPOOFCHK,
  vfAttribute.IFLA_VF_LINK_STATE,
  vfAttribute.IFLA_VF_RATE,
  vfAttribute.IFLA_VF_RSS_QUERY_EN,
  vfAttribute.IFLA_VF_STATS,
  vfAttribute.IFLA_VF_TRUST,
  vfAttribute.IFLA_VF_VLAN_LIST,
]);

/** Of one VF: in place, so that the list keeps its length, which may have wrapped. */
function replaceInVf(
  bytes: Uint8Array,
  { start, end }: Span,
  addressLength: number,
  replacing: Replacing,
): void {
  walkAttributes(viewOf(bytes), start, end, (type, from, to) => {
    if (harmlessOfVf.has(type)) return;
    if (type === IFLA_VF_MAC) {
      const last = Math.min(to, from + 4 + addressLength);
      bytes.set(replaceAddress(bytes.subarray(from + 4, last), replacing), from + 4);
      bytes.fill(0, last, to);
    } else if (guids.has(type) && to - from >= 16) {
      // The number is in the byte order of the machine, the text in that of the wire.
      const guid = bytes.slice(from + 8, from + 16);
      const wire = isLittleEndian ? guid.toReversed() : guid;
      const replaced = replacing.serial(digitsOf(wire));
      bytes.set(isLittleEndian ? replaced.toReversed() : replaced, from + 8);
    } else bytes.fill(0, from, to);
  });
}

type ListPlace = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly numVf: number | null;
  readonly addressLength: number;
};

/** The list as it is, header and all, and where the attribute after it starts. */
function vfList(place: ListPlace, replacing: Replacing): { part: Uint8Array; next: number } {
  const { bytes, start, numVf, addressLength } = place;
  const view = viewOf(bytes);
  const storedLength = view.getUint16(start - attributeHeaderLength, isLittleEndian);
  const { entries, next } = readVfList({ view, start, storedLength, limit: bytes.length, numVf });
  for (const entry of entries) replaceInVf(bytes, entry, addressLength, replacing);
  return { part: bytes.slice(start - attributeHeaderLength, next), next };
}

/** The payload of an RTM_NEWLINK; `given` stays as it is. */
export function replaceInLink(given: Uint8Array, replacing: Replacing): Uint8Array {
  const bytes = given.slice();
  if (bytes.length < interfaceHeaderLength) return new Uint8Array(bytes.length);
  const view = viewOf(bytes);
  const parts: Uint8Array[] = [bytes.subarray(0, interfaceHeaderLength)];
  let numVf: number | null = null;
  let addressLength = 6;
  const list = (start: number): number => {
    const { part, next } = vfList({ bytes, start, numVf, addressLength }, replacing);
    parts.push(part);
    return next;
  };
  const visit = (type: number, start: number, end: number): number | void => {
    const payload = bytes.subarray(start, end);
    if (type === linkAttribute.IFLA_VFINFO_LIST) return list(start);
    if (type === linkAttribute.IFLA_ADDRESS) addressLength = payload.length;
    if (type === linkAttribute.IFLA_NUM_VF && payload.length >= 4) {
      numVf = view.getUint32(start, isLittleEndian);
    }
    if (addresses.has(type)) {
      parts.push(encodeAttribute(type, replaceAddress(payload, replacing)));
    } else if (names.has(type)) parts.push(encodeName(type, payload, replacing));
    else if (harmless.has(type)) parts.push(encodeAttribute(type, payload));
    else if (type === linkAttribute.IFLA_LINKINFO) {
      const nest = { type, member: linkInfoAttribute.IFLA_INFO_KIND };
      parts.push(namesInNest(nest, payload, replacing));
    } else if (type === linkAttribute.IFLA_PROP_LIST) {
      const nest = { type, member: linkAttribute.IFLA_ALT_IFNAME };
      parts.push(namesInNest(nest, payload, replacing));
    }
    return undefined;
  };
  const stop = walkAttributes(view, interfaceHeaderLength, bytes.length, visit);
  const isWrapped =
    stop + attributeHeaderLength <= bytes.length &&
    (view.getUint16(stop + 2, isLittleEndian) & attributeTypeMask) ===
      linkAttribute.IFLA_VFINFO_LIST;
  if (isWrapped) {
    walkAttributes(view, list(stop + attributeHeaderLength), bytes.length, visit);
  }
  return concatBytes(parts);
}
