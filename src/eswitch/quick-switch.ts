// What `quick-frames.ts` needs of a switch, in one array of integers, so that a frame is few lines of
// cache: a row for each port, with its counters, and a table of MACs that says at once how the port of
// each takes frames.

import { addressTableOf } from "./address-table.ts";
import {
  freeSlot,
  no,
  noPort,
  slotFirst,
  slotIsPfs,
  slotWords,
  untagged,
  vlanIdOf,
  vlanPort,
  vlanTrunk,
  yes,
  type CompiledSwitch,
} from "./compiled-switch.ts";
import { largestFrame } from "./frame-batch.ts";
import { portWords } from "./port-counters.ts";
import { hostTakes } from "./takers.ts";

/** Words of a port's row, before its counters: the high part of its MAC below what becomes of another
 * source; its low part; the tag inside. The PF and the network look closer: theirs are 0. */
export const senderWord = { high: 0, low: 1, tag: 2 } as const;
/** What becomes of a source that is not the VF's own; 0: look closer at all that it sends. */
export const othersShift = 16;
export const others = { lookCloser: 1, dropped: 2, taken: 3 } as const;

/** Words of a place: the low part of the MAC; its high part above the port; how that takes frames. */
export const placeWord = { low: 0, highAndPort: 1, takes: 2 } as const;
export const placeWords = 4;

/** How frames are taken: the VLAN; two bits of certainty for those with a tag inside and above them for
 * those without; and which bits of the VLAN have to be as in that tag. */
export const takesShift = 12;
export const mustShift = 16;
const wholeVlan = 0xfff;
/** VLAN 0 is in no tag here, and `untagged` has all bits. */
const lookCloser = wholeVlan << mustShift;

const takesAs = (tagged: number, plain: number): number => ((plain << 2) | tagged) << takesShift;

export type QuickSwitch = {
  /** Rows of the ports, places of the MACs, multipliers of their groups. */
  readonly table: Int32Array;
  readonly firstPlace: number;
  readonly firstGroup: number;
  /** As in AddressTable. */
  readonly seed: number;
  readonly groupShift: number;
  readonly placeShift: number;
  readonly uplink: number;
  /** How the wire takes what nobody here has. */
  readonly missTakes: number;
  readonly refused: number;
  readonly alsoRefused: number;
  readonly largestSize: number;
  /** By port, as it is rare. */
  readonly spoofed: Uint32Array;
};

const insideTag = ({ vlanKind, vlanTag }: CompiledSwitch, port: number): number =>
  vlanKind[port] === vlanPort ? (vlanTag[port] ?? 0) : untagged;

/** The tag that a VF's frames have inside the switch. */
export const insideTagOf = ({ table }: QuickSwitch, port: number): number =>
  table[port * portWords + senderWord.tag] ?? 0;

const isSettled = (compiled: CompiledSwitch, port: number): boolean =>
  compiled.vlanKind[port] === vlanTrunk || vlanIdOf(insideTag(compiled, port)) !== 0;

function senderOf(compiled: CompiledSwitch, port: number): number {
  const { isSwitchdev, veb, link, otherSource, refusedTypes, macHigh } = compiled;
  const isPlain = !isSwitchdev && veb === yes && refusedTypes.length <= 2 && link[port] === yes;
  // Without a MAC that is known, nothing is its own.
  const high = macHigh[port] ?? -1;
  if (!isPlain || high < 0 || !isSettled(compiled, port)) return 0;
  const pass = otherSource[port];
  const kind = pass === no ? others.dropped : pass === yes ? others.taken : others.lookCloser;
  return (kind << othersShift) | high;
}

type Taker = { readonly port: number; readonly takes: number };

/** Whom a slot of the switch's own table leads to. */
function takerOf(compiled: CompiledSwitch, slot: number): Taker {
  const { link, table, pf } = compiled;
  const { slots, next } = table;
  const port = slots[slot + slotFirst] ?? freeSlot;
  if (port === noPort) {
    const takes = takesAs(hostTakes(compiled, 1), hostTakes(compiled, 0));
    return { port: pf, takes: link[pf] === no ? lookCloser : takes };
  }
  const isAlone = next[port] === noPort && slots[slot + slotIsPfs] === 0;
  const sure = link[port] ?? no;
  if (!isAlone || sure === no || !isSettled(compiled, port)) return { port, takes: lookCloser };
  const vlan = insideTag(compiled, port) & wholeVlan;
  return { port, takes: vlan | takesAs(sure, sure) | (wholeVlan << mustShift) };
}

/** How the wire takes frames for nobody here. */
function missOf(compiled: CompiledSwitch): number {
  const { hasBridge, isFilterOpen, hiddenMacs, seesOthers, link, uplink } = compiled;
  const isPlain = !hasBridge && !isFilterOpen && hiddenMacs === 0 && seesOthers.length === 0;
  const sure = isPlain ? (link[uplink] ?? no) : no;
  return sure === no ? lookCloser : takesAs(sure, sure);
}

export function quickSwitchOf(compiled: CompiledSwitch): QuickSwitch {
  const { pf, uplink, macLow, refusedTypes, largestSize } = compiled;
  const { slots, mask } = compiled.table;
  const used = Array.from({ length: mask + 1 }, (_, at) => at * slotWords).filter(
    (slot) => slots[slot + slotFirst] !== freeSlot,
  );
  const addresses = addressTableOf(used.map((slot) => [slots[slot] ?? 0, slots[slot + 1] ?? 0]));
  const { places, numPlaces, multipliers, seed, groupShift, placeShift } = addresses;
  const firstPlace = (uplink + 1) * portWords;
  const firstGroup = firstPlace + numPlaces * placeWords;
  const table = new Int32Array(firstGroup + multipliers.length);
  for (let port = 0; port < pf; port++) {
    const row = port * portWords;
    table[row + senderWord.high] = senderOf(compiled, port);
    table[row + senderWord.low] = macLow[port] ?? 0;
    table[row + senderWord.tag] = insideTag(compiled, port);
  }
  // A free place has a group address, which is nobody's.
  table.fill(-1, firstPlace, firstGroup);
  places?.forEach((nth, at) => {
    const slot = used[at] ?? 0;
    const place = firstPlace + nth * placeWords;
    const { port, takes } = takerOf(compiled, slot);
    table[place + placeWord.low] = slots[slot + 1] ?? 0;
    table[place + placeWord.highAndPort] = ((slots[slot] ?? 0) << 16) | port;
    table[place + placeWord.takes] = takes;
  });
  table.set(multipliers, firstGroup);
  const [refused = -1, alsoRefused = -1] = refusedTypes;
  return {
    table,
    firstPlace,
    firstGroup: firstGroup | 0,
    seed,
    groupShift,
    placeShift,
    uplink,
    missTakes: places === null ? lookCloser : missOf(compiled),
    refused,
    alsoRefused,
    largestSize: Math.min(largestSize, largestFrame),
    spoofed: new Uint32Array(uplink + 1),
  };
}
