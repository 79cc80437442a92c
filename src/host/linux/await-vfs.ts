// Waits until a PF's VFs have arrived: both links of each, then a netdev for each that a network
// driver took. Sysfs is the truth and uevents only say when to look again, so a lost event costs
// at most one interval.

import { existsSync } from "node:fs";
import type { Address } from "../../model/bdf.ts";
import type { VfArrival } from "../host.ts";
import { driverByLink } from "./drivers.ts";
import type { CensusFunction } from "./inventory.ts";
import { makesNetdev } from "./census/network-namespaces.ts";
import type { LinuxPaths } from "./paths.ts";
import { readFunction } from "./pci-function.ts";
import { TreeReader } from "./tree-reader.ts";

type Look = VfArrival & { readonly isComplete: boolean };

/** One look at the PF's links. Free of locks. */
export function lookAtVfs(paths: LinuxPaths, pf: Address, wanted: number): Look {
  const reader = new TreeReader();
  const fn = readFunction(paths, pf, reader);
  if (fn === null) return { numVfs: 0, withoutNetdev: [], isComplete: wanted === 0 };
  let numVfs = 0;
  const withoutNetdev: number[] = [];
  for (const vfIndex of fn.virtfnIndexes) {
    const folder = `${fn.folder}/virtfn${vfIndex}`;
    if (!existsSync(`${folder}/physfn`)) continue;
    numVfs++;
    const driver = driverByLink(folder, reader);
    const vf: CensusFunction = {
      address: pf,
      driver,
      iommuGroup: null,
      classCode: fn.classCode,
      netdevs: [],
    };
    const isMissing = makesNetdev(vf) && reader.namesIfThere(`${folder}/net`).length === 0;
    if (isMissing) withoutNetdev.push(vfIndex);
  }
  const isComplete = numVfs === wanted && withoutNetdev.length === 0;
  return { numVfs, withoutNetdev, isComplete };
}

type WaitForChange = (timeoutMs: number) => Promise<void>;

/** The arrival as it is when it is complete, or when the time is over. */
export async function awaitVfs(
  look: () => Look,
  waitForChange: WaitForChange,
  timeoutMs: number,
): Promise<VfArrival> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const { isComplete, ...arrival } = look();
    const leftMs = deadlineMs - performance.now();
    if (isComplete || leftMs <= 0) return arrival;
    await waitForChange(leftMs);
  }
}
