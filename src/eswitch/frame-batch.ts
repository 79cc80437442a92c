// Many frames as columns of integers, as `switch-frames.ts` takes them.

import { highOf, lowOf, untagged } from "./compiled-switch.ts";

/** Frames as columns. */
export type FrameBatch = {
  readonly from: Int32Array;
  readonly destinationHigh: Int32Array;
  readonly destinationLow: Int32Array;
  /** -1: the sender's own. */
  readonly sourceHigh: Int32Array;
  readonly sourceLow: Int32Array;
  /** `tagCode`, or `untagged`. */
  readonly tag: Int32Array;
  readonly etherType: Uint16Array;
  readonly sizeBytes: Int32Array;
};

/** What became of each frame of a batch. */
export type BatchResult = {
  readonly fate: Uint8Array;
  /** Outermost tag inside the switch. */
  readonly tag: Int32Array;
  /** Deliveries of frame i are those from `start[i]` up to `start[i + 1]`. */
  readonly start: Int32Array;
  readonly port: Int32Array;
  readonly certainty: Uint8Array;
};

export function emptyBatch(length: number): FrameBatch {
  const column = (): Int32Array => new Int32Array(length);
  return {
    from: column(),
    destinationHigh: column(),
    destinationLow: column(),
    sourceHigh: column(),
    sourceLow: column(),
    tag: column().fill(untagged),
    etherType: new Uint16Array(length).fill(0x0800),
    sizeBytes: column().fill(64),
  };
}

export function setDestination(batch: FrameBatch, at: number, mac: string): void {
  batch.destinationHigh[at] = highOf(mac);
  batch.destinationLow[at] = lowOf(mac);
}

export function setSource(batch: FrameBatch, at: number, mac: string | null): void {
  batch.sourceHigh[at] = mac === null ? -1 : highOf(mac);
  batch.sourceLow[at] = mac === null ? -1 : lowOf(mac);
}
