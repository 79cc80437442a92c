// PCI Power Management (0x01): which low-power states a function has and which one it is in. A
// function in D3hot answers config reads and nothing else.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { decodeFields, encodeFields, fieldMask } from "../register-fields.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";

const capability = {
  version: [2, 0],
  pmeClock: 3,
  immediateReadinessOnReturnToD0: 4,
  deviceSpecificInitialization: 5,
  auxCurrent: [8, 6],
  d1Support: 9,
  d2Support: 10,
  /** Bit per state D0, D1, D2, D3hot, D3cold from which PME# can come. */
  pmeSupport: [15, 11],
} as const;

const control = {
  powerState: [1, 0],
  noSoftReset: 3,
  pmeEnable: 8,
  dataSelect: [12, 9],
  dataScale: [14, 13],
  pmeStatus: 15,
} as const;

const bridgeExtensions = { b2b3: 6, busPowerClockControlEnable: 7 } as const;

export type PowerManagement = { readonly kind: "powerManagement" } & Fields<typeof capability> &
  Fields<typeof control> &
  Fields<typeof bridgeExtensions> & { readonly data: number };

export const powerManagement: CapabilityDecoder<PowerManagement> = {
  lengthOf: () => 8,
  decode: (registers) => ({
    kind: "powerManagement",
    ...decodeFields(capability, registers.u16(2)),
    ...decodeFields(control, registers.u16(4)),
    ...decodeFields(bridgeExtensions, registers.u8(6)),
    data: registers.u8(7),
  }),
};

export type PowerManagementDescription = { readonly kind: "powerManagement" };

/** Version 3, D0 and D3hot, keeps its state over D3hot. */
export function encodePowerManagement(writer: RegisterWriter): void {
  writer.u16(2, encodeFields(capability, { version: 3 }));
  writer.u16(4, encodeFields(control, { noSoftReset: true }), fieldMask(control, ["powerState"]));
}
