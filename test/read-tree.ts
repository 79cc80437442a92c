// The inventory of a sysfs tree on disk, without what only a live kernel tells.

import { join } from "node:path";
import { readInventory } from "../src/host/linux/inventory.ts";
import { linuxPaths } from "../src/host/linux/paths.ts";
import { treeSources } from "../src/host/linux/sources.ts";
import type { Inventory } from "../src/model/inventory.ts";

const identity = {
  name: "linux",
  isWritable: false,
  machineId: null,
  bootId: null,
  kernelRelease: null,
};

export function inventoryOfTree(
  root: string,
  detailOf: readonly string[] = [],
): Promise<Inventory> {
  const paths = linuxPaths(root, join(root, "run"));
  const sources = treeSources(paths, { census: async () => new Map() });
  return readInventory(
    { paths, identity, sources },
    { census: false, netdevAttributes: true, detailOf, only: null },
  );
}
