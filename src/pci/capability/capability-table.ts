// Every capability that is decoded here, by ID. A new one is its own file, a row in one of these
// tables and a member of the union that goes with it.

import type { Acs } from "./acs.ts";
import { acs } from "./acs.ts";
import type { AdvancedErrorReporting } from "./advanced-error-reporting.ts";
import { advancedErrorReporting } from "./advanced-error-reporting.ts";
import type { Ari } from "./ari.ts";
import { ari } from "./ari.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";
import type { DeviceSerialNumber } from "./device-serial-number.ts";
import { deviceSerialNumber } from "./device-serial-number.ts";
import type { Msi, Msix } from "./interrupts.ts";
import { msi, msix } from "./interrupts.ts";
import type { Pcie } from "./pcie.ts";
import { pcie } from "./pcie.ts";
import type { PowerManagement } from "./power-management.ts";
import { powerManagement } from "./power-management.ts";
import type { Sriov } from "./sriov.ts";
import { sriov } from "./sriov.ts";

export type StandardBody = PowerManagement | Msi | Msix | Pcie;

export type ExtendedBody = AdvancedErrorReporting | DeviceSerialNumber | Acs | Ari | Sriov;

export const standardDecoders: ReadonlyMap<number, CapabilityDecoder<StandardBody>> = new Map<
  number,
  CapabilityDecoder<StandardBody>
>([
  [0x01, powerManagement],
  [0x05, msi],
  [0x10, pcie],
  [0x11, msix],
]);

export const extendedDecoders: ReadonlyMap<number, CapabilityDecoder<ExtendedBody>> = new Map<
  number,
  CapabilityDecoder<ExtendedBody>
>([
  [0x01, advancedErrorReporting],
  [0x03, deviceSerialNumber],
  [0x0d, acs],
  [0x0e, ari],
  [0x10, sriov],
]);
