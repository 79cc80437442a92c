// A PCI function as one describes it before it has bytes: identity, BARs or bridge windows, and
// its capabilities in list order. encode-function.ts lays it down as config space. Numbers are in
// the units of the registers unless their name says otherwise.

import type { BaseAddressDescription } from "./base-address.ts";
import type { AcsDescription } from "./capability/acs.ts";
import type { AdvancedErrorReportingDescription } from "./capability/advanced-error-reporting.ts";
import type { AriDescription } from "./capability/ari.ts";
import type { DeviceSerialNumberDescription } from "./capability/device-serial-number.ts";
import type { MsiDescription, MsixDescription } from "./capability/interrupts.ts";
import type { PcieDescription } from "./capability/pcie.ts";
import type { PowerManagementDescription } from "./capability/power-management.ts";
import type { SriovDescription } from "./capability/sriov.ts";

export type StandardCapabilityDescription =
  | PowerManagementDescription
  | MsiDescription
  | MsixDescription
  | PcieDescription;

export type ExtendedCapabilityDescription =
  | AdvancedErrorReportingDescription
  | DeviceSerialNumberDescription
  | AriDescription
  | AcsDescription
  | SriovDescription;

/** An offset is a multiple of 4; absent: the next free place. */
export type Placed<Description> = Description & { readonly offset?: number };

type EndpointHeader = {
  readonly kind: "endpoint";
  readonly bars: readonly BaseAddressDescription[];
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  /** INTx pin 1 to 4 for A to D; 0: none. */
  readonly interruptPin: number;
};

/** First and last byte that a bridge forwards; null: the window is closed. */
export type Window = { readonly base: number; readonly limit: number } | null;

export type BridgeHeader = {
  readonly kind: "bridge";
  readonly bars: readonly BaseAddressDescription[];
  readonly primaryBus: number;
  readonly secondaryBus: number;
  readonly subordinateBus: number;
  /** Multiples of 1 MiB. */
  readonly memoryWindow: Window;
  readonly prefetchableWindow: Window;
};

/** What a VF has of its own; identity and BARs are in the PF's SR-IOV capability, and its own
 * registers for them read as ones and zeros. */
type VfHeader = {
  readonly kind: "vf";
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
};

export type FunctionDescription = {
  /** Ignored for a VF: both read 0xffff there. */
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly isMultifunction?: boolean;
  readonly header: EndpointHeader | BridgeHeader | VfHeader;
  readonly capabilities: readonly Placed<StandardCapabilityDescription>[];
  readonly extendedCapabilities: readonly Placed<ExtendedCapabilityDescription>[];
};
