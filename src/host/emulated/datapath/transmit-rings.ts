// How frames get into an emulated card: from the rings of its functions, in bursts, every address
// translated, or from the wire. They wait as a batch for the switch.

import { emptyBatch, setFrom } from "../../../eswitch/frame-batch.ts";
import { frameMost, headerBytes, readHeader } from "./frame-bytes.ts";
import { endCode } from "./frame-ends.ts";
import type { Functions } from "./functions.ts";
import { vectorOf } from "./msix.ts";
import type { PacketBuffer } from "./packet-buffer.ts";
import { pageBytes } from "./ram.ts";
import { controlBit, descriptor, descriptorStatus, register, rowWords } from "./registers.ts";

/** Frames that go through the switch together, and how many of them one function may have. */
export const batchFrames = 256;
export const turnFrames = 32;

type Taken = {
  /** In memory, in one piece. */
  readonly address: number;
  readonly length: number;
  /** Word of the sender's descriptor; -1: it came from the wire. */
  readonly descriptor: number;
};

export class TransmitRings {
  readonly batch = emptyBatch(batchFrames);
  readonly address = new Int32Array(batchFrames);
  readonly length = new Int32Array(batchFrames);
  readonly descriptor = new Int32Array(batchFrames);
  count = 0;
  readonly #functions: Functions;
  readonly #packets: PacketBuffer;
  readonly #end: (end: number) => void;

  /** `end` is told of frames that end before the switch. */
  constructor(functions: Functions, packets: PacketBuffer, end: (end: number) => void) {
    this.#functions = functions;
    this.#packets = packets;
    this.#end = end;
  }

  /** One turn of a function. True: there is more. */
  fetch(port: number): boolean {
    const functions = this.#functions;
    const { registers } = functions;
    const row = port * rowWords;
    const size = registers[row + register.txLength] ?? 0;
    const tail = (registers[row + register.txTail] ?? 0) >>> 0;
    let head = registers[row + register.txHead] ?? 0;
    if (!functions.isOn(port, controlBit.transmit) || tail >= size || head === tail) return false;
    const ring = functions.ringOf(port, register.txBaseLow);
    if (ring < 0) {
      // Nothing of it can be read, so the queue stops.
      registers[row] = (registers[row] ?? 0) & ~controlBit.transmit;
      return false;
    }
    let left = turnFrames;
    while (head !== tail && left-- > 0) {
      this.#take(port, (ring >>> 2) + head * descriptor.words);
      head = head + 1 === size ? 0 : head + 1;
    }
    registers[row + register.txHead] = head;
    functions.msix.raise(port, vectorOf.transmit);
    return head !== tail;
  }

  /** Loads what is still in a guest's memory into the packet buffer, as what is checked has to be what
   * is sent, and reads the headers. */
  load(): void {
    const { ram } = this.#functions;
    ram.touch(this.address, this.count);
    for (let at = 0; at < this.count; at++) {
      let address = this.address[at] ?? 0;
      const length = this.length[at] ?? 0;
      if (address < ram.end) {
        const from = address;
        address = this.#packets.take(length);
        ram.copy(address, from, length);
        this.address[at] = address;
      }
      readHeader(ram.bytes, { address, length }, this.batch, at);
    }
  }

  takeFromWire(port: number, frame: Uint8Array): void {
    if (frame.length < headerBytes || frame.length > frameMost) return this.#end(endCode.malformed);
    const address = this.#packets.take(frame.length);
    this.#functions.ram.bytes.set(frame, address);
    this.#add(port, { address, length: frame.length, descriptor: -1 });
  }

  #take(port: number, at: number): void {
    const { words } = this.#functions.ram;
    const high = (words[at + 1] ?? 0) >>> 0;
    const guestAddress = high * 2 ** 32 + ((words[at] ?? 0) >>> 0);
    const length = (words[at + descriptor.length] ?? 0) >>> 0;
    if (length < headerBytes || length > frameMost) {
      words[at + descriptor.status] = descriptorStatus.done;
      return this.#end(endCode.malformed);
    }
    const address = this.#find(port, guestAddress, length);
    if (address >= 0) return this.#add(port, { address, length, descriptor: at });
    words[at + descriptor.status] = descriptorStatus.done | descriptorStatus.faulted;
    this.#end(endCode.faulted);
  }

  /** Where the frame is in one piece: in the guest's page, or in the packet buffer; -1: a fault. */
  #find(port: number, guestAddress: number, length: number): number {
    const { iommu, ram } = this.#functions;
    const first = iommu.translate(port, guestAddress, false);
    const inFirst = pageBytes - (guestAddress % pageBytes);
    if (first < 0 || length <= inFirst) return first;
    const staged = this.#packets.take(length);
    ram.copy(staged, first, inFirst);
    for (let done = inFirst; done < length; done += pageBytes) {
      const address = iommu.translate(port, guestAddress + done, false);
      if (address < 0) {
        this.#packets.giveBack(staged);
        return -1;
      }
      ram.copy(staged + done, address, Math.min(pageBytes, length - done));
    }
    return staged;
  }

  #add(from: number, { address, length, descriptor: place }: Taken): void {
    const at = this.count++;
    setFrom(this.batch, at, from);
    this.address[at] = address;
    this.length[at] = length;
    this.descriptor[at] = place;
  }
}
