// Which driver a VF has, compared with which one the spec wants.

import type { Vf } from "../model/inventory.ts";
import type { DriverChoice } from "../model/spec.ts";
import type { DriverTraits } from "./driver-traits.ts";

/** Drivers that hand a function to user space; every other one is the kernel's own. */
const userSpaceDrivers = new Set(["vfio-pci", "pci-stub", "igb_uio", "uio_pci_generic"]);

const isUserSpace = (driver: string): boolean =>
  userSpaceDrivers.has(driver) || driver.endsWith("-vfio-pci") || driver.endsWith("_vfio_pci");

export const driverName = (choice: DriverChoice): string =>
  typeof choice === "string" ? choice : choice.name;

export function isBoundAs(choice: DriverChoice, driver: string | null): boolean {
  if (choice === "none") return driver === null;
  if (choice === "kernel") return driver !== null && !isUserSpace(driver);
  return driver === driverName(choice);
}

/** The choice that brings this binding back. */
export function choiceOf({
  driver,
  driverOverride,
}: Pick<Vf, "driver" | "driverOverride">): DriverChoice {
  if (driver === null) return "none";
  if (driver === "vfio-pci") return "vfio-pci";
  return isUserSpace(driver) || driverOverride === driver ? { name: driver } : "kernel";
}

/** The choice for a VF that is made anew; null where the driver that it had would refuse it. */
export function carriedChoiceOf(vf: Vf, { freshVfsAreOffline }: DriverTraits): DriverChoice | null {
  const choice = choiceOf(vf);
  return choice === "kernel" && freshVfsAreOffline ? null : choice;
}

/** The module of a driver that must be loaded first; null for drivers that come by themselves. */
export function moduleOf(choice: DriverChoice): string | null {
  return choice === "none" || choice === "kernel" ? null : driverName(choice);
}
