// Frames as bytes and as rows of a batch: what a card reads of a header, and how it copies a
// frame while it puts a tag in or takes one out.

import { untagged } from "../../../eswitch/compiled-switch.ts";
import { frameWord, frameWords, type FrameBatch } from "../../../eswitch/frame-batch.ts";
import type { Ram } from "./ram.ts";

const tagBytes = 4;
/** Both MAC addresses; a tag comes after them. */
const macsBytes = 12;
export const headerBytes = 14;
/** As the cards' drivers limit it: 9.5 KiB. */
export const frameMost = 9728;

const customerTag = 0x8100;
const serviceTag = 0x88a8;

/** Reads a frame's header into the row of frame `at`. The size is without the tag, as limits are. */
export function readHeader(
  bytes: Uint8Array,
  { address, length }: { address: number; length: number },
  batch: FrameBatch,
  at: number,
): void {
  const row = at * frameWords;
  const half = (offset: number): number =>
    ((bytes[address + offset] ?? 0) << 8) | (bytes[address + offset + 1] ?? 0);
  batch[row + frameWord.macsHigh] = (half(0) << 16) | half(6);
  batch[row + frameWord.destinationLow] = (half(2) << 16) | half(4);
  batch[row + frameWord.sourceLow] = (half(8) << 16) | half(10);
  const type = half(12);
  if (type === customerTag || type === serviceTag) {
    batch[row + frameWord.tag] = half(14) | (type === customerTag ? 0 : 1 << 16);
    batch[row + frameWord.typeAndSize] = (half(16) << 16) | (length - tagBytes);
  } else {
    batch[row + frameWord.tag] = untagged;
    batch[row + frameWord.typeAndSize] = (type << 16) | length;
  }
}

export type FrameCopy = {
  readonly from: number;
  readonly length: number;
  /** Put in after the addresses: `tagCode`; `untagged`: none. */
  readonly insert: number;
  /** Take out the tag that is there. */
  readonly isStripped: boolean;
};

export const lengthAfter = ({ length, insert, isStripped }: FrameCopy): number =>
  length + (insert === untagged ? 0 : tagBytes) - (isStripped ? tagBytes : 0);

export function copyFrame(ram: Ram, to: number, copy: FrameCopy): void {
  const { from, length, insert, isStripped } = copy;
  if (insert === untagged && !isStripped) return ram.copy(to, from, length);
  const { bytes } = ram;
  ram.copy(to, from, macsBytes);
  let target = to + macsBytes;
  if (insert !== untagged) {
    const type = (insert & (1 << 16)) === 0 ? customerTag : serviceTag;
    bytes[target++] = type >> 8;
    bytes[target++] = type & 0xff;
    bytes[target++] = (insert >> 8) & 0xff;
    bytes[target++] = insert & 0xff;
  }
  const rest = macsBytes + (isStripped ? tagBytes : 0);
  ram.copy(target, from + rest, length - rest);
}
