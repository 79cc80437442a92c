// The inventory of a sysfs tree on disk, without what only a live kernel tells.

import { join } from "node:path";
import { readInventory } from "../src/host/linux/inventory.ts";
import { linuxPaths } from "../src/host/linux/paths.ts";
import type { Inventory } from "../src/model/inventory.ts";

const identity = {
  name: "linux",
  isWritable: false,
  machineId: null,
  bootId: null,
  kernelRelease: null,
};

export const inventoryOfTree = (
  root: string,
  detailOf: readonly string[] = [],
): Promise<Inventory> =>
  readInventory(
    {
      paths: linuxPaths(root, join(root, "run")),
      identity,
      readLinks: null,
      census: async () => new Map(),
    },
    { census: false, netdevAttributes: true, detailOf, only: null },
  );
