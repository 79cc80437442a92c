// The frames that most are: untagged, from a VF whose checks are settled, to one receiver, to the wire,
// or to all of a VLAN. They are decided in one loop over a few integers; whatever needs a closer look
// is left to `switch-frames.ts`, which takes that frame and comes back for the next ones.

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
import {
  certaintyOf,
  deliveryOf,
  endOf,
  endWords,
  frameWords,
  portOf,
  type FrameBatch,
} from "./frame-batch.ts";
import { count, counterWord } from "./port-counters.ts";
import { hostTakes, vfTakes } from "./takers.ts";

/** What becomes of a source that is not the VF's own; 0: look closer at all that it sends. */
const ownSourceOnly = 1;
const dropsOthers = 2;
const takesOthers = 3;

/** Words of a port's row: the high part of its MAC with what is above, and with the certainty of the
 * host's end; the low part; the tag inside; its VLAN and certainty as a receiver. */
const rowWords = 4;
const [macLowAt, tagAt, takesAt] = [1, 2, 3];
const mayShift = 16;
const hostShift = 18;
const sureShift = 12;
/** Below it there is nothing above the MAC: look closer. */
const leastMay = 1 << mayShift;

/** Words of a frame, as `frameWord` has them. */
const [sourceHighAt, sourceLowAt, ownTagAt, etherTypeAt, sizeAt] = [3, 4, 5, 6, 7];

/** Words of a slot: the low part of the MAC; its high part with the port or one of the following. */
const quickSlotWords = 2;
const hostAlone = 0xfffe;
const lookCloser = 0xfffd;

export type QuickSwitch = {
  readonly compiled: CompiledSwitch;
  /** The slots of a hash table of MACs, then the rows of the ports. */
  readonly table: Int32Array;
  /** Of the first words of the slots. */
  readonly mask: number;
  readonly firstRow: number;
  /** Certainty that a frame for nobody here goes to the wire; `no`: look closer. */
  readonly miss: number;
  readonly refused: number;
  readonly alsoRefused: number;
  /** By VLAN, as far as it was asked for: deliveries of a broadcast. */
  readonly floods: (Int32Array | undefined)[];
};

/** What is being filled. */
export type QuickResult = {
  readonly ends: Int32Array;
  readonly deliveries: Int32Array;
  /** Deliveries so far. */
  length: number;
  readonly counters: Uint32Array;
};

const [forwarded, spoofedMac, lost] = [0, 2, 5];

// For the loop: an import is loaded from its module each time it is used, what is of this file is not.
const [noTag, nobody, frameStep, endStep] = [untagged, no, frameWords, endWords];
const [tally, endWord, deliveryWord] = [count, endOf, deliveryOf];
const [portIn, certaintyIn] = [portOf, certaintyOf];
const { sent: sentAt, spoofed: spoofedAt } = counterWord;

const insideTag = ({ vlanKind, vlanTag }: CompiledSwitch, port: number): number =>
  vlanKind[port] === vlanPort ? (vlanTag[port] ?? 0) : untagged;

const isSettled = ({ vlanKind }: CompiledSwitch, port: number): boolean =>
  vlanKind[port] === vlanPort || vlanKind[port] === vlanTrunk;

function senderOf(compiled: CompiledSwitch, port: number): number {
  const { isSwitchdev, veb, link, otherSource, refusedTypes, macHigh } = compiled;
  const isPlain = !isSwitchdev && veb === yes && refusedTypes.length <= 2 && link[port] === yes;
  // Without a MAC that is known, nothing is its own.
  const high = macHigh[port] ?? -1;
  if (!isPlain || high < 0 || !isSettled(compiled, port)) return 0;
  const others = otherSource[port];
  const kind = others === no ? dropsOthers : others === yes ? takesOthers : ownSourceOnly;
  const host = hostTakes(compiled, vlanIdOf(insideTag(compiled, port)));
  return (host << hostShift) | (kind << mayShift) | high;
}

/** Whom a slot of the switch's own table leads to. */
function takerOf(compiled: CompiledSwitch, slot: number): number {
  const { link, table, pf } = compiled;
  const { slots, next } = table;
  const port = slots[slot + slotFirst] ?? freeSlot;
  if (port === noPort) return link[pf] === no ? lookCloser : hostAlone;
  const isAlone = next[port] === noPort && slots[slot + slotIsPfs] === 0;
  const isUp = link[port] !== no;
  return isAlone && isUp && isSettled(compiled, port) && port < lookCloser ? port : lookCloser;
}

export function quickSwitchOf(compiled: CompiledSwitch): QuickSwitch {
  const { pf, uplink, link, macLow, refusedTypes, table: macs } = compiled;
  const firstRow = (macs.mask + 1) * quickSlotWords;
  // The PF and the network look closer: their rows stay empty.
  const table = new Int32Array(firstRow + (uplink + 1) * rowWords);
  for (let port = 0; port < pf; port++) {
    const row = firstRow + port * rowWords;
    table[row] = senderOf(compiled, port);
    table[row + macLowAt] = macLow[port] ?? 0;
    table[row + tagAt] = insideTag(compiled, port);
    const id = vlanIdOf(insideTag(compiled, port));
    table[row + takesAt] = id | ((link[port] ?? 0) << sureShift);
  }
  for (let at = 0; at <= macs.mask; at++) {
    const from = at * slotWords;
    const to = at * quickSlotWords;
    const isFree = macs.slots[from + slotFirst] === freeSlot;
    table[to] = macs.slots[from + 1] ?? 0;
    table[to + 1] = isFree ? -1 : ((macs.slots[from] ?? 0) << 16) | takerOf(compiled, from);
  }
  const { hasBridge, isFilterOpen, hiddenMacs } = compiled;
  const isMissKnown = !hasBridge && !isFilterOpen && hiddenMacs === 0;
  const miss = isMissKnown ? (link[uplink] ?? 0) : no;
  const [refused = -1, alsoRefused = -1] = refusedTypes;
  const mask = macs.mask * quickSlotWords;
  return {
    compiled,
    table,
    mask,
    firstRow,
    miss,
    refused,
    alsoRefused,
    floods: Array.from({ length: 4096 }),
  };
}

/** Deliveries of a broadcast in a VLAN, its sender among them. */
function floodOf({ compiled, floods }: QuickSwitch, id: number): Int32Array {
  const known = floods[id];
  if (known !== undefined) return known;
  const { pf, uplink, link } = compiled;
  const takers = Array.from({ length: pf }, (_, port) => [port, vfTakes(compiled, port, id)]);
  const all = [...takers, [pf, hostTakes(compiled, id)], [uplink, link[uplink] ?? 0]];
  const made = Int32Array.from(
    all.flatMap(([port = 0, sure = no]) => (sure === no ? [] : [deliveryOf(port, sure)])),
  );
  floods[id] = made;
  return made;
}

type Broadcast = {
  readonly sender: number;
  readonly tag: number;
  /** Deliveries before it. */
  readonly length: number;
  /** Of the frame's row in `ends`. */
  readonly place: number;
  /** Frames from here on: each may need a delivery. */
  readonly room: number;
};

/** How many deliveries there are after it; -1: there is not the room. */
function flood(quick: QuickSwitch, frame: Broadcast, { ends, deliveries, counters }: QuickResult) {
  const { sender, tag, length: before, place, room } = frame;
  const taken = floodOf(quick, tag === noTag ? 0 : tag & 0xfff);
  if (before + taken.length + room > deliveries.length) return -1;
  let length = before;
  for (let nth = 0; nth < taken.length; nth++) {
    const delivery = taken[nth] ?? 0;
    const port = portIn(delivery);
    if (port === sender) continue;
    deliveries[length++] = delivery;
    tally(counters, port, certaintyIn(delivery));
  }
  ends[place] = before;
  ends[place + 1] = endWord(tag, length === before ? lost : forwarded);
  tally(counters, sender, sentAt);
  if (length === before) tally(counters, sender, nobody);
  return length;
}

/** Who has the frame's destination, as a port or one of the other codes. */
function takerIn(table: Int32Array, mask: number, batch: FrameBatch, frame: number): number {
  const high = batch[frame + 1] ?? 0;
  const low = batch[frame + 2] ?? 0;
  const hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  let slot = ((hash ^ (hash >>> 15)) * quickSlotWords) & mask;
  let found = table[slot + 1] ?? 0;
  while (found !== -1 && (found >>> 16 !== high || table[slot] !== low)) {
    slot = (slot + quickSlotWords) & mask;
    found = table[slot + 1] ?? 0;
  }
  return found & 0xffff;
}

type Range = { readonly at: number; readonly end: number };

/** Decides frames from `at` on. Returns the first that needs a closer look, or `end`. */
export function decideQuickly(
  quick: QuickSwitch,
  batch: FrameBatch,
  { at: first, end }: Range,
  out: QuickResult,
): number {
  const { compiled, table, firstRow, miss, mask, refused, alsoRefused } = quick;
  const { pf, uplink, largestSize } = compiled;
  const { ends, deliveries, counters } = out;
  let { length } = out;
  let at = first;
  let frame = at * frameStep;
  let place = at * endStep;
  for (; at < end; at++, frame += frameStep, place += endStep) {
    const sender = batch[frame] ?? 0;
    const row = firstRow + sender * rowWords;
    const may = table[row] ?? 0;
    const type = batch[frame + etherTypeAt] ?? 0;
    if (may < leastMay || batch[frame + ownTagAt] !== noTag) break;
    if (type === refused || type === alsoRefused) break;
    if ((batch[frame + sizeAt] ?? 0) > largestSize) break;
    const source = batch[frame + sourceHighAt] ?? 0;
    const kind = (may >> mayShift) & 3;
    const isOwn = source === (may & 0xffff) && batch[frame + sourceLowAt] === table[row + macLowAt];
    // Nobody takes it: the sender's row counts that as it would a delivery.
    let taker = sender;
    let sure = nobody;
    let tag = noTag;
    let fate = spoofedMac;
    if (isOwn || source === -1 || kind === takesOthers) {
      tag = table[row + tagAt] ?? 0;
      if (((batch[frame + 1] ?? 0) & 0x0100) !== 0) {
        const isToAll = batch[frame + 1] === 0xffff && batch[frame + 2] === -1;
        const all = { sender, tag, length, place, room: end - at };
        const next = isToAll ? flood(quick, all, out) : -1;
        if (next < 0) break;
        length = next;
        continue;
      }
      const found = takerIn(table, mask, batch, frame);
      if (found < lookCloser) {
        const takes = table[firstRow + found * rowWords + takesAt] ?? 0;
        if ((takes & 0xfff) !== ((table[row + takesAt] ?? 0) & 0xfff)) break;
        taker = found;
        if (found !== sender) sure = takes >> sureShift;
      } else if (found === hostAlone) {
        taker = pf;
        sure = may >> hostShift;
      } else {
        if (found === lookCloser || miss === nobody) break;
        taker = uplink;
        sure = miss;
      }
      // Nobody but the sender itself is not sure at all.
      fate = ((sure - 1) >> 31) & lost;
    } else {
      if (kind !== dropsOthers) break;
      tally(counters, sender, spoofedAt);
    }
    ends[place] = length;
    ends[place + 1] = endWord(tag, fate);
    tally(counters, sender, sentAt);
    tally(counters, taker, sure);
    deliveries[length] = deliveryWord(taker, sure);
    // One more, unless it is `no`.
    length += (sure + 3) >> 2;
  }
  out.length = length;
  return at;
}
