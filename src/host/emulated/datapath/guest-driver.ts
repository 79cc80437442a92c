// The driver of a VF in its guest, or of the PF in the host: rings and buffers in the guest's
// memory, registers through the BAR. It knows guest addresses only, as a driver does.

import type { GuestMemory } from "./guest-memory.ts";
import { vectorCount } from "./msix.ts";
import { pageBytes } from "./ram.ts";
import { controlBit, descriptor, messageWords, register } from "./registers.ts";

/** How a driver gets at its registers. */
export type RegisterBus = {
  readonly registerAddress: (port: number, at: number) => number;
  readonly vectorControlAddress: (port: number, vector: number) => number;
  readonly read: (address: number) => number;
  readonly write: (address: number, value: number) => void;
};

type DriverParts = {
  readonly mmio: RegisterBus;
  /** Number of the function on its card. */
  readonly port: number;
  readonly memory: GuestMemory;
  /** Where in the guest's memory its rings and buffers are. */
  readonly firstPage: number;
  /** Descriptors of each ring; one is always free. */
  readonly ringLength: number;
  /** A multiple or a divisor of a page. */
  readonly bufferBytes: number;
};

/** Pages that one device needs in its guest's memory: two rings, and a buffer a descriptor. */
export const devicePages = (ringLength: number, bufferBytes: number): number =>
  2 + Math.ceil((2 * ringLength * bufferBytes) / pageBytes);

type Received = { readonly address: number; readonly length: number };

export class GuestDriver {
  readonly port: number;
  readonly memory: GuestMemory;
  readonly ringLength: number;
  readonly #words: Int32Array;
  readonly #mmio: RegisterBus;
  readonly #bufferBytes: number;
  readonly #txRing: number;
  readonly #rxRing: number;
  readonly #txBuffers: number;
  readonly #rxBuffers: number;
  /** Words of the rings, in the host's memory. */
  readonly #txWords: number;
  readonly #rxWords: number;
  #txNext = 0;
  #rxNext = 0;
  #rxTail = 0;

  constructor(parts: DriverParts) {
    const { mmio, port, memory, firstPage, ringLength, bufferBytes } = parts;
    this.#words = memory.ram.words;
    this.#mmio = mmio;
    this.port = port;
    this.memory = memory;
    this.ringLength = ringLength;
    this.#bufferBytes = bufferBytes;
    this.#txRing = firstPage * pageBytes;
    this.#rxRing = this.#txRing + pageBytes;
    this.#txBuffers = this.#rxRing + pageBytes;
    this.#rxBuffers = this.#txBuffers + ringLength * bufferBytes;
    this.#txWords = memory.hostAddress(this.#txRing) >>> 2;
    this.#rxWords = memory.hostAddress(this.#rxRing) >>> 2;
  }

  readRegister(at: number): number {
    return this.#mmio.read(this.#mmio.registerAddress(this.port, at));
  }

  writeRegister(at: number, value: number): void {
    this.#mmio.write(this.#mmio.registerAddress(this.port, at), value);
  }

  /** Sets the rings up, posts all receive buffers but one, and unmasks the vectors. */
  start(): void {
    const words = this.#words;
    for (let slot = 0; slot < this.ringLength; slot++) {
      this.#describe(this.#txWords, slot, this.#txBuffers);
      this.#describe(this.#rxWords, slot, this.#rxBuffers);
      words[this.#rxWords + slot * descriptor.words + descriptor.status] = 0;
    }
    [this.#txNext, this.#rxNext, this.#rxTail] = [0, 0, this.ringLength - 1];
    this.writeRegister(register.txBaseLow, this.#txRing);
    this.writeRegister(register.txBaseHigh, 0);
    this.writeRegister(register.txLength, this.ringLength);
    this.writeRegister(register.rxBaseLow, this.#rxRing);
    this.writeRegister(register.rxBaseHigh, 0);
    this.writeRegister(register.rxLength, this.ringLength);
    this.writeRegister(register.rxBufferBytes, this.#bufferBytes);
    this.writeRegister(register.rxTail, this.#rxTail);
    this.writeRegister(register.control, controlBit.receive | controlBit.transmit);
    for (let vector = 0; vector < vectorCount; vector++) {
      this.#mmio.write(this.#mmio.vectorControlAddress(this.port, vector), 0);
    }
  }

  #describe(ring: number, slot: number, buffers: number): void {
    const at = ring + slot * descriptor.words;
    this.#words[at] = buffers + slot * this.#bufferBytes;
    this.#words[at + 1] = 0;
  }

  /** Puts a frame into the next buffer; the card knows of it when `kick` is called. */
  post(frame: Uint8Array): void {
    this.memory.write(this.#txBuffers + this.#txNext * this.#bufferBytes, frame);
    this.postBuffer(frame.length);
  }

  /** The next buffer as it is. */
  postBuffer(length: number): void {
    const words = this.#words;
    const at = this.#txWords + this.#txNext * descriptor.words;
    words[at + descriptor.length] = length;
    words[at + descriptor.status] = 0;
    this.#txNext = this.#txNext + 1 === this.ringLength ? 0 : this.#txNext + 1;
  }

  /** As `postBuffer`, from an address of the caller's choice. */
  postAddress(address: number, length: number): void {
    const words = this.#words;
    const at = this.#txWords + this.#txNext * descriptor.words;
    words[at] = address | 0;
    words[at + 1] = Math.floor(address / 2 ** 32) | 0;
    this.postBuffer(length);
  }

  kick(): void {
    this.writeRegister(register.txTail, this.#txNext);
  }

  /** Status of the descriptor that was posted so many before the next one. */
  statusOf(before: number): number {
    const slot = (this.#txNext - before + this.ringLength) % this.ringLength;
    return this.#words[this.#txWords + slot * descriptor.words + descriptor.status] ?? 0;
  }

  /** Takes what has come and posts the buffers again; `see` looks at each before that. */
  receive(see?: (frame: Received) => void): number {
    const words = this.#words;
    let count = 0;
    for (;;) {
      const at = this.#rxWords + this.#rxNext * descriptor.words;
      if (words[at + descriptor.status] === 0) break;
      if (see !== undefined) {
        const address = this.#rxBuffers + this.#rxNext * this.#bufferBytes;
        see({ address, length: words[at + descriptor.length] ?? 0 });
      }
      words[at + descriptor.status] = 0;
      this.#rxNext = this.#rxNext + 1 === this.ringLength ? 0 : this.#rxNext + 1;
      count++;
    }
    if (count === 0) return 0;
    this.#rxTail = (this.#rxTail + count) % this.ringLength;
    this.writeRegister(register.rxTail, this.#rxTail);
    return count;
  }

  /** Hands a message to the PF's driver; `answer` has what came of it when the card has run. */
  ask(message: readonly number[]): void {
    for (let word = 0; word < messageWords; word++) {
      this.writeRegister(register.message + word, message[word] ?? 0);
    }
    this.writeRegister(register.mailbox, 1);
  }

  answer(): readonly number[] {
    return Array.from({ length: messageWords }, (_, word) =>
      this.readRegister(register.message + word),
    );
  }
}
