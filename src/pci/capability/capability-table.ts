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
import type {
  AddressTranslationServices,
  PageRequestInterface,
  ProcessAddressSpaceId,
} from "./address-translation.ts";
import {
  addressTranslationServices,
  pageRequestInterface,
  processAddressSpaceId,
} from "./address-translation.ts";
import type { L1PmSubstates, LatencyToleranceReporting } from "./link-power.ts";
import { l1PmSubstates, latencyToleranceReporting } from "./link-power.ts";
import type { ResizableBar, VfResizableBar } from "./resizable-bar.ts";
import { resizableBar, vfResizableBar } from "./resizable-bar.ts";
import type {
  DesignatedVendorSpecific,
  VendorSpecific,
  VendorSpecificExtended,
} from "./vendor-specific.ts";
import {
  designatedVendorSpecific,
  vendorSpecific,
  vendorSpecificExtended,
} from "./vendor-specific.ts";
import type { VitalProductData } from "./vital-product-data.ts";
import { vitalProductData } from "./vital-product-data.ts";
import type { EnhancedAllocation } from "./enhanced-allocation.ts";
import { enhancedAllocation } from "./enhanced-allocation.ts";

export type StandardBody =
  | PowerManagement
  | Msi
  | Msix
  | Pcie
  | VitalProductData
  | VendorSpecific
  | EnhancedAllocation;

export type ExtendedBody =
  | AdvancedErrorReporting
  | DeviceSerialNumber
  | Acs
  | Ari
  | Sriov
  | AddressTranslationServices
  | PageRequestInterface
  | ProcessAddressSpaceId
  | LatencyToleranceReporting
  | L1PmSubstates
  | ResizableBar
  | VfResizableBar
  | VendorSpecificExtended
  | DesignatedVendorSpecific;

export const standardDecoders: ReadonlyMap<number, CapabilityDecoder<StandardBody>> = new Map<
  number,
  CapabilityDecoder<StandardBody>
>([
  [0x01, powerManagement],
  [0x03, vitalProductData],
  [0x05, msi],
  [0x09, vendorSpecific],
  [0x10, pcie],
  [0x11, msix],
  [0x14, enhancedAllocation],
]);

export const extendedDecoders: ReadonlyMap<number, CapabilityDecoder<ExtendedBody>> = new Map<
  number,
  CapabilityDecoder<ExtendedBody>
>([
  [0x01, advancedErrorReporting],
  [0x03, deviceSerialNumber],
  [0x0b, vendorSpecificExtended],
  [0x0d, acs],
  [0x0e, ari],
  [0x0f, addressTranslationServices],
  [0x10, sriov],
  [0x13, pageRequestInterface],
  [0x15, resizableBar],
  [0x18, latencyToleranceReporting],
  [0x1b, processAddressSpaceId],
  [0x1e, l1PmSubstates],
  [0x23, designatedVendorSpecific],
  [0x24, vfResizableBar],
]);
