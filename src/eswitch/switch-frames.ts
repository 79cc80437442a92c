// What a compiled switch does with many frames: the same answers as `decide.ts`, as numbers and
// without the words. It exists to be fast; whether it is right is decided by comparing the two.

import {
  type CompiledSwitch,
  freeSlot,
  maybe,
  no,
  slotFirst,
  slotIsPfs,
  slotOf,
  unknown,
  untagged,
  vlanIdOf,
  vlanPort,
  vlanTrunk,
  yes,
} from "./compiled-switch.ts";
import type { Fate } from "./decide.ts";
import {
  certaintyOf,
  deliveryOf,
  destinationHighAt,
  destinationLowAt,
  endOf,
  etherTypeAt,
  frameWord,
  frameWords,
  fromAt,
  hasOwnSource,
  ownTagAt,
  portOf,
  sizeAt,
  sourceHighAt,
  sourceLowAt,
  type BatchResult,
  type FrameBatch,
} from "./frame-batch.ts";
import { columnsOf, count, counterWord, type PortCounters } from "./port-counters.ts";
import { decideQuickly } from "./quick-frames.ts";
import { insideTagOf, quickSwitchOf, type QuickSwitch } from "./quick-switch.ts";
import { hostTakes, vfTakes } from "./takers.ts";

/** What `fateAt` counts. */
export const fates: readonly Fate[] = [
  "forwarded",
  "no-link",
  "spoofed-mac",
  "refused-type",
  "refused-tag",
  "lost",
  "undecided",
];
const forwarded = 0;
const noLink = 1;
const spoofedMac = 2;
const refusedType = 3;
const refusedTag = 4;
const lost = 5;
const undecided = 6;

// For the loop of floods: an import is loaded from its module each time it is used.
const [portIn, certaintyIn, deliveryWord] = [portOf, certaintyOf, deliveryOf];
const [tally, takenWord] = [count, counterWord.taken];

const broadcastHigh = 0xffff;

/** Runs batches through one switch and keeps its counters. */
export class SwitchRun {
  readonly #switch: CompiledSwitch;
  readonly #quick: QuickSwitch;
  /** By VLAN and kind, as far as it was asked for: takers of a group address. */
  readonly #floods: (Int32Array | undefined)[] = [];
  #lists = new Int32Array(1024);
  /** Words of the lists. */
  #length = 0;
  // Of the frame at hand.
  #from = 0;
  #certainty = yes;
  #tag = untagged;

  constructor(compiled: CompiledSwitch) {
    this.#switch = compiled;
    this.#quick = quickSwitchOf(compiled);
  }

  get counters(): PortCounters {
    return columnsOf(this.#quick);
  }

  /** The first `numFrames`. The lists are overwritten by the next run. */
  run(frames: FrameBatch, numFrames = frames.length / frameWords): BatchResult {
    this.#length = 0;
    for (let at = 0; at < numFrames; at++) {
      const stop = decideQuickly(this.#quick, frames, at, numFrames);
      at = stop < 0 ? ~stop : stop;
      if (at < numFrames) this.#lookCloser(frames, at, stop < 0);
    }
    return { frames, lists: this.#lists };
  }

  #lookCloser(frames: FrameBatch, at: number, isLetIn: boolean): void {
    const from = fromAt(frames, at);
    this.#from = from;
    this.#tag = isLetIn ? insideTagOf(this.#quick, from) : ownTagAt(frames, at);
    this.#certainty = yes;
    this.#makeRoom(1);
    const list = this.#length++;
    const fate = isLetIn ? this.#forward(frames, at) : this.#decide(frames, at);
    this.#lists[list] = this.#length - list - 1;
    const row = at * frameWords;
    frames[row + frameWord.end] = endOf(this.#tag, fate);
    frames[row + frameWord.delivery] = ~list;
    const { table, spoofed } = this.#quick;
    count(table, from, counterWord.sent);
    if (fate !== forwarded && fate !== undecided) count(table, from, counterWord.taken + no);
    if (fate === spoofedMac) spoofed[from] = (spoofed[from] ?? 0) + 1;
  }

  #decide(frames: FrameBatch, at: number): number {
    if (this.#switch.isSwitchdev) return undecided;
    const refusal = this.#admit(frames, at);
    return refusal === forwarded ? this.#forward(frames, at) : refusal;
  }

  #forward(frames: FrameBatch, at: number): number {
    const compiled = this.#switch;
    const first = this.#length;
    const high = destinationHighAt(frames, at);
    const low = destinationLowAt(frames, at);
    if (this.#from !== compiled.uplink && compiled.veb !== yes) {
      if (compiled.veb === unknown) return undecided;
      this.#deliver(compiled.uplink, compiled.link[compiled.uplink] ?? 0);
    } else if ((high & 0x0100) !== 0) {
      this.#flood(high === broadcastHigh && low === -1);
    } else {
      this.#unicast(high, low);
    }
    return this.#length === first ? lost : forwarded;
  }

  #admit(frames: FrameBatch, at: number): number {
    const compiled = this.#switch;
    const from = this.#from;
    const link = compiled.link[from] ?? 0;
    if (link === no) return noLink;
    this.#certainty = link;
    const isVf = from < compiled.pf;
    if (isVf && compiled.refusesTypes[from] === 1) {
      if (compiled.refusedTypes.includes(etherTypeAt(frames, at))) return refusedType;
    }
    if (sizeAt(frames, at) > compiled.largestSize) this.#lower(maybe);
    if (!isVf) return forwarded;
    const isOwn =
      hasOwnSource(frames, at) ||
      (sourceHighAt(frames, at) === compiled.macHigh[from] &&
        sourceLowAt(frames, at) === compiled.macLow[from]);
    if (!isOwn) {
      const pass = compiled.otherSource[from] ?? 0;
      if (pass === no) return spoofedMac;
      this.#lower(pass);
    }
    return this.#enterVlan();
  }

  #enterVlan(): number {
    const compiled = this.#switch;
    const from = this.#from;
    const kind = compiled.vlanKind[from];
    if (kind === vlanTrunk) {
      if (vlanIdOf(this.#tag) !== 0) this.#lower(compiled.ownTag[from] ?? 0);
    } else if (kind === vlanPort) {
      if (this.#tag !== untagged) {
        if (compiled.tagUnderPortVlan === no) return refusedTag;
        this.#lower(compiled.tagUnderPortVlan);
      }
      this.#tag = compiled.vlanTag[from] ?? 0;
    } else {
      this.#lower(unknown);
    }
    return forwarded;
  }

  #lower(certainty: number): void {
    if (certainty < this.#certainty) this.#certainty = certainty;
  }

  #flood(isBroadcast: boolean): void {
    const key = vlanIdOf(this.#tag) * 2 + Number(isBroadcast);
    const takers = this.#floods[key] ?? this.#addFlood(key);
    const numTakers = takers.length;
    this.#makeRoom(numTakers);
    const [from, most, lists] = [this.#from, this.#certainty, this.#lists];
    const { table } = this.#quick;
    let length = this.#length;
    for (let nth = 0; nth < numTakers; nth++) {
      const delivery = takers[nth] ?? 0;
      const port = portIn(delivery);
      if (port === from) continue;
      const sure = Math.min(certaintyIn(delivery), most);
      lists[length++] = deliveryWord(port, sure);
      tally(table, port, takenWord + sure);
    }
    this.#length = length;
  }

  /** Ports that could take it, its sender among them. */
  #addFlood(key: number): Int32Array {
    const [id, isBroadcast] = [key >> 1, (key & 1) === 1];
    const { pf, uplink, link, hasBridge } = this.#switch;
    const most = isBroadcast ? yes : maybe;
    const ofHost = isBroadcast || hasBridge ? yes : maybe;
    const all = [
      ...Array.from({ length: pf }, (_, port) => Math.min(vfTakes(this.#switch, port, id), most)),
      Math.min(hostTakes(this.#switch, id), ofHost),
      link[uplink] ?? no,
    ];
    const takers = Int32Array.from(all.map((sure, port) => deliveryOf(port, sure)));
    const found = takers.filter((delivery) => certaintyOf(delivery) !== no);
    this.#floods[key] = found;
    return found;
  }

  #unicast(high: number, low: number): void {
    const { table, pf, uplink, link, claimedTwice, otherVlan } = this.#switch;
    const slot = slotOf(table, high, low);
    const first = table.slots[slot + slotFirst] ?? 0;
    if (first === freeSlot) return this.#miss();
    const id = vlanIdOf(this.#tag);
    const isPfs = table.slots[slot + slotIsPfs] === 1;
    if (isPfs && first >= 0 && claimedTwice === null) this.#lower(unknown);
    let isElsewhere = !isPfs;
    if (!isPfs || claimedTwice !== "pf") {
      for (let port = first; port >= 0; port = table.next[port] ?? 0) {
        const kind = this.#switch.vlanKind[port];
        if (kind !== vlanPort || vlanIdOf(this.#switch.vlanTag[port] ?? 0) === id)
          isElsewhere = false;
        this.#deliver(port, vfTakes(this.#switch, port, id));
      }
    }
    if (isPfs) this.#deliver(pf, hostTakes(this.#switch, id));
    if (isElsewhere && this.#from !== uplink) {
      this.#deliver(uplink, Math.min(link[uplink] ?? 0, otherVlan));
    }
  }

  #miss(): void {
    const compiled = this.#switch;
    const { pf, uplink, link, hasBridge, promiscuousCopy } = compiled;
    const from = this.#from;
    const id = vlanIdOf(this.#tag);
    const host = hostTakes(compiled, id);
    const sees = from === uplink ? compiled.seesWire : compiled.seesOthers;
    for (const { port, certainty } of sees) {
      this.#deliver(port, Math.min(certainty, vfTakes(compiled, port, id)));
    }
    if (from === uplink) {
      if (hasBridge) this.#deliver(pf, host);
      return;
    }
    const hidden = compiled.hiddenMacs - (from < pf ? (compiled.mayHaveMac[from] ?? 0) : 0);
    const doubtful = hasBridge ? unknown : maybe;
    const certainty = compiled.isFilterOpen ? doubtful : hidden > 0 ? maybe : yes;
    if (hasBridge && from !== pf) this.#deliver(pf, Math.min(host, promiscuousCopy));
    this.#deliver(uplink, Math.min(link[uplink] ?? 0, certainty));
  }

  #deliver(port: number, certainty: number): void {
    const sure = Math.min(certainty, this.#certainty);
    if (sure === no || port === this.#from) return;
    this.#makeRoom(1);
    this.#lists[this.#length++] = deliveryOf(port, sure);
    count(this.#quick.table, port, counterWord.taken + sure);
  }

  #makeRoom(words: number): void {
    const { length } = this.#lists;
    if (this.#length + words <= length) return;
    const lists = new Int32Array(2 * (length + words));
    lists.set(this.#lists);
    this.#lists = lists;
  }
}
