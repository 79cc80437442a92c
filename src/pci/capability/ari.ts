// Alternative Routing-ID Interpretation (extended, 0x000e): 8-bit function numbers in place of
// device and function.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { decodeFields, encodeFields, fieldMask } from "../register-fields.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const capability = {
  mfvcFunctionGroups: 0,
  acsFunctionGroups: 1,
  nextFunction: [15, 8],
} as const;

const control = {
  mfvcFunctionGroupsEnable: 0,
  acsFunctionGroupsEnable: 1,
  functionGroup: [6, 4],
} as const;

export type Ari = { readonly kind: "ari" } & Fields<typeof capability> & Fields<typeof control>;

export const ari: CapabilityDecoder<Ari> = {
  lengthOf: () => 8,
  decode: (registers) => ({
    kind: "ari",
    ...decodeFields(capability, registers.u16(4)),
    ...decodeFields(control, registers.u16(6)),
  }),
};

export type AriDescription = {
  readonly kind: "ari";
  /** Function number of the device's next function, 0 at the end. */
  readonly nextFunction?: number;
};

export function encodeAri(writer: RegisterWriter, { nextFunction = 0 }: AriDescription): void {
  writer.u16(4, encodeFields(capability, { nextFunction }));
  writer.u16(6, 0, fieldMask(control, []));
}
