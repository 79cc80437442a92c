// Which VF netdevs are nobody's on this host, and the file that tells networkd. NetworkManager
// reads the udev property (udev-rules.ts); ifupdown touches only what its own files name.

import type { DriverChoice, Spec } from "../model/spec.ts";
import { withHeader } from "./own-file.ts";
import { leaveAloneProperty } from "./udev-rules.ts";

/** Sorts before what people and distributions put there: the first match wins. */
export const networkFile = (): string =>
  withHeader(["[Match]", `Property=${leaveAloneProperty}=1`, "", "[Link]", "Unmanaged=yes"]);

/** Whether VFs that a policy gives this driver are the host's own. */
export const isHosts = (driver: DriverChoice | undefined): boolean =>
  driver === "kernel" || (typeof driver === "object" && !driver.name.includes("vfio"));

/**
 * Indexes of the VFs of PF `label` below `numVfs` that the host is not meant to use itself. Its
 * own are those that `virtualFunctions` gives to a kernel driver; whoever takes a VF from a pool
 * or has it assigned is not the host's network manager, nor is nobody.
 */
export function notTheHosts(spec: Spec, label: string, numVfs: number): number[] {
  const hosts = new Set<number>();
  for (const { vfs, driver } of spec.virtualFunctions) {
    if (!isHosts(driver)) continue;
    for (const { pf, vfIndexes } of vfs) {
      if (pf === label) for (const vfIndex of vfIndexes) hosts.add(vfIndex);
    }
  }
  return Array.from({ length: numVfs }, (_, vfIndex) => vfIndex).filter(
    (vfIndex) => !hosts.has(vfIndex),
  );
}
