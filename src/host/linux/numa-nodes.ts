// The NUMA node of a PCI function, or the nodes of CPUs, from sysfs.

import type { NumaPlace } from "../host.ts";
import { functionFile, type LinuxPaths } from "./paths.ts";
import { TreeReader } from "./tree-reader.ts";

/** -1 is "no node" (drivers/pci/pci-sysfs.c numa_node_show()). */
function nodesOfFunction(paths: LinuxPaths, address: string, reader: TreeReader): number[] {
  const text = reader.textIfThere(functionFile(paths, address, "numa_node")) ?? "";
  return /^\d{1,4}$/.test(text) ? [Number(text)] : [];
}

/** A CPU's folder has a link `nodeN` (drivers/base/node.c register_cpu_under_node()). */
function nodesOfCpu({ sys }: LinuxPaths, cpu: number, reader: TreeReader): number[] {
  return reader
    .namesIfThere(`${sys}/devices/system/cpu/cpu${cpu}`)
    .flatMap((name) => /^node(\d{1,4})$/.exec(name)?.[1] ?? [])
    .map(Number);
}

export function readNumaNodes(paths: LinuxPaths, place: NumaPlace): number[] {
  const reader = new TreeReader();
  const nodes =
    place.kind === "function"
      ? nodesOfFunction(paths, place.address, reader)
      : place.cpus.flatMap((cpu) => nodesOfCpu(paths, cpu, reader));
  return [...new Set(nodes)].toSorted((left, right) => left - right);
}
