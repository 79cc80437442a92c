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
import type { BatchResult, FrameBatch } from "./frame-batch.ts";
import { add, newCounters, type PortCounters } from "./port-counters.ts";
import {
  decideQuickly,
  quickSwitchOf,
  type QuickResult,
  type QuickSwitch,
} from "./quick-frames.ts";

/** What `BatchResult.fate` counts. */
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

/** VFs that take a group's frame, with the certainty that they do. */
type Members = { readonly ports: Int32Array; readonly sure: Uint8Array };

/** Runs batches through one switch and keeps its counters. */
export class SwitchRun {
  readonly counters: PortCounters;
  readonly #switch: CompiledSwitch;
  readonly #quick: QuickSwitch;
  /** By VLAN, as far as it was asked for: a flood looks at no VF in vain. */
  readonly #members = new Map<number, Members>();
  #ports = new Int32Array(1024);
  #certainties = new Uint8Array(1024);
  #fate = new Uint8Array(0);
  #tags = new Int32Array(0);
  #start = new Int32Array(1);
  #length = 0;
  // Of the frame at hand.
  #from = 0;
  #certainty = yes;
  #tag = untagged;

  constructor(compiled: CompiledSwitch) {
    this.#switch = compiled;
    this.#quick = quickSwitchOf(compiled);
    this.counters = newCounters(compiled);
  }

  /** The first `count` frames. The result is overwritten by the next run. */
  run(batch: FrameBatch, count = batch.from.length): BatchResult {
    const { counters } = this;
    const { fate, tag, start } = this.#resultFor(count);
    this.#length = 0;
    for (let at = 0; at < count; at++) {
      at = this.#passQuickly(batch, at, count);
      if (at === count) break;
      start[at] = this.#length;
      const end = this.#decide(batch, at);
      fate[at] = end;
      tag[at] = this.#tag;
      add(counters.sent, this.#from);
      if (end !== forwarded && end !== undecided) add(counters.dropped, this.#from);
      if (end === spoofedMac) add(counters.spoofed, this.#from);
    }
    start[count] = this.#length;
    return { fate, tag, start, port: this.#ports, certainty: this.#certainties };
  }

  /** All up to a frame that needs a closer look, or to the end. Returns where that is. */
  #passQuickly(batch: FrameBatch, at: number, count: number): number {
    while (this.#length + count - at > this.#ports.length) this.#grow();
    const out: QuickResult = {
      fate: this.#fate,
      tag: this.#tags,
      start: this.#start,
      port: this.#ports,
      certainty: this.#certainties,
      counters: this.counters,
      length: this.#length,
    };
    const end = decideQuickly(this.#quick, batch, { at, count }, out);
    this.#length = out.length;
    return end;
  }

  #resultFor(count: number) {
    if (this.#fate.length < count) {
      this.#fate = new Uint8Array(count);
      this.#tags = new Int32Array(count);
      this.#start = new Int32Array(count + 1);
    }
    return { fate: this.#fate, tag: this.#tags, start: this.#start };
  }

  #decide(batch: FrameBatch, at: number): number {
    const compiled = this.#switch;
    this.#from = batch.from[at] ?? 0;
    this.#tag = batch.tag[at] ?? 0;
    this.#certainty = yes;
    if (compiled.isSwitchdev) return undecided;
    const refusal = this.#admit(batch, at);
    if (refusal !== forwarded) return refusal;
    const first = this.#length;
    const high = batch.destinationHigh[at] ?? 0;
    const low = batch.destinationLow[at] ?? 0;
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

  #admit(batch: FrameBatch, at: number): number {
    const compiled = this.#switch;
    const from = this.#from;
    const link = compiled.link[from] ?? 0;
    if (link === no) return noLink;
    this.#certainty = link;
    const isVf = from < compiled.pf;
    if (isVf && compiled.refusesTypes[from] === 1) {
      if (compiled.refusedTypes.includes(batch.etherType[at] ?? 0)) return refusedType;
    }
    if ((batch.sizeBytes[at] ?? 0) > compiled.largestSize) this.#lower(maybe);
    if (!isVf) return forwarded;
    const sourceHigh = batch.sourceHigh[at] ?? 0;
    if (
      sourceHigh !== -1 &&
      (sourceHigh !== compiled.macHigh[from] || batch.sourceLow[at] !== compiled.macLow[from])
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

  /** With which certainty a VF's filter and link let a frame of this VLAN through. */
  #vf(port: number, id: number): number {
    const { link, vlanKind, vlanTag } = this.#switch;
    const kind = vlanKind[port];
    if (kind === vlanPort) return vlanIdOf(vlanTag[port] ?? 0) === id ? (link[port] ?? 0) : no;
    const accepts = kind === vlanTrunk ? (id === 0 ? yes : maybe) : unknown;
    return Math.min(link[port] ?? 0, accepts);
  }

  #host(id: number): number {
    const { link, pf } = this.#switch;
    return Math.min(link[pf] ?? 0, id === 0 ? yes : maybe);
  }

  #flood(isBroadcast: boolean): void {
    const { pf, uplink, link, hasBridge } = this.#switch;
    const id = vlanIdOf(this.#tag);
    const ceiling = Math.min(isBroadcast ? yes : maybe, this.#certainty);
    const { ports, sure } = this.#membersOf(id);
    while (this.#length + ports.length > this.#ports.length) this.#grow();
    const from = this.#from;
    const taken = this.#ports;
    const certainties = this.#certainties;
    const { received, perhaps } = this.counters;
    let length = this.#length;
    for (let at = 0; at < ports.length; at++) {
      const port = ports[at] ?? 0;
      if (port === from) continue;
      const own = sure[at] ?? 0;
      const certainty = own < ceiling ? own : ceiling;
      taken[length] = port;
      certainties[length++] = certainty;
      const counter = certainty === yes ? received : perhaps;
      counter[port] = (counter[port] ?? 0) + 1;
    }
    this.#length = length;
    this.#deliver(pf, Math.min(this.#host(id), isBroadcast || hasBridge ? yes : maybe));
    this.#deliver(uplink, link[uplink] ?? 0);
  }

  /** VFs that could take a frame of this VLAN. */
  #membersOf(id: number): Members {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const all = Array.from({ length: this.#switch.pf }, (_, port) => port);
    const ports = Int32Array.from(all.filter((port) => this.#vf(port, id) !== no));
    const members = { ports, sure: Uint8Array.from(ports, (port) => this.#vf(port, id)) };
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
        this.#deliver(port, this.#vf(port, id));
      }
    }
    if (isPfs) this.#deliver(pf, this.#host(id));
    if (isElsewhere && this.#from !== uplink) {
      this.#deliver(uplink, Math.min(link[uplink] ?? 0, otherVlan));
    }
  }

  #miss(): void {
    const compiled = this.#switch;
    const { pf, uplink, link, hasBridge, promiscuousCopy } = compiled;
    const from = this.#from;
    const host = this.#host(vlanIdOf(this.#tag));
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
    if (this.#length === this.#ports.length) this.#grow();
    this.#ports[this.#length] = port;
    this.#certainties[this.#length++] = sure;
    if (sure === yes) add(this.counters.received, port);
    else add(this.counters.perhaps, port);
  }

  #grow(): void {
    const ports = new Int32Array(this.#ports.length * 2);
    ports.set(this.#ports);
    const sure = new Uint8Array(ports.length);
    sure.set(this.#certainties);
    this.#ports = ports;
    this.#certainties = sure;
  }
}
