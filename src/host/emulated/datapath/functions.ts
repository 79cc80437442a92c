// The functions of an emulated card, VFs by their place and then the PF: registers, bus mastering,
// interrupts and filters of each, and what a reset makes of them.

import { Iommu } from "./iommu.ts";
import { Msix } from "./msix.ts";
import { PortFilters } from "./port-filters.ts";
import { pageBytes, type Ram } from "./ram.ts";
import { controlBit, isReadOnly, register, ringMost, rowWords, statusLink } from "./registers.ts";

export class Functions {
  readonly count: number;
  readonly ram: Ram;
  readonly iommu: Iommu;
  readonly msix: Msix;
  readonly filters: PortFilters;
  readonly registers: Int32Array;
  /** Bus Master Enable. */
  readonly canMaster: Uint8Array;
  readonly #hasLink: Uint8Array;

  constructor(count: number, ram: Ram, iommu: Iommu) {
    this.count = count;
    this.ram = ram;
    this.iommu = iommu;
    this.msix = new Msix(count);
    this.filters = new PortFilters(count);
    this.registers = new Int32Array(count * rowWords);
    this.canMaster = new Uint8Array(count);
    this.#hasLink = new Uint8Array(count);
  }

  setLink(port: number, hasLink: boolean): void {
    this.#hasLink[port] = Number(hasLink);
    this.registers[port * rowWords + register.status] = hasLink ? statusLink : 0;
  }

  read(port: number, at: number): number {
    return at < rowWords ? (this.registers[port * rowWords + at] ?? 0) : 0;
  }

  /** By the register's place in the row; what is read only keeps its value. */
  write(port: number, at: number, value: number): void {
    if (at >= rowWords || isReadOnly(at)) return;
    if (at === register.control && (value & controlBit.reset) !== 0) return this.#clear(port);
    const isBase = at === register.txBaseLow || at === register.rxBaseLow;
    const isLength = at === register.txLength || at === register.rxLength;
    const kept = isBase ? value & ~(pageBytes - 1) : value;
    this.registers[port * rowWords + at] = isLength ? Math.min(value >>> 0, ringMost) : kept;
    // Its head comes next, and may be beyond the new end.
    if (isLength) this.registers[port * rowWords + at + 1] = 0;
  }

  /** Function-level reset: all as after power-on, so without bus mastering. */
  reset(port: number): void {
    this.#clear(port);
    this.msix.clear(port);
    this.canMaster[port] = 0;
  }

  #clear(port: number): void {
    const row = port * rowWords;
    this.registers.fill(0, row, row + rowWords);
    this.setLink(port, this.#hasLink[port] === 1);
    this.filters.clear(port);
  }

  /** Whether the card may move frames for this function, in the direction of the control bit. */
  isOn(port: number, bit: number): boolean {
    const control = this.registers[port * rowWords + register.control] ?? 0;
    return (control & bit) !== 0 && this.canMaster[port] === 1;
  }

  increment(port: number, at: number): void {
    const place = port * rowWords + at;
    this.registers[place] = (this.registers[place] ?? 0) + 1;
  }

  /** Where in memory a ring is, its page translated for reading and for writing back; -1. */
  ringOf(port: number, baseAt: number): number {
    const place = port * rowWords + baseAt;
    const low = (this.registers[place] ?? 0) >>> 0;
    const high = (this.registers[place + 1] ?? 0) >>> 0;
    const base = high * 2 ** 32 + low;
    const forReading = this.iommu.translate(port, base, false);
    return forReading < 0 ? -1 : this.iommu.translate(port, base, true);
  }
}
