// The IOMMU of an emulated host: a page table for each domain, flat, and what was refused. A
// function belongs to one domain at a time; without a domain it reaches nothing. On a host without
// an IOMMU addresses are the host's own.

import { assert } from "../../../model/assert.ts";
import { pageShift } from "./ram.ts";

type DmaFault = {
  /** Number of the function on its card. */
  readonly port: number;
  readonly address: number;
  readonly isWrite: boolean;
  readonly reason: "no domain" | "not mapped" | "read-only";
};

/** As the fault recording registers of VT-d: what comes after is only counted. */
const faultsKept = 64;

/** A page of a domain as a number: host page x 2, plus 1 where it may be written. */
const unmapped = -1;

export class Iommu {
  readonly faults: DmaFault[] = [];
  faultCount = 0;
  translations = 0;
  /** null: there is none, and host memory ends here. */
  readonly #bypassEnd: number | null;
  #table = new Int32Array(1024);
  #used = 0;
  readonly #domains: { readonly base: number; readonly pages: number }[] = [];
  /** By function. */
  readonly #base: Int32Array;
  readonly #pages: Int32Array;

  /** `bypassEnd` is where memory ends on a host without an IOMMU, otherwise null. */
  constructor(numFunctions: number, bypassEnd: number | null) {
    this.#bypassEnd = bypassEnd;
    this.#base = new Int32Array(numFunctions);
    this.#pages = new Int32Array(numFunctions).fill(unmapped);
  }

  /** A domain whose addresses are pages from 0, none of them mapped. Returns its number. */
  addDomain(pages: number): number {
    const base = this.#used;
    this.#used += pages;
    if (this.#used > this.#table.length) {
      const table = new Int32Array(2 ** Math.ceil(Math.log2(this.#used)));
      table.set(this.#table);
      this.#table = table;
    }
    this.#table.fill(unmapped, base, this.#used);
    return this.#domains.push({ base, pages }) - 1;
  }

  map(domain: number, page: number, to: { hostPage: number; isWritable: boolean }): void {
    const found = this.#domains[domain];
    assert(found !== undefined && page < found.pages, "the page is one of the domain's");
    this.#table[found.base + page] = to.hostPage * 2 + Number(to.isWritable);
  }

  unmap(domain: number, page: number): void {
    const found = this.#domains[domain];
    assert(found !== undefined && page < found.pages, "the page is one of the domain's");
    this.#table[found.base + page] = unmapped;
  }

  attach(port: number, domain: number): void {
    const found = this.#domains[domain];
    assert(found !== undefined, `there is a domain ${domain}`);
    this.#base[port] = found.base;
    this.#pages[port] = found.pages;
  }

  detach(port: number): void {
    this.#pages[port] = unmapped;
  }

  /** Where a function's address is in memory, for as far as its page goes; -1 and a fault recorded
   * where it may not go. */
  translate(port: number, address: number, isWrite: boolean): number {
    this.translations++;
    if (this.#bypassEnd !== null) return address < this.#bypassEnd ? address : -1;
    const pages = this.#pages[port] ?? unmapped;
    // Addresses have up to 64 bits: no shift.
    const page = address < 2 ** 31 ? address >>> pageShift : Infinity;
    if (page < pages) {
      const entry = this.#table[(this.#base[port] ?? 0) + page] ?? unmapped;
      if (entry !== unmapped && (!isWrite || (entry & 1) === 1)) {
        return (entry >>> 1) * 4096 + (address & 0xfff);
      }
      return this.#fault(port, address, isWrite, entry === unmapped ? "not mapped" : "read-only");
    }
    return this.#fault(port, address, isWrite, pages === unmapped ? "no domain" : "not mapped");
  }

  #fault(port: number, address: number, isWrite: boolean, reason: DmaFault["reason"]): -1 {
    this.faultCount++;
    if (this.faults.length < faultsKept) this.faults.push({ port, address, isWrite, reason });
    return -1;
  }
}
