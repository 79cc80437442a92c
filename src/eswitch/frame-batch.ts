// Many frames as rows of integers, as `switch-frames.ts` takes them, and what became of them. Rows, and
// few arrays: each array that a loop has at hand costs it registers, and each column of its own a bounds
// check and a line of cache.

import { highOf, lowOf, untagged } from "./compiled-switch.ts";

/** Rows of `frameWords`. */
export type FrameBatch = Int32Array;

export const frameWords = 8;
/** Words of a row. */
export const frameWord = {
  from: 0,
  destinationHigh: 1,
  destinationLow: 2,
  /** -1: the sender's own. */
  sourceHigh: 3,
  sourceLow: 4,
  /** `tagCode`, or `untagged`. */
  tag: 5,
  etherType: 6,
  sizeBytes: 7,
} as const;

/** What became of each frame of a batch. */
export type BatchResult = {
  /** Rows of `endWords`, one more than there are frames: where the deliveries begin; tag and fate. */
  readonly ends: Int32Array;
  /** `deliveryOf`; those of a frame are in the order of the ports. */
  readonly deliveries: Int32Array;
};

export const endWords = 2;
const fateBits = 3;

export const endOf = (tag: number, fate: number): number => (tag << fateBits) | fate;
export const fateAt = ({ ends }: BatchResult, at: number): number =>
  (ends[at * endWords + 1] ?? 0) & ((1 << fateBits) - 1);
/** Outermost tag inside the switch. */
export const tagAt = ({ ends }: BatchResult, at: number): number =>
  (ends[at * endWords + 1] ?? 0) >> fateBits;
/** Deliveries of frame i are those from `startAt(i)` up to `startAt(i + 1)`. */
export const startAt = ({ ends }: BatchResult, at: number): number => ends[at * endWords] ?? 0;

export const deliveryOf = (port: number, certainty: number): number => (port << 2) | certainty;
export const portOf = (delivery: number): number => delivery >> 2;
export const certaintyOf = (delivery: number): number => delivery & 3;

export function emptyBatch(length: number): FrameBatch {
  const batch = new Int32Array(length * frameWords);
  for (let row = 0; row < batch.length; row += frameWords) {
    batch[row + frameWord.tag] = untagged;
    batch[row + frameWord.etherType] = 0x0800;
    batch[row + frameWord.sizeBytes] = 64;
  }
  return batch;
}

/** A word of frame `at`. */
export const frameValue = (batch: FrameBatch, at: number, word: number): number =>
  batch[at * frameWords + word] ?? 0;

export function setFrameValue(batch: FrameBatch, at: number, word: number, value: number): void {
  batch[at * frameWords + word] = value;
}

export function setDestination(batch: FrameBatch, at: number, mac: string): void {
  setFrameValue(batch, at, frameWord.destinationHigh, highOf(mac));
  setFrameValue(batch, at, frameWord.destinationLow, lowOf(mac));
}

export function setSource(batch: FrameBatch, at: number, mac: string | null): void {
  setFrameValue(batch, at, frameWord.sourceHigh, mac === null ? -1 : highOf(mac));
  setFrameValue(batch, at, frameWord.sourceLow, mac === null ? -1 : lowOf(mac));
}
