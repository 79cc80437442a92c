// What a link is, and which attribute fills which of its fields: one row each. Attributes without
// a row are left alone here and stay in the link's bytes.

import { decodeText, formatHexPairs, isLittleEndian, walkAttributes } from "./attribute.ts";
import { linkAttribute, linkInfoAttribute } from "./kernel-numbers.ts";
import type { VfInfo } from "./vf-info.ts";

/** linux/if.h IF_OPER_*, RFC 2863. */
const operStates = [
  "unknown",
  "notpresent",
  "down",
  "lowerlayerdown",
  "testing",
  "dormant",
  "up",
] as const;

export type OperState = (typeof operStates)[number];

export type Link = {
  readonly ifindex: number;
  readonly name: string;
  /** Further names, in the order in which they were given; empty on kernels before 5.5. */
  readonly altNames: readonly string[];
  /** ifi_type: 1 is Ethernet, 32 InfiniBand. */
  readonly hardwareType: number;
  readonly flags: number;
  readonly isUp: boolean;
  /** IFLA_CARRIER as the kernel keeps it; says little while the link is down. */
  readonly hasCarrier: boolean | null;
  readonly operState: OperState | null;
  readonly mtu: number | null;
  /** Link address, six bytes for Ethernet; null when there is none. */
  readonly mac: string | null;
  readonly permanentMac: string | null;
  /** ifindex of the bridge, bond or team above. */
  readonly master: number | null;
  /** ifindex of the link below: of a VLAN, macvlan or macvtap, or the peer of a veth. */
  readonly lower: number | null;
  /** Set when `lower` is in the network namespace of that number. */
  readonly lowerNetnsId: number | null;
  /** `bridge`, `vlan`, `macvtap` ...; null for hardware. */
  readonly kind: string | null;
  readonly portName: string | null;
  readonly portId: string | null;
  readonly switchId: string | null;
  /** `0000:3b:00.0` on bus `pci`. Kernels before 5.15 do not say. */
  readonly parentName: string | null;
  readonly parentBus: string | null;
  /** null when VFs were not asked for or there is no parent. */
  readonly numVf: number | null;
  /** null when the driver has no VF attributes at all (or VFs were not asked for). */
  readonly virtualFunctions: readonly VfInfo[] | null;
  /** The message after its header: every attribute, known or not. */
  readonly bytes: Uint8Array;
};

export type LinkDraft = { -readonly [Key in keyof Link]: Link[Key] };

type AttributePlace = {
  readonly draft: LinkDraft;
  readonly view: DataView;
  readonly type: number;
  readonly start: number;
  readonly end: number;
};

type Field = {
  readonly least: number;
  readonly take: (draft: LinkDraft, view: DataView, payload: Uint8Array) => void;
};

const u32 = (view: DataView, payload: Uint8Array): number =>
  view.getUint32(payload.byteOffset - view.byteOffset, isLittleEndian);

/** linux/netdevice.h MAX_ADDR_LEN, which bounds port and switch IDs too. */
const maxAddressLength = 32;

const hexOrNull = (payload: Uint8Array): string | null =>
  payload.length === 0 || payload.length > maxAddressLength ? null : formatHexPairs(payload);

const field = (least: number, take: Field["take"]): Field => ({ least, take });

/** One row for each attribute that ends up in a Link. */
/** More than anybody gives; a hostile list stays small. */
const mostAltNames = 64;

const fields: Readonly<Record<number, Field>> = {
  [linkAttribute.IFLA_ADDRESS]: field(0, (link, _view, payload) => {
    link.mac = hexOrNull(payload);
  }),
  [linkAttribute.IFLA_IFNAME]: field(1, (link, _view, payload) => {
    link.name = decodeText(payload);
  }),
  [linkAttribute.IFLA_PROP_LIST]: field(0, (link, view, payload) => {
    const start = payload.byteOffset - view.byteOffset;
    const names: string[] = [];
    walkAttributes(view, start, start + payload.length, (type, from, to) => {
      if (type !== linkAttribute.IFLA_ALT_IFNAME || names.length >= mostAltNames) return;
      names.push(decodeText(payload.subarray(from - start, to - start)));
    });
    link.altNames = names;
  }),
  [linkAttribute.IFLA_MTU]: field(4, (link, view, payload) => {
    link.mtu = u32(view, payload);
  }),
  [linkAttribute.IFLA_LINK]: field(4, (link, view, payload) => {
    const lower = u32(view, payload);
    link.lower = lower === 0 ? null : lower;
  }),
  [linkAttribute.IFLA_MASTER]: field(4, (link, view, payload) => {
    const master = u32(view, payload);
    link.master = master === 0 ? null : master;
  }),
  [linkAttribute.IFLA_OPERSTATE]: field(1, (link, _view, payload) => {
    link.operState = operStates[payload[0] ?? 0] ?? null;
  }),
  [linkAttribute.IFLA_LINKINFO]: field(0, (link, view, payload) => {
    const start = payload.byteOffset - view.byteOffset;
    walkAttributes(view, start, start + payload.length, (type, from, to) => {
      if (type !== linkInfoAttribute.IFLA_INFO_KIND) return;
      link.kind = decodeText(payload.subarray(from - start, to - start));
    });
  }),
  [linkAttribute.IFLA_NUM_VF]: field(4, (link, view, payload) => {
    link.numVf = u32(view, payload);
  }),
  [linkAttribute.IFLA_CARRIER]: field(1, (link, _view, payload) => {
    link.hasCarrier = payload[0] !== 0;
  }),
  [linkAttribute.IFLA_PHYS_PORT_ID]: field(0, (link, _view, payload) => {
    link.portId = hexOrNull(payload);
  }),
  [linkAttribute.IFLA_PHYS_SWITCH_ID]: field(0, (link, _view, payload) => {
    link.switchId = hexOrNull(payload);
  }),
  [linkAttribute.IFLA_LINK_NETNSID]: field(4, (link, view, payload) => {
    link.lowerNetnsId = u32(view, payload);
  }),
  [linkAttribute.IFLA_PHYS_PORT_NAME]: field(1, (link, _view, payload) => {
    link.portName = decodeText(payload);
  }),
  [linkAttribute.IFLA_PERM_ADDRESS]: field(0, (link, _view, payload) => {
    link.permanentMac = hexOrNull(payload);
  }),
  [linkAttribute.IFLA_PARENT_DEV_NAME]: field(1, (link, _view, payload) => {
    link.parentName = decodeText(payload);
  }),
  [linkAttribute.IFLA_PARENT_DEV_BUS_NAME]: field(1, (link, _view, payload) => {
    link.parentBus = decodeText(payload);
  }),
};

/** Puts one attribute into the draft. False when it is too short for what it is. */
export function takeAttribute({ draft, view, type, start, end }: AttributePlace): boolean {
  const row = fields[type];
  if (row === undefined) return true;
  if (end - start < row.least) return false;
  row.take(draft, view, draft.bytes.subarray(start, end));
  return true;
}
