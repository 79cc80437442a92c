// Many frames as rows of integers, as `switch-frames.ts` takes them and writes into them what became of
// each. Rows, and few words: each word that a loop looks at costs it a bounds check, and each further
// array registers and a line of cache.

import { highOf, lowOf, no, untagged } from "./compiled-switch.ts";

/** Rows of `frameWords`. */
export type FrameBatch = Int32Array;

export const frameWords = 8;
/** Words of a row; the last two are the switch's answer. */
export const frameWord = {
  from: 0,
  /** The first 16 bits of both MACs: the destination's above the source's. */
  macsHigh: 1,
  destinationLow: 2,
  sourceLow: 3,
  /** `tagCode`, or `untagged`. */
  tag: 4,
  /** EtherType above the size in bytes; `ownSource` may be set. */
  typeAndSize: 5,
  /** Outermost tag inside the switch above the fate. */
  end: 6,
  /** `deliveryOf` the only port that takes it, or the complement of where its list begins. */
  delivery: 7,
} as const;

/** Larger frames count as of this size. */
export const largestFrame = 0x7fff;
/** In `typeAndSize`: the source is the sender's own, whatever that is. */
const ownSource = 0x8000;

/** What became of the frames of a batch. */
export type BatchResult = {
  readonly frames: FrameBatch;
  /** Of frames with several takers, and of some others: their number, then `deliveryOf` each in the
   * order of the ports. */
  readonly lists: Int32Array;
};

const fateBits = 3;

export const endOf = (tag: number, fate: number): number => (tag << fateBits) | fate;
export const deliveryOf = (port: number, certainty: number): number => (port << 2) | certainty;
export const portOf = (delivery: number): number => delivery >> 2;
export const certaintyOf = (delivery: number): number => delivery & 3;

const wordAt = (batch: FrameBatch, at: number, word: number): number =>
  batch[at * frameWords + word] ?? 0;

export const fromAt = (batch: FrameBatch, at: number): number => wordAt(batch, at, frameWord.from);
export const destinationHighAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.macsHigh) >>> 16;
export const destinationLowAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.destinationLow);
export const sourceHighAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.macsHigh) & 0xffff;
export const sourceLowAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.sourceLow);
export const ownTagAt = (batch: FrameBatch, at: number): number => wordAt(batch, at, frameWord.tag);
export const etherTypeAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.typeAndSize) >>> 16;
export const sizeAt = (batch: FrameBatch, at: number): number =>
  wordAt(batch, at, frameWord.typeAndSize) & largestFrame;
/** Whether no source is given. */
export const hasOwnSource = (batch: FrameBatch, at: number): boolean =>
  (wordAt(batch, at, frameWord.typeAndSize) & ownSource) !== 0;

export const fateAt = ({ frames }: BatchResult, at: number): number =>
  wordAt(frames, at, frameWord.end) & ((1 << fateBits) - 1);
export const tagAt = ({ frames }: BatchResult, at: number): number =>
  wordAt(frames, at, frameWord.end) >> fateBits;

/** Ports that take the frame. */
export function takersAt({ frames, lists }: BatchResult, at: number): number {
  const word = wordAt(frames, at, frameWord.delivery);
  return word < 0 ? (lists[~word] ?? 0) : Number(certaintyOf(word) !== no);
}

/** Of those the `nth`, as `deliveryOf`. */
export function takerAt({ frames, lists }: BatchResult, at: number, nth: number): number {
  const word = wordAt(frames, at, frameWord.delivery);
  return word < 0 ? (lists[~word + 1 + nth] ?? 0) : word;
}

export function setFrom(batch: FrameBatch, at: number, port: number): void {
  batch[at * frameWords + frameWord.from] = port;
}

export function setDestination(batch: FrameBatch, at: number, mac: string): void {
  const row = at * frameWords;
  const high = (highOf(mac) << 16) | sourceHighAt(batch, at);
  batch[row + frameWord.macsHigh] = high;
  batch[row + frameWord.destinationLow] = lowOf(mac);
}

/** null: the sender's own. */
export function setSource(batch: FrameBatch, at: number, mac: string | null): void {
  const row = at * frameWords;
  const typeAndSize = wordAt(batch, at, frameWord.typeAndSize);
  batch[row + frameWord.typeAndSize] =
    mac === null ? typeAndSize | ownSource : typeAndSize & ~ownSource;
  if (mac === null) return;
  batch[row + frameWord.macsHigh] = (destinationHighAt(batch, at) << 16) | highOf(mac);
  batch[row + frameWord.sourceLow] = lowOf(mac);
}

export function setTag(batch: FrameBatch, at: number, tag: number): void {
  batch[at * frameWords + frameWord.tag] = tag;
}

/** The source is then one that is given. */
export function setTypeAndSize(
  batch: FrameBatch,
  at: number,
  { etherType, sizeBytes }: { etherType: number; sizeBytes: number },
): void {
  const size = sizeBytes < largestFrame ? sizeBytes : largestFrame;
  batch[at * frameWords + frameWord.typeAndSize] = (etherType << 16) | size;
}

/** Untagged frames of IPv4 of 64 bytes, without addresses. */
export function emptyBatch(length: number): FrameBatch {
  const batch = new Int32Array(length * frameWords);
  for (let at = 0; at < length; at++) {
    setTag(batch, at, untagged);
    setTypeAndSize(batch, at, { etherType: 0x0800, sizeBytes: 64 });
  }
  return batch;
}
