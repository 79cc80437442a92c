// Whether all that a function sends passes the IOMMU, as Linux judges it (drivers/pci/pci.c
// pci_acs_enabled(), drivers/pci/quirks.c): ports need ACS, functions of one device need it against
// each other, and some devices are known to be isolated without it. IOMMU groups follow from this.

import type { FunctionConfig } from "./function-config.ts";

export type AcsRegisters = { readonly capability: number; readonly control: number };

export type IsolationNode = {
  readonly kind: "endpoint" | "integrated" | "root-port" | "upstream-port" | "downstream-port";
  readonly isMultifunction: boolean;
  readonly isIsolatedByQuirk: boolean;
  readonly acs: AcsRegisters | null;
};

/** ACS flags that must hold: source validation, request and completion redirect, upstream
 * forwarding (drivers/iommu/iommu.c REQ_ACS_FLAGS). */
export const requiredAcs = 0x1d;

/** Required flags that the capability has and the control register lacks. A flag that the
 * capability lacks counts as satisfied. */
export const acsMissing = ({ capability, control }: AcsRegisters): number =>
  requiredAcs & capability & ~control;

const u16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);

/** null without the capability. */
export function acsRegistersOf({ extendedCapabilities }: FunctionConfig): AcsRegisters | null {
  const found = extendedCapabilities.find(({ body }) => body?.kind === "acs");
  if (found === undefined) return null;
  return { capability: u16(found.bytes, 4), control: u16(found.bytes, 6) };
}

const hasRequiredAcs = (acs: AcsRegisters | null): boolean => acs !== null && acsMissing(acs) === 0;

export function isIsolated(node: IsolationNode): boolean {
  if (node.isIsolatedByQuirk) return true;
  if (node.kind === "root-port" || node.kind === "downstream-port") return hasRequiredAcs(node.acs);
  return !node.isMultifunction || hasRequiredAcs(node.acs);
}
