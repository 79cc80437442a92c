// Config space that can be written to: bytes, which bits a write may change, and which bits a
// written 1 clears. BAR size probing falls out of the masks: a BAR of size S has its low log2(S)
// bits read-only. What a write sets in motion (VFs that appear) is the emulated host's business.

export const configSpaceBytes = 4096;

export type ConfigSpace = {
  readonly bytes: Uint8Array;
  /** RW bits. */
  readonly writable: Uint8Array;
  /** RW1C bits: status bits that a written 1 clears. */
  readonly clearable: Uint8Array;
};

export const emptyConfigSpace = (): ConfigSpace => ({
  bytes: new Uint8Array(configSpaceBytes),
  writable: new Uint8Array(configSpaceBytes),
  clearable: new Uint8Array(configSpaceBytes),
});

/** A write as the function sees it; bytes beyond the end of config space fall away. */
export function writeConfig(space: ConfigSpace, offset: number, written: Uint8Array): void {
  const { bytes, writable, clearable } = space;
  for (let index = 0; index < written.length; index++) {
    const at = offset + index;
    if (at < 0 || at >= bytes.length) continue;
    const value = written[index] ?? 0;
    const mask = writable[at] ?? 0;
    const kept = (bytes[at] ?? 0) & ~mask & ~(value & (clearable[at] ?? 0));
    bytes[at] = kept | (value & mask);
  }
}

/** Sets a register as the hardware itself does, read-only bits too. */
export function setRegister(
  space: ConfigSpace,
  offset: number,
  width: 1 | 2 | 4,
  value: number,
): void {
  putLittleEndian(space.bytes, offset, width, value);
}

function putLittleEndian(target: Uint8Array, offset: number, width: number, value: number): void {
  for (let index = 0; index < width; index++) {
    target[offset + index] = Math.floor(value / 2 ** (8 * index)) & 0xff;
  }
}

export type RegisterWriter = {
  readonly offset: number;
  readonly u8: PutRegister;
  readonly u16: PutRegister;
  readonly u32: PutRegister;
};

type PutRegister = (at: number, value: number, writable?: number, clearable?: number) => void;

/** Lays registers down relative to `offset`, each with its masks. */
export function writerAt(space: ConfigSpace, offset: number): RegisterWriter {
  const put =
    (width: number): PutRegister =>
    (at, value, writable = 0, clearable = 0) => {
      putLittleEndian(space.bytes, offset + at, width, value);
      putLittleEndian(space.writable, offset + at, width, writable);
      putLittleEndian(space.clearable, offset + at, width, clearable);
    };
  return { offset, u8: put(1), u16: put(2), u32: put(4) };
}
