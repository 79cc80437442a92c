// Resizable BAR (extended, 0x0015) and VF Resizable BAR (0x0024): the sizes that a BAR can take and
// the one it has. Both have the same layout; in the second the index names a VF BAR and the size
// is that of one VF.
//
//   +4  capability   31:4   bit n: 2^(n+16) bytes
//   +8  control      2:0 BAR index   7:5 entries (first only)   13:8 size   31:16 more sizes
//   +c, +10 ...      next entries

import { bits, decodeFields } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityDecoder, Report } from "./capability-decoder.ts";

const control = { bar: [2, 0], entries: [7, 5], sizeCode: [13, 8] } as const;

type ResizableBarEntry = {
  readonly bar: number;
  readonly sizeBytes: number;
  /** Ascending; 2^20 to 2^63 bytes. */
  readonly supportedSizesBytes: readonly number[];
};

type Resizable<Kind> = { readonly kind: Kind; readonly entries: readonly ResizableBarEntry[] };

export type ResizableBar = Resizable<"resizableBar">;
export type VfResizableBar = Resizable<"vfResizableBar">;

const entryCount = (registers: Registers): number =>
  decodeFields(control, registers.u32(8)).entries;

function supportedSizesBytes(capabilities: number, controlRegister: number): number[] {
  const exponents: number[] = [];
  for (let code = 0; code < 28; code++) {
    if (bits(capabilities, code + 4, code + 4) === 1) exponents.push(code + 20);
  }
  // Control 31:16 go on where the capability register ends, at 2^48 bytes.
  for (let code = 0; code < 16; code++) {
    if (bits(controlRegister, code + 16, code + 16) === 1) exponents.push(code + 48);
  }
  return exponents.map((exponent) => 2 ** exponent);
}

function decodeEntries(registers: Registers, report: Report): ResizableBarEntry[] {
  const count = entryCount(registers);
  if (count === 0 || count > 6) {
    report("rebar-entries", 8, `Resizable BARs are ${count}: 1 to 6 are possible`);
  }
  return Array.from({ length: count }, (_, index) => {
    const at = 4 + 8 * index;
    const { bar, sizeCode } = decodeFields(control, registers.u32(at + 4));
    if (bar > 5) report("rebar-index", at + 4, `Resizable BAR names BAR ${bar}: BARs are 0 to 5`);
    return {
      bar,
      sizeBytes: 2 ** (sizeCode + 20),
      supportedSizesBytes: supportedSizesBytes(registers.u32(at), registers.u32(at + 4)),
    };
  });
}

const decoderOf = <Kind extends string>(kind: Kind): CapabilityDecoder<Resizable<Kind>> => ({
  lengthOf: (registers) => 4 + 8 * Math.max(1, entryCount(registers)),
  decode: (registers, _context, report) => ({ kind, entries: decodeEntries(registers, report) }),
});

export const resizableBar = decoderOf("resizableBar");
export const vfResizableBar = decoderOf("vfResizableBar");
