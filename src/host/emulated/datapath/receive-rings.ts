// How frames get out of an emulated card: into the next buffer of the receiver's ring, translated
// with the receiver's domain, and one interrupt for each receiver of a batch.

import { untagged } from "../../../eswitch/compiled-switch.ts";
import { copyFrame, lengthAfter, type FrameCopy } from "./frame-bytes.ts";
import { endCode } from "./frame-ends.ts";
import { FrameWrites } from "./frame-writes.ts";
import type { Functions } from "./functions.ts";
import { vectorOf } from "./msix.ts";
import type { PacketBuffer } from "./packet-buffer.ts";
import { pageBytes } from "./ram.ts";
import { controlBit, descriptor, descriptorStatus, register, rowWords } from "./registers.ts";

export class ReceiveRings {
  /** Copies that were handed over, and those that a receiver missed. */
  readonly copies = { delivered: 0, missed: 0 };
  readonly #functions: Functions;
  readonly #packets: PacketBuffer;
  readonly #writes: FrameWrites;
  readonly #receivers: number[] = [];
  readonly #hasReceived: Uint8Array;

  constructor(functions: Functions, packets: PacketBuffer) {
    this.#functions = functions;
    this.#packets = packets;
    this.#writes = new FrameWrites(functions.ram);
    this.#hasReceived = new Uint8Array(functions.count);
  }

  /** Returns how it ended for this receiver. */
  deliver(port: number, copy: FrameCopy): number {
    const end = this.#receive(port, copy);
    const isDelivered = end === endCode.delivered;
    if (isDelivered) this.copies.delivered++;
    else this.copies.missed++;
    this.#functions.increment(port, isDelivered ? register.received : register.missed);
    return end;
  }

  finishWrites(): void {
    this.#writes.finish();
  }

  /** Tells who has received something since the last time. */
  interrupt(): void {
    for (const port of this.#receivers) {
      this.#hasReceived[port] = 0;
      this.#functions.msix.raise(port, vectorOf.receive);
    }
    this.#receivers.length = 0;
  }

  #receive(port: number, copy: FrameCopy): number {
    const functions = this.#functions;
    const { registers } = functions;
    const row = port * rowWords;
    if (!functions.isOn(port, controlBit.receive)) return endCode["receiver-stopped"];
    const head = registers[row + register.rxHead] ?? 0;
    const size = registers[row + register.rxLength] ?? 0;
    const tail = (registers[row + register.rxTail] ?? 0) >>> 0;
    const length = lengthAfter(copy);
    const room = registers[row + register.rxBufferBytes] ?? 0;
    if (head === tail || tail >= size || length > room) return endCode["no-buffer"];
    const ring = functions.ringOf(port, register.rxBaseLow);
    if (ring < 0) return endCode["receiver-faulted"];
    const { words } = functions.ram;
    const at = (ring >>> 2) + head * descriptor.words;
    const address = ((words[at + 1] ?? 0) >>> 0) * 2 ** 32 + ((words[at] ?? 0) >>> 0);
    const isWritten = this.#store(port, address, copy);
    words[at + descriptor.length] = isWritten ? length : 0;
    words[at + descriptor.status] = isWritten
      ? descriptorStatus.done
      : descriptorStatus.done | descriptorStatus.faulted;
    registers[row + register.rxHead] = head + 1 === size ? 0 : head + 1;
    if (this.#hasReceived[port] === 0) {
      this.#hasReceived[port] = 1;
      this.#receivers.push(port);
    }
    return isWritten ? endCode.delivered : endCode["receiver-faulted"];
  }

  /** Writes the frame into a buffer; false: a fault, and nothing more is written. */
  #store(port: number, guestAddress: number, copy: FrameCopy): boolean {
    const { iommu, ram } = this.#functions;
    const first = iommu.translate(port, guestAddress, true);
    if (first < 0) return false;
    const length = lengthAfter(copy);
    const inFirst = pageBytes - (guestAddress % pageBytes);
    if (length <= inFirst) {
      const isAsItIs = copy.insert === untagged && !copy.isStripped;
      if (isAsItIs) this.#writes.add(first, copy.from, length);
      else copyFrame(ram, first, copy);
      return true;
    }
    const staged = this.#packets.free;
    copyFrame(ram, staged, copy);
    ram.copy(first, staged, inFirst);
    for (let done = inFirst; done < length; done += pageBytes) {
      const address = iommu.translate(port, guestAddress + done, true);
      if (address < 0) return false;
      ram.copy(address, staged + done, Math.min(pageBytes, length - done));
    }
    return true;
  }
}
