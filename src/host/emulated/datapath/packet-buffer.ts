// The packet buffer of an emulated card: frames wait there for the switch, out of reach of who sent
// them. It is emptied with each batch.

import { frameMost } from "./frame-bytes.ts";

export class PacketBuffer {
  readonly #start: number;
  #used = 0;

  /** `start` is where it is in the buffer of Ram. */
  constructor(start: number) {
    this.#start = start;
  }

  /** Bytes that a batch can need, with one frame on its way out. */
  static bytesFor(frames: number): number {
    return (frames + 1) * frameMost;
  }

  get free(): number {
    return this.#start + this.#used;
  }

  take(length: number): number {
    const address = this.free;
    // Copies by words want it aligned.
    this.#used += (length + 3) & ~3;
    return address;
  }

  /** What was taken last. */
  giveBack(address: number): void {
    this.#used = address - this.#start;
  }

  clear(): void {
    this.#used = 0;
  }
}
