// Access Control Services (extended, 0x000d): whether traffic between functions must go up to
// the IOMMU. Capability and control have the same bits, and Linux builds IOMMU groups from them.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { bits, decodeFields, encodeFields } from "../register-fields.ts";
import type { CapabilityContext, CapabilityDecoder } from "./capability-decoder.ts";
import type { Registers } from "../registers.ts";

const acsFlags = {
  sourceValidation: 0,
  translationBlocking: 1,
  requestRedirect: 2,
  completionRedirect: 3,
  upstreamForwarding: 4,
  egressControl: 5,
  directTranslated: 6,
  ioRequestBlocking: 7,
} as const;

const control = {
  ...acsFlags,
  downstreamMemoryTargetAccess: [9, 8],
  upstreamMemoryTargetAccess: [11, 10],
  unclaimedRequestRedirect: 12,
} as const;

type AcsFlags = Fields<typeof acsFlags>;

export type Acs = {
  readonly kind: "acs";
  readonly supported: AcsFlags & { readonly egressControlVectorBits: number };
  readonly enabled: Fields<typeof control>;
  /** 32-bit words of the Egress Control Vector; none without Egress Control. */
  readonly egressControlVector: readonly number[];
};

/** Bits of the Egress Control Vector: 0 in the register means 256. */
function egressVectorBits(registers: Registers): number {
  const capability = registers.u16(4);
  if (!decodeFields(acsFlags, capability).egressControl) return 0;
  return bits(capability, 15, 8) || 256;
}

const lengthOf = (registers: Registers, _context: CapabilityContext): number =>
  8 + 4 * Math.ceil(egressVectorBits(registers) / 32);

export const acs: CapabilityDecoder<Acs> = {
  lengthOf,
  decode(registers) {
    const egressControlVectorBits = egressVectorBits(registers);
    const words = Math.ceil(egressControlVectorBits / 32);
    return {
      kind: "acs",
      supported: { ...decodeFields(acsFlags, registers.u16(4)), egressControlVectorBits },
      enabled: decodeFields(control, registers.u16(6)),
      egressControlVector: Array.from({ length: words }, (_, word) => registers.u32(8 + 4 * word)),
    };
  },
};

export type AcsDescription = {
  readonly kind: "acs";
  /** Absent flags are not supported; Egress Control cannot be described. */
  readonly supported: Partial<Omit<AcsFlags, "egressControl">>;
  readonly enabled?: Partial<Omit<AcsFlags, "egressControl">>;
};

export function encodeAcs(writer: RegisterWriter, description: AcsDescription): void {
  const supported = encodeFields(acsFlags, description.supported);
  writer.u16(4, supported);
  writer.u16(6, encodeFields(acsFlags, description.enabled ?? {}) & supported, supported);
}
