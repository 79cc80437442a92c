// Capabilities whose content only a vendor knows: the standard one (0x09), VSEC (extended, 0x000b)
// and DVSEC (0x0023). All say their own length; what is inside stays bytes.

import { decodeFields } from "../register-fields.ts";
import type { CapabilityDecoder, Report } from "./capability-decoder.ts";

const vsecHeader = {
  vendorSpecificId: [15, 0],
  revision: [19, 16],
  lengthBytes: [31, 20],
} as const;
const dvsecHeader1 = { dvsecVendorId: [15, 0], revision: [19, 16], lengthBytes: [31, 20] } as const;

export type VendorSpecific = {
  readonly kind: "vendorSpecific";
  readonly lengthBytes: number;
  /** Behind the header, as many as the length says. */
  readonly content: Uint8Array;
};

export type VendorSpecificExtended = {
  readonly kind: "vendorSpecificExtended";
  /** Means something together with the function's vendor only. */
  readonly vendorSpecificId: number;
  readonly revision: number;
  readonly lengthBytes: number;
  readonly content: Uint8Array;
};

export type DesignatedVendorSpecific = {
  readonly kind: "designatedVendorSpecific";
  readonly dvsecVendorId: number;
  readonly dvsecId: number;
  readonly revision: number;
  readonly lengthBytes: number;
  readonly content: Uint8Array;
};

function reportShort(lengthBytes: number, headerBytes: number, report: Report): void {
  if (lengthBytes >= headerBytes) return;
  const message = `Length is ${lengthBytes} bytes: its header alone is ${headerBytes} bytes long`;
  report("vendor-length", headerBytes === 3 ? 2 : 4, message);
}

export const vendorSpecific: CapabilityDecoder<VendorSpecific> = {
  lengthOf: (registers) => Math.max(3, registers.u8(2)),
  decode(registers, _context, report) {
    const lengthBytes = registers.u8(2);
    reportShort(lengthBytes, 3, report);
    const content = registers.slice(3, Math.max(0, lengthBytes - 3));
    return { kind: "vendorSpecific", lengthBytes, content };
  },
};

export const vendorSpecificExtended: CapabilityDecoder<VendorSpecificExtended> = {
  lengthOf: (registers) => Math.max(8, decodeFields(vsecHeader, registers.u32(4)).lengthBytes),
  decode(registers, _context, report) {
    const header = decodeFields(vsecHeader, registers.u32(4));
    reportShort(header.lengthBytes, 8, report);
    const content = registers.slice(8, Math.max(0, header.lengthBytes - 8));
    return { kind: "vendorSpecificExtended", ...header, content };
  },
};

export const designatedVendorSpecific: CapabilityDecoder<DesignatedVendorSpecific> = {
  lengthOf: (registers) => Math.max(10, decodeFields(dvsecHeader1, registers.u32(4)).lengthBytes),
  decode(registers, _context, report) {
    const header = decodeFields(dvsecHeader1, registers.u32(4));
    reportShort(header.lengthBytes, 10, report);
    return {
      kind: "designatedVendorSpecific",
      ...header,
      dvsecId: registers.u16(8),
      content: registers.slice(10, Math.max(0, header.lengthBytes - 10)),
    };
  },
};
