// The switch for many frames: its state turned into typed arrays and a hash table of MACs, and
// frames as columns, so that `switch-frames.ts` only compares integers. MACs are two of them, as 48
// bits in one number are slow in JavaScript.

import type { Certainty, SwitchState, VfPort } from "./switch-state.ts";

/** Certainties as numbers whose order is theirs: the lesser of two is their minimum. */
export const certainties: readonly Certainty[] = ["no", "unknown", "if", "yes"];
export const no = 0;
export const unknown = 1;
export const maybe = 2;
export const yes = 3;
const codeOf = (certainty: Certainty): number => certainties.indexOf(certainty);

/** No tag. */
export const untagged = -1;

const vlanUnknown = 0;
export const vlanTrunk = 1;
export const vlanPort = 2;

/** Ports are numbered: VFs by their place in the state, then the PF, then the uplink. */
export type CompiledSwitch = {
  readonly pf: number;
  readonly uplink: number;
  readonly isSwitchdev: boolean;
  /** Certainty that frames turn round in the card; `no` is VEPA. */
  readonly veb: number;
  readonly link: Uint8Array;
  readonly vlanKind: Uint8Array;
  /** Of a port VLAN, as `tagCode`. */
  readonly vlanTag: Int32Array;
  readonly macHigh: Int32Array;
  readonly macLow: Int32Array;
  /** Of a source that is not the port's own. */
  readonly otherSource: Uint8Array;
  /** Of a tag of the guest's, VLAN 0 aside, without and with a port VLAN. */
  readonly ownTag: Uint8Array;
  readonly tagUnderPortVlan: number;
  /** VFs that may take what is for nobody that is known: what comes from the wire, and what is sent here. */
  readonly seesWire: readonly Seer[];
  readonly seesOthers: readonly Seer[];
  readonly mayHaveMac: Uint8Array;
  readonly hiddenMacs: number;
  readonly refusesTypes: Uint8Array;
  readonly refusedTypes: readonly number[];
  readonly hasBridge: boolean;
  readonly isFilterOpen: boolean;
  readonly promiscuousCopy: number;
  readonly claimedTwice: "both" | "pf" | null;
  readonly otherVlan: number;
  readonly largestSize: number;
  readonly table: MacTable;
};

type Seer = { readonly port: number; readonly certainty: number };

/** Open addressing; a slot leads to the first of its ports, `next` to the others. */
type MacTable = {
  readonly mask: number;
  /** Rows of `slotWords`, so that a look at a slot is one at memory. */
  readonly slots: Int32Array;
  /** By port. */
  readonly next: Int32Array;
};

/** Words of a slot: both parts of the MAC; first of its ports; whether it is the PF's as well. */
export const slotWords = 4;
export const slotFirst = 2;
export const slotIsPfs = 3;
/** Instead of a port: the slot is free, or the address is the PF's alone. */
export const freeSlot = -1;
export const noPort = -2;

export const highOf = (mac: string): number =>
  Number.parseInt(mac.slice(0, 2) + mac.slice(3, 5), 16);
export const lowOf = (mac: string): number =>
  Number.parseInt(mac.slice(6, 8) + mac.slice(9, 11) + mac.slice(12, 14) + mac.slice(15), 16) | 0;

/** A tag as one integer: VLAN, priority, protocol. */
export const tagCode = (tag: { id: number; qos: number; protocol: string }): number =>
  tag.id | (tag.qos << 13) | (tag.protocol === "802.1q" ? 0 : 1 << 16);
export const vlanIdOf = (tag: number): number => (tag === untagged ? 0 : tag & 0xfff);

/** The first word of the address's slot, or of the free one that it would have. */
export function slotOf({ mask, slots }: MacTable, high: number, low: number): number {
  let at = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  at = ((at ^ (at >>> 15)) & mask) * slotWords;
  while (slots[at + slotFirst] !== freeSlot && (slots[at] !== high || slots[at + 1] !== low)) {
    at = (at + slotWords) & (mask * slotWords);
  }
  return at;
}

function tableOf({ vfs, pfPort }: SwitchState): MacTable {
  const pfMacs = [...(pfPort.mac === null ? [] : [pfPort.mac]), ...(pfPort.filter ?? [])];
  const size = 2 ** Math.ceil(Math.log2((vfs.length + pfMacs.length + 1) * 2));
  const slots = new Int32Array(size * slotWords);
  for (let at = slotFirst; at < slots.length; at += slotWords) slots[at] = freeSlot;
  const next = new Int32Array(vfs.length).fill(noPort);
  const table: MacTable = { mask: size - 1, slots, next };
  const claim = (mac: string): number => {
    const slot = slotOf(table, highOf(mac), lowOf(mac));
    if (slots[slot + slotFirst] === freeSlot) slots[slot + slotFirst] = noPort;
    slots[slot] = highOf(mac);
    slots[slot + 1] = lowOf(mac);
    return slot;
  };
  // From the last to the first: a chain lists its ports in their order.
  for (let port = vfs.length - 1; port >= 0; port--) {
    const mac = vfs[port]?.mac ?? null;
    if (mac === null) continue;
    const slot = claim(mac);
    next[port] = slots[slot + slotFirst] ?? noPort;
    slots[slot + slotFirst] = port;
  }
  for (const mac of pfMacs) slots[claim(mac) + slotIsPfs] = 1;
  return table;
}

/** The certainty with which a source that is not the VF's own passes its check. */
function otherSourceOf({ traits }: SwitchState, vf: VfPort): number {
  if (vf.spoofCheck === false) return yes;
  const checksOneMac = traits.checksOneMac.value;
  if (vf.spoofCheck === null || vf.mac === null || checksOneMac === null) return unknown;
  return checksOneMac || (vf.hasReportedMac && vf.trust === false) ? no : maybe;
}

function ownTagOf({ traits }: SwitchState, { spoofCheck }: VfPort): number {
  const checksVlan = traits.checksVlan.value;
  if (spoofCheck === false || checksVlan === false) return yes;
  return checksVlan === null || spoofCheck === null ? unknown : maybe;
}

/** Of whom the MAC is not known, or who may be promiscuous. */
function seersOf({ vfs }: SwitchState, sees: boolean | null): Seer[] {
  return vfs.flatMap(({ mayHaveMac, trust }, port) => {
    if (mayHaveMac) return [{ port, certainty: unknown }];
    if (trust === false || sees === false) return [];
    return [{ port, certainty: trust === null || sees === null ? unknown : maybe }];
  });
}

const fromFact = (value: boolean | null): number => (value === null ? unknown : value ? yes : no);

export function compileSwitch(state: SwitchState): CompiledSwitch {
  const { vfs, pfPort, traits, mtu } = state;
  const pf = vfs.length;
  const arrayOf = (work: (vf: VfPort) => number): Uint8Array => Uint8Array.from(vfs, work);
  const kindOf = ({ vlan }: VfPort): number =>
    vlan === null ? vlanUnknown : vlan.id === 0 && vlan.qos === 0 ? vlanTrunk : vlanPort;
  const underPortVlan = traits.tagUnderPortVlan.value;
  const otherVlan = traits.macInOtherVlan.value;
  return {
    pf,
    uplink: pf + 1,
    isSwitchdev: state.mode === "switchdev",
    veb: fromFact(state.isVeb.value),
    link: Uint8Array.from(
      [...vfs.map(({ link }) => link), pfPort.link, state.uplink],
      ({ certainty }) => codeOf(certainty),
    ),
    vlanKind: arrayOf(kindOf),
    vlanTag: Int32Array.from(vfs, ({ vlan }) => (vlan === null ? untagged : tagCode(vlan))),
    macHigh: Int32Array.from(vfs, ({ mac }) => (mac === null ? -1 : highOf(mac))),
    macLow: Int32Array.from(vfs, ({ mac }) => (mac === null ? -1 : lowOf(mac))),
    otherSource: arrayOf((vf) => otherSourceOf(state, vf)),
    ownTag: arrayOf((vf) => ownTagOf(state, vf)),
    tagUnderPortVlan: underPortVlan === null ? unknown : underPortVlan === "dropped" ? no : yes,
    seesWire: seersOf(state, traits.trustedVfSeesWire.value),
    seesOthers: seersOf(state, traits.trustedVfSeesOthers.value),
    mayHaveMac: arrayOf(({ mayHaveMac }) => Number(mayHaveMac)),
    hiddenMacs: vfs.filter(({ mayHaveMac }) => mayHaveMac).length,
    refusesTypes: arrayOf(({ spoofCheck }) =>
      Number(traits.driver !== "ixgbe" || spoofCheck === true),
    ),
    refusedTypes: traits.refusedEthertypes.value ?? [],
    hasBridge: pfPort.bridge !== null,
    isFilterOpen: pfPort.filter === null,
    promiscuousCopy: fromFact(traits.promiscuousPfSeesVfs.value),
    claimedTwice: traits.claimedTwice.value,
    otherVlan: otherVlan === null ? unknown : otherVlan === "lost" ? no : yes,
    largestSize: mtu === null ? -1 : mtu + 14,
    table: tableOf(state),
  };
}
