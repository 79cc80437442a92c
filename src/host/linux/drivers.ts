// Which driver has which function: one listing of each driver's folder instead of one link read
// per function. A tree without the driver folders is answered from each function's own link.

import type { Address } from "../../model/bdf.ts";
import type { LinuxPaths } from "./paths.ts";
import type { TreeReader } from "./tree-reader.ts";

export type DriverIndex = {
  /** Loaded drivers, sorted. */
  readonly names: readonly string[];
  readonly byAddress: ReadonlyMap<Address, string>;
  /** The folders could be listed: a function in none of them has no driver. */
  readonly isComplete: boolean;
};

export function readDrivers(paths: LinuxPaths, reader: TreeReader): DriverIndex {
  const names = reader.names(paths.pciDrivers);
  const byAddress = new Map<Address, string>();
  let isComplete = names !== null;
  for (const name of names ?? []) {
    const entries = reader.names(`${paths.pciDrivers}/${name}`);
    isComplete &&= entries !== null;
    for (const entry of entries ?? []) {
      // Functions are links named by address; everything else there is a word or `module`.
      if (entry.length >= 12 && entry.includes(":")) byAddress.set(entry, name);
    }
  }
  return { names: (names ?? []).toSorted(), byAddress, isComplete };
}

/** Driver of a function by its own `driver` link; null without one. */
export function driverByLink(folder: string, reader: TreeReader): string | null {
  const target = reader.link(`${folder}/driver`);
  return target === null ? null : target.slice(target.lastIndexOf("/") + 1);
}

export const driverOf = (
  index: DriverIndex,
  address: Address,
  folder: string,
  reader: TreeReader,
): string | null =>
  index.byAddress.get(address) ?? (index.isComplete ? null : driverByLink(folder, reader));
