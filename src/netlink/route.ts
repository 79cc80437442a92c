// Addresses and routes, as far as the census needs them: which interface has an address of its
// own, which one traffic is routed through. Every interface that is up has IPv6 link-local
// addresses and routes by itself; those say nothing about use and are marked.

import { align4, formatHexPairs, isLittleEndian, viewOf, walkAttributes } from "./attribute.ts";
import { addressNumber, netlinkNumber, rtnetlinkNumber } from "./kernel-numbers.ts";
import type { Request } from "./link-request.ts";
import type { Message } from "./message.ts";

/** linux/socket.h */
const family = { AF_INET: 2, AF_INET6: 10 } as const;

export type InterfaceAddress = {
  readonly ifindex: number;
  readonly family: "inet" | "inet6";
  /** `192.0.2.1` or `2001:db8::1`. */
  readonly address: string;
  readonly prefixLength: number;
  /** fe80::/10 or 169.254.0.0/16 style scope: comes with the interface, not with an administrator. */
  readonly isLinkLocal: boolean;
};

export type Route = {
  readonly family: "inet" | "inet6";
  /** More than one with multipath. */
  readonly ifindexes: readonly number[];
  /** `0.0.0.0/0`, `2001:db8::/32`. */
  readonly destination: string;
  readonly gateway: string | null;
  readonly table: number;
  readonly isDefault: boolean;
  /** Made by the kernel for an address (`proto kernel`), or of the local table, or link-local. */
  readonly isAutomatic: boolean;
};

const dump = (type: number, payloadLength: number): Request => ({
  type,
  flags: netlinkNumber.NLM_F_REQUEST | netlinkNumber.NLM_F_ROOT | netlinkNumber.NLM_F_MATCH,
  payload: new Uint8Array(payloadLength),
});

/** struct ifaddrmsg has 8 bytes, struct rtmsg 12; family 0 is all families. */
export const addressDump = (): Request => dump(rtnetlinkNumber.RTM_GETADDR, 8);
export const routeDump = (): Request => dump(rtnetlinkNumber.RTM_GETROUTE, 12);

function familyOf(number: number | undefined): "inet" | "inet6" | null {
  if (number === family.AF_INET) return "inet";
  return number === family.AF_INET6 ? "inet6" : null;
}

/** Decodes RTM_NEWADDR; null for another message, family or one without an address. */
export function decodeInterfaceAddress({ type, payload }: Message): InterfaceAddress | null {
  const name = familyOf(payload[0]);
  if (type !== rtnetlinkNumber.RTM_NEWADDR || payload.length < 8 || name === null) return null;
  const view = viewOf(payload);
  let local: string | null = null;
  let address: string | null = null;
  walkAttributes(view, 8, payload.length, (attribute, start, end) => {
    const text = formatIp(payload.subarray(start, end));
    // IFA_ADDRESS of a point-to-point link is the peer's.
    if (attribute === addressNumber.IFA_LOCAL) local = text;
    if (attribute === addressNumber.IFA_ADDRESS) address = text;
  });
  const own = local ?? address;
  if (own === null) return null;
  return {
    ifindex: view.getUint32(4, isLittleEndian),
    family: name,
    address: own,
    prefixLength: payload[1] ?? 0,
    isLinkLocal: payload[3] === rtnetlinkNumber.RT_SCOPE_LINK,
  };
}

type RouteDraft = {
  ifindexes: number[];
  destination: string | null;
  gateway: string | null;
  table: number;
};

/** Decodes RTM_NEWROUTE of type unicast; null for other messages, families and route types. */
export function decodeRoute({ type, payload }: Message): Route | null {
  const name = familyOf(payload[0]);
  if (type !== rtnetlinkNumber.RTM_NEWROUTE || payload.length < 12 || name === null) return null;
  // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
  if (payload[7] !== rtnetlinkNumber.RTN_UNICAST) return null;
  const draft = routeDraft(payload);
  const prefixLength = payload[1] ?? 0;
  const anywhere = name === "inet" ? "0.0.0.0" : "::";
  const destination = `${draft.destination ?? anywhere}/${prefixLength}`;
  const isLinkLocal = name === "inet6" && /^(?:fe[89ab]|ff)/.test(destination);
  return {
    family: name,
    ifindexes: draft.ifindexes,
    destination,
    gateway: draft.gateway,
    table: draft.table,
    isDefault: prefixLength === 0,
    isAutomatic:
      payload[5] === rtnetlinkNumber.RTPROT_KERNEL ||
      draft.table === rtnetlinkNumber.RT_TABLE_LOCAL ||
      isLinkLocal,
  };
}

function routeDraft(payload: Uint8Array): RouteDraft {
  const view = viewOf(payload);
  const draft: RouteDraft = {
    ifindexes: [],
    destination: null,
    gateway: null,
    table: payload[4] ?? 0,
  };
  walkAttributes(view, 12, payload.length, (attribute, start, end) => {
    const bytes = payload.subarray(start, end);
    if (attribute === rtnetlinkNumber.RTA_DST) draft.destination = formatIp(bytes);
    if (attribute === rtnetlinkNumber.RTA_GATEWAY) draft.gateway = formatIp(bytes);
    // struct rtvia: a family, then an address of that family.
    if (attribute === rtnetlinkNumber.RTA_VIA) draft.gateway = formatIp(bytes.subarray(2));
    if (attribute === rtnetlinkNumber.RTA_MULTIPATH) draft.ifindexes.push(...nextHops(bytes));
    if (end - start < 4) return;
    const word = view.getUint32(start, isLittleEndian);
    if (attribute === rtnetlinkNumber.RTA_OIF) draft.ifindexes.push(word);
    if (attribute === rtnetlinkNumber.RTA_TABLE) draft.table = word;
  });
  return draft;
}

/** struct rtnexthop: u16 length, flags, hops, i32 ifindex, then attributes. */
function nextHops(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  const ifindexes: number[] = [];
  let offset = 0;
  while (offset + 8 <= bytes.length) {
    const length = view.getUint16(offset, isLittleEndian);
    if (length < 8) break;
    ifindexes.push(view.getUint32(offset + 4, isLittleEndian));
    offset += align4(length);
  }
  return ifindexes;
}

/** Text of 4 or 16 bytes (RFC 5952); hex pairs for any other number of them. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return formatHexPairs(bytes);
  const view = viewOf(bytes);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2, false));
  const { start, length } = longestZeroRun(groups);
  const text = groups.map((group) => group.toString(16));
  if (length < 2) return text.join(":");
  return `${text.slice(0, start).join(":")}::${text.slice(start + length).join(":")}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  groups.forEach((group, index) => {
    run = group === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: index - run + 1, length: run };
  });
  return best;
}
