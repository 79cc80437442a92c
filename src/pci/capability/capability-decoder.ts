// What one capability's file gives to the decoder: how long the structure is, and its fields.
// Both are total. `lengthOf` sees registers that read as ones where nothing is visible, so it can
// only say too much there, and the caller then reports the capability as truncated.

import type { Registers } from "../registers.ts";

/** Facts from elsewhere in the function that decide a capability's shape. */
export type CapabilityContext = {
  /** Header type without the multi-function bit. */
  readonly headerType: number;
  /** Device/port type of the PCIe capability; null without one. */
  readonly portType: number | null;
};

/** Reports a problem `at` bytes into the capability. */
export type Report = (code: string, at: number, message: string) => void;

export type CapabilityDecoder<Body> = {
  /** Bytes from the capability's header on. */
  readonly lengthOf: (registers: Registers, context: CapabilityContext) => number;
  readonly decode: (registers: Registers, context: CapabilityContext, report: Report) => Body;
};
