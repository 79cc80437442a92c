// Memory of one guest: pages of the host's memory that lie anywhere, in an IOMMU domain that maps
// all of them and nothing else, as vfio does. The guest's addresses start at 0.

import { assert } from "../../../model/assert.ts";
import type { Iommu } from "./iommu.ts";
import { pageBytes, pageShift, type Ram } from "./ram.ts";

export class GuestMemory {
  readonly ram: Ram;
  readonly domain: number;
  readonly sizeBytes: number;
  readonly #hostPages: Int32Array;

  constructor(ram: Ram, iommu: Iommu, numPages: number) {
    this.ram = ram;
    this.domain = iommu.addDomain(numPages);
    this.sizeBytes = numPages * pageBytes;
    this.#hostPages = ram.takePages(numPages);
    this.#hostPages.forEach((hostPage, page) => {
      iommu.map(this.domain, page, { hostPage, isWritable: true });
    });
  }

  /** Where an address is, for as far as its page goes: what the CPU's own tables say. */
  hostAddress(guestAddress: number): number {
    const page = this.#hostPages[guestAddress >>> pageShift];
    assert(page !== undefined, "the guest has memory there");
    return page * pageBytes + (guestAddress & (pageBytes - 1));
  }

  write(guestAddress: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const at = guestAddress + done;
      const length = Math.min(bytes.length - done, pageBytes - (at % pageBytes));
      this.ram.bytes.set(bytes.subarray(done, done + length), this.hostAddress(at));
      done += length;
    }
  }

  read(guestAddress: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = guestAddress + done;
      const part = Math.min(length - done, pageBytes - (at % pageBytes));
      const from = this.hostAddress(at);
      bytes.set(this.ram.bytes.subarray(from, from + part), done);
      done += part;
    }
    return bytes;
  }
}
