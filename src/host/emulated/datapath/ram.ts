// Memory of an emulated host: one buffer, so that a copy is a copy and an address that was not
// translated hits whatever is there. Behind it lies what is not the host's: the packet buffer of
// the card and the kernel's own buffers, which no device address leads to.

import { assert } from "../../../model/assert.ts";

export const pageBytes = 4096;
export const pageShift = 12;

/** Frames up to this are copied word by word: a call of copyWithin() costs more. */
const shortBytes = 256;

/** With no factor in common with the count, so that steps of it come by every page once. */
function strideFor(numPages: number): number {
  let stride = Math.max(1, Math.floor(numPages * 0.618));
  const common = (left: number, right: number): number =>
    right === 0 ? left : common(right, left % right);
  while (common(stride, numPages) !== 1) stride++;
  return stride;
}

export class Ram {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** First byte that is no memory of the host. */
  readonly end: number;
  readonly #numPages: number;
  readonly #stride: number;
  #taken = 0;

  constructor(numPages: number, privateBytes: number) {
    this.#numPages = numPages;
    this.#stride = strideFor(numPages);
    this.end = numPages * pageBytes;
    const buffer = new ArrayBuffer(this.end + privateBytes);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /** Number of a page that nobody has; the next one is somewhere else. */
  takePage(): number {
    assert(this.#taken < this.#numPages, "the host has memory left");
    return (this.#taken++ * this.#stride) % this.#numPages;
  }

  /** Addresses are offsets into the buffer. */
  copy(to: number, from: number, length: number): void {
    if (length > shortBytes || ((to | from) & 3) !== 0) {
      this.bytes.copyWithin(to, from, from + length);
      return;
    }
    const { words } = this;
    let [target, source] = [to >>> 2, from >>> 2];
    const last = target + (length >>> 2);
    while (target < last) words[target++] = words[source++] ?? 0;
    for (let at = length & ~3; at < length; at++) this.bytes[to + at] = this.bytes[from + at] ?? 0;
  }
}
