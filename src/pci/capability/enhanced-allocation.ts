// Enhanced Allocation (0x14): regions whose place is fixed in hardware instead of in BARs. Integrated
// PFs describe their VF BARs this way, so the SR-IOV capability's own VF BARs read as zero.

import { decodeFields } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityContext, CapabilityDecoder, Report } from "./capability-decoder.ts";

const entryFormat = {
  /** Dwords that follow the first. */
  size: [2, 0],
  /** BAR Equivalent Indicator. */
  equivalent: [7, 4],
  primaryProperties: [15, 8],
  secondaryProperties: [23, 16],
  writable: 30,
  enable: 31,
} as const;

type EnhancedAllocationEntry = {
  /** `bar0` to `bar5`, `bridge` (behind the bridge), `not-a-bar`, `rom`, `vf-bar0` to `vf-bar5`, or
   * `reserved`. */
  readonly equivalent: string;
  readonly properties: string;
  /** Meaning where the primary one is not understood. */
  readonly secondaryProperties: string;
  readonly writable: boolean;
  readonly enable: boolean;
  /** null where the entry is too short for its range. */
  readonly base: bigint | null;
  /** Last byte, relative to `base`. */
  readonly maxOffset: bigint | null;
};

export type EnhancedAllocation = {
  readonly kind: "enhancedAllocation";
  /** Bridges only: fixed bus numbers, 0 where not fixed. */
  readonly fixedSecondaryBus: number | null;
  readonly fixedSubordinateBus: number | null;
  readonly entries: readonly EnhancedAllocationEntry[];
};

function equivalentName(code: number): string {
  if (code <= 5) return `bar${code}`;
  if (code >= 9 && code <= 14) return `vf-bar${code - 9}`;
  return { 6: "bridge", 7: "not-a-bar", 8: "rom" }[code] ?? "reserved";
}

const propertyNames: Readonly<Record<number, string>> = {
  0x00: "memory",
  0x01: "memory, prefetchable",
  0x02: "I/O",
  0x03: "VF memory, prefetchable",
  0x04: "VF memory",
  0x05: "memory behind the bridge",
  0x06: "memory behind the bridge, prefetchable",
  0x07: "I/O behind the bridge",
  0xfd: "memory, not for use",
  0xfe: "I/O, not for use",
  0xff: "none",
};

const propertyName = (code: number): string =>
  propertyNames[code] ?? `reserved 0x${code.toString(16).padStart(2, "0")}`;

const bodyStart = ({ headerType }: CapabilityContext): number => (headerType === 1 ? 8 : 4);

const entryCount = (registers: Registers): number => registers.u8(2) & 0x3f;

type Placed = { readonly at: number; readonly size: number };

/** Where each entry is: they have different sizes, so each is behind the one before it. */
function placesOf(registers: Registers, context: CapabilityContext): Placed[] {
  const places: Placed[] = [];
  let at = bodyStart(context);
  for (let index = 0; index < entryCount(registers); index++) {
    const { size } = decodeFields(entryFormat, registers.u32(at));
    places.push({ at, size });
    at += 4 + 4 * size;
  }
  return places;
}

/** Base and MaxOffset: bit 1 of the low halves says that an upper half follows. */
function decodeRange(registers: Registers, at: number): { base: bigint; maxOffset: bigint } {
  const lowBase = registers.u32(at + 4);
  const lowOffset = registers.u32(at + 8);
  const upperBaseAt = at + 12;
  const upperOffsetAt = (lowBase & 2) === 0 ? upperBaseAt : upperBaseAt + 4;
  const upper = (low: number, upperAt: number): bigint =>
    (low & 2) === 0 ? 0n : BigInt(registers.u32(upperAt)) << 32n;
  return {
    base: upper(lowBase, upperBaseAt) | BigInt((lowBase & ~3) >>> 0),
    maxOffset: upper(lowOffset, upperOffsetAt) | BigInt((lowOffset | 3) >>> 0),
  };
}

function decodeEntry(
  registers: Registers,
  { at, size }: Placed,
  report: Report,
): EnhancedAllocationEntry {
  const format = decodeFields(entryFormat, registers.u32(at));
  const needed = 2 + ((registers.u32(at + 4) >>> 1) & 1) + ((registers.u32(at + 8) >>> 1) & 1);
  if (size < needed) {
    report("ea-entry-size", at, `Entry is ${size} dwords long: its range needs ${needed}`);
  }
  return {
    equivalent: equivalentName(format.equivalent),
    properties: propertyName(format.primaryProperties),
    secondaryProperties: propertyName(format.secondaryProperties),
    writable: format.writable,
    enable: format.enable,
    ...(size >= needed ? decodeRange(registers, at) : { base: null, maxOffset: null }),
  };
}

export const enhancedAllocation: CapabilityDecoder<EnhancedAllocation> = {
  lengthOf(registers, context) {
    const last = placesOf(registers, context).at(-1);
    return last === undefined ? bodyStart(context) : last.at + 4 + 4 * last.size;
  },
  decode(registers, context, report) {
    const isBridge = bodyStart(context) === 8;
    return {
      kind: "enhancedAllocation",
      fixedSecondaryBus: isBridge ? registers.u8(4) : null,
      fixedSubordinateBus: isBridge ? registers.u8(5) : null,
      entries: placesOf(registers, context).map((place) => decodeEntry(registers, place, report)),
    };
  },
};
