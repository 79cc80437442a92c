// The driver on which a consumer finds its VF.

import { isBifurcatedDriver, needsNetdev, type AssignKind } from "../model/assign-target.ts";
import type { Pf } from "../model/inventory.ts";
import type { DriverChoice } from "../model/spec.ts";

/** What the consumer finds the VF on: what such consumers need, or a variant of it that the spec names. */
export function driverFor(kind: AssignKind, pf: Pf, asked: DriverChoice | null): DriverChoice {
  if (needsNetdev(kind) || (kind === "dpdk" && isBifurcatedDriver(pf.driver))) return "kernel";
  return typeof asked === "object" && asked !== null ? asked : "vfio-pci";
}
