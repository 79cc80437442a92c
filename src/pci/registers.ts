// A window of little-endian registers onto config space. Reads are total: a byte that is not
// there reads as 0xff, as from a bus where nobody answers, so a decoder never throws whatever it
// was given; who needs to know asks `length` first.

export type Registers = {
  /** Offset of the window in config space. */
  readonly offset: number;
  /** Bytes from the window's start to the end of what is visible. */
  readonly length: number;
  readonly u8: (at: number) => number;
  readonly u16: (at: number) => number;
  readonly u32: (at: number) => number;
  readonly u64: (at: number) => bigint;
  /** Up to `count` bytes, fewer where the visible ones end. */
  readonly slice: (at: number, count: number) => Uint8Array;
};

export function registersAt(bytes: Uint8Array, offset: number): Registers {
  const u8 = (at: number): number => bytes[offset + at] ?? 0xff;
  const u16 = (at: number): number => u8(at) | (u8(at + 1) << 8);
  const u32 = (at: number): number => (u16(at) | (u16(at + 2) << 16)) >>> 0;
  return {
    offset,
    length: Math.max(0, bytes.length - offset),
    u8,
    u16,
    u32,
    u64: (at) => (BigInt(u32(at + 4)) << 32n) | BigInt(u32(at)),
    slice: (at, count) => bytes.slice(offset + at, offset + at + count),
  };
}
