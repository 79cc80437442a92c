// Base address registers (BARs): those of a header and the VF BARs of SR-IOV have the same
// encoding, except that a VF BAR is never I/O.
//
//   31                          4    3     2 1    0
//  +-----------------------------+------+------+-----+   type 00: 32 bit, 10: 64 bit (takes the
//  |  address                    | pref | type |  0  |   next register as its upper half)
//  +-----------------------------+------+------+-----+

import type { RegisterWriter } from "./config-space.ts";
import type { Registers } from "./registers.ts";

export type BaseAddress = {
  readonly index: number;
  readonly kind: "memory" | "io";
  /** bigint, because hostile bytes hold any 64-bit value. */
  readonly address: bigint;
  /** Address bits: 20 is the obsolete "below 1 MB" type. */
  readonly width: 20 | 32 | 64;
  readonly prefetchable: boolean;
};

export type BaseAddresses = {
  /** Implemented or assigned BARs: a register of 0 is left out. */
  readonly bars: readonly BaseAddress[];
  /** Indexes of 64-bit BARs whose upper half would be past the last register. */
  readonly cutOff: readonly number[];
  /** Indexes of BARs with the reserved type 11. */
  readonly reservedType: readonly number[];
};

export function decodeBaseAddresses(
  registers: Registers,
  at: number,
  count: number,
): BaseAddresses {
  const bars: BaseAddress[] = [];
  const cutOff: number[] = [];
  const reservedType: number[] = [];
  for (let index = 0; index < count; index++) {
    const low = registers.u32(at + 4 * index);
    const type = (low >>> 1) & 3;
    if ((low & 1) === 1) {
      const address = BigInt((low & ~3) >>> 0);
      bars.push({ index, kind: "io", address, width: 32, prefetchable: false });
      continue;
    }
    const is64 = type === 2 && index + 1 < count;
    const high = is64 ? registers.u32(at + 4 * index + 4) : 0;
    if (type === 2 && !is64) cutOff.push(index);
    if (type === 3) reservedType.push(index);
    if (low !== 0 || high !== 0) {
      bars.push({
        index,
        kind: "memory",
        address: (BigInt(high) << 32n) | BigInt((low & ~0xf) >>> 0),
        width: type === 2 ? 64 : type === 1 ? 20 : 32,
        prefetchable: (low & 8) !== 0,
      });
    }
    if (is64) index++;
  }
  return { bars, cutOff, reservedType };
}

export type BaseAddressDescription = {
  readonly index: number;
  readonly kind: "memory" | "io";
  readonly width: 32 | 64;
  readonly prefetchable: boolean;
  /** A power of two; at least 16 for memory and 4 for I/O. */
  readonly sizeBytes: number;
  /** A multiple of `sizeBytes`; 0 or absent: not assigned. */
  readonly address?: number;
};

/** Writes one BAR with its size mask; a 64-bit one fills two registers. */
export function encodeBaseAddress(
  writer: RegisterWriter,
  at: number,
  description: BaseAddressDescription,
): void {
  const { index, kind, width, prefetchable, sizeBytes, address = 0 } = description;
  const type = kind === "io" ? 1 : (width === 64 ? 4 : 0) | (prefetchable ? 8 : 0);
  // Two's complement of the size, in halves: numbers above 2^32 have no bit operators.
  const mask = 2n ** 64n - BigInt(sizeBytes);
  const low = Number(mask & 0xffffffffn);
  const at0 = at + 4 * index;
  writer.u32(at0, (address % 2 ** 32) + type, low);
  if (width === 64) writer.u32(at0 + 4, Math.floor(address / 2 ** 32), Number(mask >> 32n));
}
