// Frames on their way out of a card into the memory of receivers. They are written together when the
// batch is settled: a card has many writes under way at once, and so has the processor that plays it.

import type { Ram } from "./ram.ts";

const most = 256;

export class FrameWrites {
  readonly #ram: Ram;
  readonly #to = new Int32Array(most);
  readonly #from = new Int32Array(most);
  readonly #length = new Int32Array(most);
  #count = 0;

  constructor(ram: Ram) {
    this.#ram = ram;
  }

  add(to: number, from: number, length: number): void {
    if (this.#count === most) this.finish();
    const at = this.#count++;
    this.#to[at] = to;
    this.#from[at] = from;
    this.#length[at] = length;
  }

  finish(): void {
    const ram = this.#ram;
    ram.touch(this.#to, this.#count);
    for (let at = 0; at < this.#count; at++) {
      ram.copy(this.#to[at] ?? 0, this.#from[at] ?? 0, this.#length[at] ?? 0);
    }
    this.#count = 0;
  }
}
