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
  endOf,
  endWords,
  frameWord,
  frameWords,
  portOf,
  type BatchResult,
  type FrameBatch,
} from "./frame-batch.ts";
import { columnsOf, count, counterWord, newCounters, type PortCounters } from "./port-counters.ts";
import {
  decideQuickly,
  quickSwitchOf,
  type QuickResult,
  type QuickSwitch,
} from "./quick-frames.ts";
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

/** Runs batches through one switch and keeps its counters. */
export class SwitchRun {
  readonly #switch: CompiledSwitch;
  readonly #quick: QuickSwitch;
  readonly #counters: Uint32Array;
  /** By VLAN, as far as it was asked for: a flood looks at no VF in vain. */
  readonly #members = new Map<number, Int32Array>();
  #ends = new Int32Array(endWords);
  #deliveries = new Int32Array(1024);
  #length = 0;
  // Of the frame at hand.
  #from = 0;
  #certainty = yes;
  #tag = untagged;

  constructor(compiled: CompiledSwitch) {
    this.#switch = compiled;
    this.#quick = quickSwitchOf(compiled);
    this.#counters = newCounters(compiled);
  }

  get counters(): PortCounters {
    return columnsOf(this.#counters);
  }

  /** The first `numFrames`. The result is overwritten by the next run. */
  run(batch: FrameBatch, numFrames = batch.length / frameWords): BatchResult {
    if (this.#ends.length <= numFrames * endWords) {
      this.#ends = new Int32Array((numFrames + 1) * endWords);
    }
    this.#length = 0;
    for (let at = 0; at < numFrames; at++) {
      at = this.#passQuickly(batch, at, numFrames);
      if (at === numFrames) break;
      const first = this.#length;
      const fate = this.#decide(batch, at * frameWords);
      this.#ends[at * endWords] = first;
      this.#ends[at * endWords + 1] = endOf(this.#tag, fate);
      count(this.#counters, this.#from, counterWord.sent);
      if (fate !== forwarded && fate !== undecided) count(this.#counters, this.#from, no);
      if (fate === spoofedMac) count(this.#counters, this.#from, counterWord.spoofed);
    }
    this.#ends[numFrames * endWords] = this.#length;
    return { ends: this.#ends, deliveries: this.#deliveries };
  }

  /** All up to a frame that needs a closer look, or to the end. Returns where that is. */
  #passQuickly(batch: FrameBatch, at: number, end: number): number {
    while (this.#length + end - at > this.#deliveries.length) this.#grow();
    const out: QuickResult = {
      ends: this.#ends,
      deliveries: this.#deliveries,
      counters: this.#counters,
      length: this.#length,
    };
    const next = decideQuickly(this.#quick, batch, { at, end }, out);
    this.#length = out.length;
    return next;
  }

  /** `row` is where the frame begins in the batch. */
  #decide(batch: FrameBatch, row: number): number {
    const compiled = this.#switch;
    this.#from = batch[row] ?? 0;
    this.#tag = batch[row + frameWord.tag] ?? 0;
    this.#certainty = yes;
    if (compiled.isSwitchdev) return undecided;
    const refusal = this.#admit(batch, row);
    if (refusal !== forwarded) return refusal;
    const first = this.#length;
    const high = batch[row + frameWord.destinationHigh] ?? 0;
    const low = batch[row + frameWord.destinationLow] ?? 0;
    if (this.#from !== compiled.uplink && compiled.veb !== yes) {
      if (compiled.veb === unknown) return undecided;
      this.#deliver(compiled.uplink, compiled.link[compiled.uplink] ?? 0);
    } else if ((high & 0x0100) !== 0) {
      this.#flood(high === 0xffff && low === -1);
    } else {
      this.#unicast(high, low);
    }
    return this.#length === first ? lost : forwarded;
  }

  #admit(batch: FrameBatch, row: number): number {
    const compiled = this.#switch;
    const from = this.#from;
    const link = compiled.link[from] ?? 0;
    if (link === no) return noLink;
    this.#certainty = link;
    const isVf = from < compiled.pf;
    if (isVf && compiled.refusesTypes[from] === 1) {
      if (compiled.refusedTypes.includes(batch[row + frameWord.etherType] ?? 0)) return refusedType;
    }
    if ((batch[row + frameWord.sizeBytes] ?? 0) > compiled.largestSize) this.#lower(maybe);
    if (!isVf) return forwarded;
    const sourceHigh = batch[row + frameWord.sourceHigh] ?? 0;
    if (
      sourceHigh !== -1 &&
      (sourceHigh !== compiled.macHigh[from] ||
        batch[row + frameWord.sourceLow] !== compiled.macLow[from])
    ) {
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
    const { pf, uplink, link, hasBridge } = this.#switch;
    const id = vlanIdOf(this.#tag);
    const most = isBroadcast ? yes : maybe;
    const members = this.#membersOf(id);
    for (let at = 0; at < members.length; at++) {
      const delivery = members[at] ?? 0;
      this.#deliver(portOf(delivery), Math.min(certaintyOf(delivery), most));
    }
    this.#deliver(
      pf,
      Math.min(hostTakes(this.#switch, id), isBroadcast || hasBridge ? yes : maybe),
    );
    this.#deliver(uplink, link[uplink] ?? 0);
  }

  /** VFs that could take a frame of this VLAN. */
  #membersOf(id: number): Int32Array {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const all = Array.from({ length: this.#switch.pf }, (_, port) =>
      deliveryOf(port, vfTakes(this.#switch, port, id)),
    );
    const members = Int32Array.from(all.filter((delivery) => certaintyOf(delivery) !== no));
    this.#members.set(id, members);
    return members;
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
    const host = hostTakes(compiled, vlanIdOf(this.#tag));
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
    if (this.#length === this.#deliveries.length) this.#grow();
    this.#deliveries[this.#length++] = deliveryOf(port, sure);
    count(this.#counters, port, sure);
  }

  #grow(): void {
    const deliveries = new Int32Array(this.#deliveries.length * 2);
    deliveries.set(this.#deliveries);
    this.#deliveries = deliveries;
  }
}
