// What guests have asked the PF for, which the host of a real card cannot see: their VLANs and
// groups. With it the emulated card answers what the switch's model can only answer with "if".

import {
  vlanIdOf,
  vlanTrunk,
  maybe,
  type CompiledSwitch,
} from "../../../eswitch/compiled-switch.ts";
import {
  destinationHighAt,
  destinationLowAt,
  fromAt,
  ownTagAt,
  sizeAt,
  sourceHighAt,
  sourceLowAt,
  type FrameBatch,
} from "../../../eswitch/frame-batch.ts";
import { endCode } from "./frame-ends.ts";

const broadcastHigh = 0xffff;

export class PortFilters {
  readonly #vlans: Set<number>[];
  readonly #groups: Set<number>[];

  constructor(numFunctions: number) {
    this.#vlans = Array.from({ length: numFunctions }, () => new Set());
    this.#groups = Array.from({ length: numFunctions }, () => new Set());
  }

  clear(port: number): void {
    this.#vlans[port]?.clear();
    this.#groups[port]?.clear();
  }

  setVlan(port: number, id: number, isMember: boolean): void {
    if (isMember) this.#vlans[port]?.add(id);
    else this.#vlans[port]?.delete(id);
  }

  joinGroup(port: number, high: number, low: number): void {
    this.#groups[port]?.add(high * 2 ** 32 + (low >>> 0));
  }

  /** What becomes of a frame at this port where the model says "if"; `tag` is inside the switch. */
  judge(
    compiled: CompiledSwitch,
    batch: FrameBatch,
    at: { frame: number; port: number; tag: number },
  ) {
    const { frame, port } = at;
    const refusal = this.#judgeSender(compiled, batch, frame);
    if (refusal !== endCode.delivered) return refusal;
    const high = destinationHighAt(batch, frame);
    const low = destinationLowAt(batch, frame);
    const isBroadcast = high === broadcastHigh && low === -1;
    const isGroup = (high & 0x0100) !== 0 && !isBroadcast;
    const id = vlanIdOf(at.tag);
    const { pf, uplink, hasBridge, vlanKind } = compiled;
    if (port === uplink) return endCode.delivered;
    if (port === pf) {
      // The emulated host has no interfaces in VLANs, and has joined nothing by itself.
      return id !== 0 || (isGroup && !hasBridge) ? endCode["nobody-takes-it"] : endCode.delivered;
    }
    const isMember = this.#groups[port]?.has(high * 2 ** 32 + (low >>> 0)) === true;
    const isInVlan = this.#vlans[port]?.has(id) === true;
    // And nobody here is promiscuous.
    const isOwn = high === compiled.macHigh[port] && low === compiled.macLow[port];
    if (!isGroup && !isBroadcast && !isOwn) return endCode["nobody-takes-it"];
    const isDeaf = vlanKind[port] === vlanTrunk && id !== 0 && !isInVlan;
    return isDeaf || (isGroup && !isMember) ? endCode["nobody-takes-it"] : endCode.delivered;
  }

  #judgeSender(compiled: CompiledSwitch, batch: FrameBatch, frame: number): number {
    const from = fromAt(batch, frame);
    if (from < compiled.pf) {
      const isOwn =
        sourceHighAt(batch, frame) === compiled.macHigh[from] &&
        sourceLowAt(batch, frame) === compiled.macLow[from];
      // A guest registers one MAC here, so any other is not registered.
      if (!isOwn && compiled.otherSource[from] === maybe) return endCode["spoofed-mac"];
      const tag = ownTagAt(batch, frame);
      const isTrunk = compiled.vlanKind[from] === vlanTrunk;
      const id = vlanIdOf(tag);
      const isAsked = compiled.ownTag[from] === maybe && isTrunk && id !== 0;
      if (isAsked && this.#vlans[from]?.has(id) !== true) return endCode["refused-tag"];
    }
    const { largestSize } = compiled;
    if (sizeAt(batch, frame) <= largestSize) return endCode.delivered;
    return largestSize < 0 ? endCode["not-known"] : endCode["too-long"];
  }
}
