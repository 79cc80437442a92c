// The frames that most are: untagged, from a VF whose checks are settled, to one receiver or to the
// wire. They are decided in one loop over a few integers; whatever needs a closer look is left to
// `switch-frames.ts`, which takes that frame and comes back for the next ones.

import {
  freeSlot,
  maybe,
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
import type { BatchResult, FrameBatch } from "./frame-batch.ts";
import type { PortCounters } from "./port-counters.ts";

/** What becomes of a source that is not the VF's own; 0: look closer at all that it sends. */
const ownSourceOnly = 1;
const dropsOthers = 2;
const takesOthers = 3;

/** Words of a VF: those above and the high part of its MAC; the low part; the tag inside. */
const rowWords = 4;
const [mayAt, macLowAt, tagAt] = [0, 1, 2];
const mayShift = 16;

/** Words of a slot of the table: MAC, port, and how that takes frames. */
const [portAt, takesAt] = [2, 3];
/** Of `takesAt`: the VLAN, then the certainty. Below 0: look closer. */
const sureShift = 12;

export type QuickSwitch = {
  readonly compiled: CompiledSwitch;
  readonly rows: Int32Array;
  /** The table of MACs, with what is settled about each receiver beside it. */
  readonly slots: Int32Array;
  /** Certainty that a frame for nobody here goes to the wire; `no`: look closer. */
  readonly miss: number;
  readonly refusedTypes: readonly [number, number];
};

/** The parts of a result that are being filled. */
export type QuickResult = BatchResult & {
  readonly counters: PortCounters;
  length: number;
};

const [forwarded, spoofedMac, lost] = [0, 2, 5];

function senderOf(compiled: CompiledSwitch, port: number): number {
  const { isSwitchdev, veb, link, vlanKind, otherSource, refusedTypes, macHigh } = compiled;
  const isPlain = !isSwitchdev && veb === yes && refusedTypes.length <= 2 && link[port] === yes;
  // Without a MAC that is known, nothing is its own.
  if (!isPlain || (macHigh[port] ?? 0) < 0) return 0;
  if (vlanKind[port] !== vlanPort && vlanKind[port] !== vlanTrunk) return 0;
  const others = otherSource[port];
  return others === no ? dropsOthers : others === yes ? takesOthers : ownSourceOnly;
}

const insideTag = ({ vlanKind, vlanTag }: CompiledSwitch, port: number): number =>
  vlanKind[port] === vlanPort ? (vlanTag[port] ?? 0) : untagged;

function takesOf(compiled: CompiledSwitch, slot: number): number {
  const { table, vlanKind, link } = compiled;
  const port = table.slots[slot + slotFirst] ?? freeSlot;
  if (port < 0) return 0;
  const isAlone = table.next[port] === noPort && table.slots[slot + slotIsPfs] === 0;
  const isSettled = vlanKind[port] === vlanPort || vlanKind[port] === vlanTrunk;
  if (!isAlone || !isSettled) return -1;
  return vlanIdOf(insideTag(compiled, port)) | ((link[port] ?? 0) << sureShift);
}

export function quickSwitchOf(compiled: CompiledSwitch): QuickSwitch {
  const { pf, uplink, link, macHigh, macLow, refusedTypes, table } = compiled;
  // A row more than there are VFs: the PF and the network look closer.
  const rows = new Int32Array((pf + 2) * rowWords);
  for (let port = 0; port < pf; port++) {
    const row = port * rowWords;
    rows[row + mayAt] = (senderOf(compiled, port) << mayShift) | ((macHigh[port] ?? 0) & 0xffff);
    rows[row + macLowAt] = macLow[port] ?? 0;
    rows[row + tagAt] = insideTag(compiled, port);
  }
  const slots = table.slots.slice();
  for (let slot = 0; slot < slots.length; slot += slotWords) {
    slots[slot + takesAt] = takesOf(compiled, slot);
  }
  const { hasBridge, isFilterOpen, hiddenMacs } = compiled;
  const isMissKnown = !hasBridge && !isFilterOpen && hiddenMacs === 0;
  const [one = -1, other = -1] = refusedTypes;
  return {
    compiled,
    rows,
    slots,
    miss: isMissKnown ? (link[uplink] ?? 0) : no,
    refusedTypes: [one, other],
  };
}

type Range = { readonly at: number; readonly count: number };

/** Decides frames from `at` on. Returns the first that needs a closer look, or `count`. */
export function decideQuickly(
  { compiled, rows, slots, miss, refusedTypes: [refused, alsoRefused] }: QuickSwitch,
  batch: FrameBatch,
  { at: first, count }: Range,
  out: QuickResult,
): number {
  const { pf, uplink, largestSize, link, table } = compiled;
  const { from, destinationHigh, destinationLow, sourceHigh, sourceLow } = batch;
  const { tag: ownTag, etherType, sizeBytes } = batch;
  const { fate, tag, start, port, certainty, counters } = out;
  const { sent, dropped, spoofed, received, perhaps } = counters;
  const pfLink = link[pf] ?? 0;
  const mask = table.mask * slotWords;
  let { length } = out;
  let at = first;
  for (; at < count; at++) {
    const sender = from[at] ?? 0;
    const row = sender * rowWords;
    const may = rows[row] ?? 0;
    const high = destinationHigh[at] ?? 0;
    const type = etherType[at] ?? 0;
    if (may >> mayShift === 0 || ownTag[at] !== untagged || (high & 0x0100) !== 0) break;
    if ((sizeBytes[at] ?? 0) > largestSize || type === refused || type === alsoRefused) break;
    const source = sourceHigh[at] ?? 0;
    const isOwn = source === (may & 0xffff) && sourceLow[at] === rows[row + macLowAt];
    let taker = 0;
    let sure = no;
    let inside = untagged;
    if (isOwn || source === -1 || may >> mayShift === takesOthers) {
      inside = rows[row + tagAt] ?? 0;
      const id = inside === untagged ? 0 : inside & 0xfff;
      const low = destinationLow[at] ?? 0;
      const hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
      let slot = ((hash ^ (hash >>> 15)) * slotWords) & mask;
      taker = slots[slot + portAt] ?? 0;
      while (taker !== freeSlot && (slots[slot] !== high || slots[slot + 1] !== low)) {
        slot = (slot + slotWords) & mask;
        taker = slots[slot + portAt] ?? 0;
      }
      if (taker >= 0) {
        const takes = slots[slot + takesAt] ?? 0;
        if ((takes & 0xfff) !== id || takes < 0) break;
        sure = taker === sender ? no : takes >> sureShift;
      } else if (taker === noPort) {
        taker = pf;
        sure = id === 0 || pfLink < maybe ? pfLink : maybe;
      } else {
        if (miss === no) break;
        [taker, sure] = [uplink, miss];
      }
      fate[at] = sure === no ? lost : forwarded;
    } else {
      if (may >> mayShift !== dropsOthers) break;
      fate[at] = spoofedMac;
      spoofed[sender] = (spoofed[sender] ?? 0) + 1;
    }
    start[at] = length;
    tag[at] = inside;
    sent[sender] = (sent[sender] ?? 0) + 1;
    if (sure === no) dropped[sender] = (dropped[sender] ?? 0) + 1;
    else {
      port[length] = taker;
      certainty[length++] = sure;
      if (sure === yes) received[taker] = (received[taker] ?? 0) + 1;
      else perhaps[taker] = (perhaps[taker] ?? 0) + 1;
    }
  }
  out.length = length;
  return at;
}
