// LTR (extended, 0x0018) and L1 PM Substates (0x001e): how long a function can wait for memory, and
// how deep its link may sleep. Both are in the PF's function 0 only, never in a VF.

import type { Fields } from "../register-fields.ts";
import { decodeFields } from "../register-fields.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const latency = { value: [9, 0], scale: [12, 10] } as const;

export type LatencyToleranceReporting = {
  readonly kind: "latencyToleranceReporting";
  /** null where the scale is one of the two reserved ones. */
  readonly maxSnoopLatencyNs: number | null;
  readonly maxNoSnoopLatencyNs: number | null;
};

/** Scales 0 to 5 count in 32^scale nanoseconds. */
function latencyNs(register: number): number | null {
  const { value, scale } = decodeFields(latency, register);
  return scale > 5 ? null : value * 32 ** scale;
}

export const latencyToleranceReporting: CapabilityDecoder<LatencyToleranceReporting> = {
  lengthOf: () => 8,
  decode: (registers) => ({
    kind: "latencyToleranceReporting",
    maxSnoopLatencyNs: latencyNs(registers.u16(4)),
    maxNoSnoopLatencyNs: latencyNs(registers.u16(6)),
  }),
};

const substates = {
  pciPmL12: 0,
  pciPmL11: 1,
  aspmL12: 2,
  aspmL11: 3,
} as const;

const l1Capabilities = {
  ...substates,
  l1PmSubstates: 4,
  linkActivation: 5,
  commonModeRestoreUs: [15, 8],
  powerOnScale: [17, 16],
  powerOnValue: [23, 19],
} as const;

const l1Control1 = {
  ...substates,
  linkActivationInterrupt: 4,
  linkActivation: 5,
  commonModeRestoreUs: [15, 8],
  ltrL12ThresholdValue: [25, 16],
  ltrL12ThresholdScale: [31, 29],
} as const;

const l1Control2 = { powerOnScale: [1, 0], powerOnValue: [7, 3] } as const;

type L1Capabilities = Omit<Fields<typeof l1Capabilities>, "powerOnScale" | "powerOnValue">;
type L1Control = Omit<Fields<typeof l1Control1>, "ltrL12ThresholdValue" | "ltrL12ThresholdScale">;

export type L1PmSubstates = {
  readonly kind: "l1PmSubstates";
  /** Port T_POWER_ON; null where its scale is the reserved one. */
  readonly supported: L1Capabilities & { readonly powerOnUs: number | null };
  readonly enabled: L1Control & {
    readonly ltrL12ThresholdNs: number | null;
    readonly powerOnUs: number | null;
  };
};

/** Scales 0, 1 and 2 count in 2, 10 and 100 microseconds. */
function powerOnUs(scale: number, value: number): number | null {
  const unit = [2, 10, 100][scale];
  return unit === undefined ? null : unit * value;
}

export const l1PmSubstates: CapabilityDecoder<L1PmSubstates> = {
  lengthOf: () => 16,
  decode(registers) {
    const capabilities = decodeFields(l1Capabilities, registers.u32(4));
    const { powerOnScale, powerOnValue, ...supported } = capabilities;
    const control1 = decodeFields(l1Control1, registers.u32(8));
    const { ltrL12ThresholdValue, ltrL12ThresholdScale, ...enabled } = control1;
    const control2 = decodeFields(l1Control2, registers.u32(12));
    const isReserved = ltrL12ThresholdScale > 5;
    return {
      kind: "l1PmSubstates",
      supported: { ...supported, powerOnUs: powerOnUs(powerOnScale, powerOnValue) },
      enabled: {
        ...enabled,
        ltrL12ThresholdNs: isReserved ? null : ltrL12ThresholdValue * 32 ** ltrL12ThresholdScale,
        powerOnUs: powerOnUs(control2.powerOnScale, control2.powerOnValue),
      },
    };
  },
};
