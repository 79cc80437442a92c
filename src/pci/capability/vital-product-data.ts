// Vital Product Data pointer (0x03): a window of one address and one dword onto the card's own
// description (part and serial number). The description itself is not in config space.

import type { Fields } from "../register-fields.ts";
import { decodeFields } from "../register-fields.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const address = { address: [14, 0], transferDone: 15 } as const;

export type VitalProductData = { readonly kind: "vitalProductData" } & Fields<typeof address> & {
    readonly data: number;
  };

export const vitalProductData: CapabilityDecoder<VitalProductData> = {
  lengthOf: () => 8,
  decode: (registers) => ({
    kind: "vitalProductData",
    ...decodeFields(address, registers.u16(2)),
    data: registers.u32(4),
  }),
};
