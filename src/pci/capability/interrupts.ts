// MSI (0x05) and MSI-X (0x11): how a function interrupts, and how many vectors it has. MSI's
// layout depends on its flags: 64-bit addresses and per-vector masking each push registers down.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { decodeFields, encodeFields, fieldMask } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const msiControl = {
  enable: 0,
  multipleMessageCapable: [3, 1],
  multipleMessageEnable: [6, 4],
  is64Bit: 7,
  perVectorMasking: 8,
  extendedDataCapable: 9,
  extendedDataEnable: 10,
} as const;

export type Msi = {
  readonly kind: "msi";
  readonly enable: boolean;
  /** Vectors asked for and given, 1 to 32. */
  readonly vectorsCapable: number;
  readonly vectorsEnabled: number;
  readonly is64Bit: boolean;
  readonly perVectorMasking: boolean;
  readonly extendedDataCapable: boolean;
  readonly extendedDataEnable: boolean;
  readonly address: bigint;
  readonly data: number;
  /** null without per-vector masking. */
  readonly mask: number | null;
  readonly pending: number | null;
};

function msiLayout(registers: Registers): { data: number; mask: number; length: number } {
  const { is64Bit, perVectorMasking } = decodeFields(msiControl, registers.u16(2));
  const data = is64Bit ? 0x0c : 0x08;
  const mask = data + 4;
  return { data, mask, length: perVectorMasking ? mask + 8 : data + 2 };
}

export const msi: CapabilityDecoder<Msi> = {
  lengthOf: (registers) => msiLayout(registers).length,
  decode(registers, _context, report) {
    const control = decodeFields(msiControl, registers.u16(2));
    const { multipleMessageCapable, multipleMessageEnable, ...flags } = control;
    for (const exponent of [multipleMessageCapable, multipleMessageEnable]) {
      if (exponent <= 5) continue;
      report("msi-vectors", 2, `MSI has 2^${exponent} vectors: 32 is the most`);
    }
    const layout = msiLayout(registers);
    return {
      kind: "msi",
      ...flags,
      vectorsCapable: 2 ** multipleMessageCapable,
      vectorsEnabled: 2 ** multipleMessageEnable,
      address: flags.is64Bit ? registers.u64(4) : BigInt(registers.u32(4)),
      data: flags.extendedDataCapable ? registers.u32(layout.data) : registers.u16(layout.data),
      mask: flags.perVectorMasking ? registers.u32(layout.mask) : null,
      pending: flags.perVectorMasking ? registers.u32(layout.mask + 4) : null,
    };
  },
};

const msixControl = { lastEntry: [10, 0], functionMask: 14, enable: 15 } as const;
/** Which BAR (of a VF: which VF BAR) and where in it. */
const msixLocation = { bar: [2, 0], offsetUnits: [31, 3] } as const;

export type MsixLocation = { readonly bar: number; readonly offset: number };

export type Msix = {
  readonly kind: "msix";
  readonly enable: boolean;
  readonly functionMask: boolean;
  /** Entries in the table, 1 to 2048. */
  readonly tableSize: number;
  readonly table: MsixLocation;
  readonly pendingBitArray: MsixLocation;
};

function decodeLocation(value: number): MsixLocation {
  const { bar, offsetUnits } = decodeFields(msixLocation, value);
  return { bar, offset: offsetUnits * 8 };
}

export const msix: CapabilityDecoder<Msix> = {
  lengthOf: () => 12,
  decode(registers, _context, report) {
    const { enable, functionMask, lastEntry } = decodeFields(msixControl, registers.u16(2));
    const table = decodeLocation(registers.u32(4));
    const pendingBitArray = decodeLocation(registers.u32(8));
    for (const [at, { bar }] of [
      [4, table],
      [8, pendingBitArray],
    ] as const) {
      if (bar > 5) report("msix-bar", at, `MSI-X names BAR ${bar}: BARs are 0 to 5`);
    }
    return { kind: "msix", enable, functionMask, tableSize: lastEntry + 1, table, pendingBitArray };
  },
};

export type MsiDescription = {
  readonly kind: "msi";
  /** A power of two up to 32. */
  readonly vectors?: number;
  readonly perVectorMasking?: boolean;
};

/** MSI with 64-bit addresses, which PCIe functions must have. */
export function encodeMsi(writer: RegisterWriter, description: MsiDescription): void {
  const { vectors = 1, perVectorMasking = false } = description;
  const fields: Partial<Fields<typeof msiControl>> = {
    multipleMessageCapable: Math.log2(vectors),
    is64Bit: true,
    perVectorMasking,
  };
  const writable = fieldMask(msiControl, ["enable", "multipleMessageEnable"]);
  writer.u16(2, encodeFields(msiControl, fields), writable);
  writer.u32(4, 0, 0xfffffffc);
  writer.u32(8, 0, 0xffffffff);
  writer.u16(0x0c, 0, 0xffff);
  if (perVectorMasking) writer.u32(0x10, 0, 0xffffffff);
}

export type MsixDescription = {
  readonly kind: "msix";
  /** 1 to 2048. */
  readonly tableSize: number;
  readonly table: MsixLocation;
  readonly pendingBitArray: MsixLocation;
};

export function encodeMsix(writer: RegisterWriter, description: MsixDescription): void {
  const writable = fieldMask(msixControl, ["enable", "functionMask"]);
  const lastEntry = description.tableSize - 1;
  writer.u16(2, encodeFields(msixControl, { lastEntry }), writable);
  writer.u32(4, (description.table.offset & ~7) | description.table.bar);
  writer.u32(8, (description.pendingBitArray.offset & ~7) | description.pendingBitArray.bar);
}
