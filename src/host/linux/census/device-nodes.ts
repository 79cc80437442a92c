// The device nodes by which user space gets hold of a function: vfio groups and devices, uio, the
// verbs of RDMA, NVMe namespaces. Nodes are told by device number, because a container may have
// them under other names; opening one to see whether it is busy would itself be a use.

import type { Stats } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import type { CensusFunction } from "../inventory.ts";
import { functionOnPath } from "../netdevs.ts";
import { functionFile, type LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import { isGenericNode, isStorage, nodesOfStorage } from "./block-devices.ts";

export const isVfioDriver = (driver: string | null): boolean =>
  driver !== null && /(?:^|[-_])vfio(?:[-_]|$)/.test(driver);

export const isUioDriver = (driver: string | null): boolean =>
  driver === "uio_pci_generic" || driver === "igb_uio";

/** Functions by the number of a node: `c237:0`, `b259:1`. */
type DeviceNodes = ReadonlyMap<string, readonly Address[]>;

/** The key of an open file; null for what is no device. */
export function nodeKeyOf(stat: Stats): string | null {
  const kind = stat.isCharacterDevice() ? "c" : stat.isBlockDevice() ? "b" : null;
  if (kind === null) return null;
  // linux/kdev_t.h new_encode_dev(): 12 bits of major between 8 low and 12 high bits of minor.
  const major = (stat.rdev >>> 8) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00);
  return `${kind}${major}:${minor}`;
}

/** Functions that vfio may hold: those on a vfio driver, and in a group that vfio still has a node
 * for although none of its members is: the kernel takes the driver link of a VF away first and
 * then waits for the holder (drivers/base/dd.c __device_release_driver()). */
export function holdableByVfio(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
): readonly CensusFunction[] {
  const bound = functions.filter(({ driver }) => isVfioDriver(driver));
  const boundGroups = new Set(bound.map(({ iommuGroup }) => iommuGroup));
  const nodes = new Set(new TreeReader().namesIfThere(`${paths.sys}/class/vfio`));
  const leaving = functions.filter(
    ({ driver, iommuGroup }) =>
      driver === null && !boundGroups.has(iommuGroup) && nodes.has(String(iommuGroup)),
  );
  return [...bound, ...leaving];
}

class NodeList {
  readonly reader = new TreeReader();
  readonly nodes = new Map<string, Address[]>();

  add(kind: "b" | "c", file: string, address: Address): void {
    const number = this.reader.textIfThere(file);
    if (number === null) return;
    const key = `${kind}${number}`;
    const addresses = this.nodes.get(key);
    if (addresses === undefined) this.nodes.set(key, [address]);
    else addresses.push(address);
  }

  /** A node for each name in a folder. */
  addAll(folder: string, address: Address): void {
    for (const name of this.reader.namesIfThere(folder)) {
      this.add("c", `${folder}/${name}/dev`, address);
    }
  }
}

/** uverbs and umad nodes of functions that are RDMA devices; there are few, or no such class. */
function addVerbs(list: NodeList, { sys }: LinuxPaths, wanted: ReadonlySet<Address>): void {
  for (const kind of ["infiniband_verbs", "infiniband_mad"]) {
    const folder = `${sys}/class/${kind}`;
    for (const name of list.reader.namesIfThere(folder)) {
      const target = list.reader.link(`${folder}/${name}/device`);
      const address = target === null ? null : functionOnPath(target);
      if (address === null || !wanted.has(address)) continue;
      list.add("c", `${folder}/${name}/dev`, address);
    }
  }
}

export function deviceNodes(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
  holdable: readonly CensusFunction[],
): DeviceNodes {
  const list = new NodeList();
  for (const { address, iommuGroup } of holdable) {
    if (iommuGroup !== null) list.add("c", `${paths.sys}/class/vfio/${iommuGroup}/dev`, address);
    // An iommufd user opens the device's own node (drivers/vfio/vfio_main.c vfio_device_set_group()).
    list.addAll(functionFile(paths, address, "vfio-dev"), address);
  }
  for (const { address, driver, classCode } of functions) {
    if (isUioDriver(driver)) list.addAll(functionFile(paths, address, "uio"), address);
    if (!isStorage(classCode)) continue;
    for (const { name, folder } of nodesOfStorage(paths, address)) {
      list.add(isGenericNode(name) ? "c" : "b", `${folder}/dev`, address);
    }
  }
  addVerbs(list, paths, new Set(functions.map(({ address }) => address)));
  return list.nodes;
}
