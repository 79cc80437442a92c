// Memory of an emulated host: one buffer, so that a copy is a copy and an address that was not
// translated hits whatever is there. Behind it lies what is not the host's: the packet buffer of
// the card and the kernel's own buffers, which no device address leads to.

import { assert } from "../../../model/assert.ts";

export const pageBytes = 4096;
export const pageShift = 12;

/** A large ArrayBuffer begins where malloc() puts it, 16 bytes into a page. With these before it the
 * pages and lines here are those of the processor's caches, where a frame would take two lines. */
const lead = pageBytes - 16;

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
  #taken = 0;
  /** Or V8 would leave `touch` out. */
  touched = 0;

  constructor(numPages: number, privateBytes: number) {
    this.#numPages = numPages;
    this.end = numPages * pageBytes;
    const buffer = new ArrayBuffer(lead + this.end + privateBytes);
    this.bytes = new Uint8Array(buffer, lead);
    this.words = new Int32Array(buffer, lead);
  }

  /** Pages that nobody has: they lie together, but no two that follow each other. */
  takePages(count: number): Int32Array {
    const first = this.#taken;
    this.#taken += count;
    assert(this.#taken <= this.#numPages, "the host has memory left");
    const stride = strideFor(count);
    return Int32Array.from({ length: count }, (_, nth) => first + ((nth * stride) % count));
  }

  /** Has the processor fetch what is needed soon. One after the other, each place that is in no cache
   * takes as long as hundreds of instructions; a loop of nothing else has dozens under way at once. */
  touch(addresses: Int32Array, count: number): void {
    let sum = 0;
    for (let at = 0; at < count; at++) sum += this.bytes[addresses[at] ?? 0] ?? 0;
    this.touched = sum;
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
