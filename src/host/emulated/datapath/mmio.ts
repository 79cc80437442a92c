// The card's memory space: which function and register an address leads to. VFs have slices of the
// PF's VF BARs (PCI Express Base Specification 6.0, 9.3.3.14), so that a hypervisor maps each
// guest its own; where no function answers, reads are all ones and writes go nowhere.

import { vectorCount } from "./msix.ts";
import type { Nic } from "./nic.ts";
import { rowWords } from "./registers.ts";

export type Bars = {
  /** Registers, and the MSI-X table in their BAR's second half where it has no BAR of its own. */
  readonly registers: { readonly base: number; readonly sizeBytes: number };
  readonly msix: { readonly base: number; readonly sizeBytes: number } | null;
};

type Space = {
  readonly pf: Bars;
  /** `sizeBytes` is one VF's. */
  readonly vf: Bars;
};

const allOnes = 0xffff_ffff;
const entryBytes = 16;
/** Vector Control is the last word of an entry; the pending bits have a page of their own. */
const controlOffset = 12;
const pendingOffset = 0x2000;

/** `offset` inside the function's BAR. */
type Place = { readonly port: number; readonly offset: number; readonly isMsix: boolean };

export class Mmio {
  readonly #nic: Nic;
  readonly #space: Space;
  /** VF MSE of the SR-IOV capability. */
  areVfsMapped = true;

  constructor(nic: Nic, space: Space) {
    this.#nic = nic;
    this.#space = space;
  }

  registerAddress(port: number, at: number): number {
    const { pf } = this.#nic;
    const { pf: own, vf } = this.#space;
    if (port === pf) return own.registers.base + at * 4;
    return vf.registers.base + port * vf.registers.sizeBytes + at * 4;
  }

  vectorControlAddress(port: number, vector: number): number {
    return this.#msixAddress(port) + vector * entryBytes + controlOffset;
  }

  pendingAddress(port: number): number {
    return this.#msixAddress(port) + pendingOffset;
  }

  #msixAddress(port: number): number {
    const isPf = port === this.#nic.pf;
    const { registers, msix } = isPf ? this.#space.pf : this.#space.vf;
    const { base, sizeBytes } = msix ?? registers;
    const slice = base + (isPf ? 0 : port * sizeBytes);
    return msix === null ? slice + sizeBytes / 2 : slice;
  }

  read(address: number): number {
    const place = this.#placeOf(address);
    if (place === null) return allOnes;
    const { port, offset, isMsix } = place;
    const { functions } = this.#nic;
    if (!isMsix) return functions.read(port, offset / 4) >>> 0;
    if (offset === pendingOffset) {
      let bits = 0;
      for (let vector = 0; vector < vectorCount; vector++) {
        if (functions.msix.isPending(port, vector)) bits |= 1 << vector;
      }
      return bits;
    }
    const vector = Math.floor(offset / entryBytes);
    const isControl = offset % entryBytes === controlOffset && vector < vectorCount;
    return isControl ? Number(functions.msix.isMasked(port, vector)) : 0;
  }

  write(address: number, value: number): void {
    const place = this.#placeOf(address);
    if (place === null) return;
    const { port, offset, isMsix } = place;
    if (!isMsix) return this.#nic.write(port, offset / 4, value | 0);
    const vector = Math.floor(offset / entryBytes);
    if (offset % entryBytes !== controlOffset || vector >= vectorCount) return;
    this.#nic.functions.msix.setMask(port, vector, (value & 1) === 1);
  }

  #placeOf(address: number): Place | null {
    const { pf } = this.#nic;
    if (address % 4 !== 0) return null;
    const own = placeIn(this.#space.pf, 1, address);
    if (own !== null) return { ...own, port: pf };
    return this.areVfsMapped ? placeIn(this.#space.vf, pf, address) : null;
  }
}

function placeIn({ registers, msix }: Bars, count: number, address: number): Place | null {
  const inRegisters = sliceOf(registers, count, address);
  if (inRegisters !== null) {
    const half = registers.sizeBytes / 2;
    const { port, offset } = inRegisters;
    if (msix === null && offset >= half) return { port, offset: offset - half, isMsix: true };
    return offset / 4 < rowWords ? { ...inRegisters, isMsix: false } : null;
  }
  const inMsix = msix === null ? null : sliceOf(msix, count, address);
  return inMsix === null ? null : { ...inMsix, isMsix: true };
}

function sliceOf(bar: { base: number; sizeBytes: number }, count: number, address: number) {
  const inside = address - bar.base;
  if (inside < 0 || inside >= bar.sizeBytes * count) return null;
  const port = Math.floor(inside / bar.sizeBytes);
  return { port, offset: inside - port * bar.sizeBytes };
}
