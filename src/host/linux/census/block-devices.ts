// Block devices of a storage function: NVMe namespaces, the nodes that multipath puts above them,
// their partitions, and what is stacked on top: LVM, dm-crypt, md.

import type { Address } from "../../../model/bdf.ts";
import { functionFile, type LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";

export type BlockDevice = {
  /** `nvme0n1p1`. */
  readonly name: string;
  readonly folder: string;
};

/** Base class of mass storage controllers. */
export const isStorage = (classCode: number): boolean => classCode >> 16 === 0x01;

const isController = (name: string): boolean => /^nvme[0-9]+$/.test(name);
const isNamespace = (name: string): boolean => /^nvme[0-9]+n[0-9]+$/.test(name);
/** The same namespace as a character device, for commands instead of blocks. */
export const isGenericNode = (name: string): boolean => /^ng[0-9]+n[0-9]+$/.test(name);

/** A damaged or invented tree may have any number. */
const devicesMax = 4096;

/** Nodes of a function's namespaces: whole, generic and partitions. */
export function nodesOfStorage(paths: LinuxPaths, address: Address): BlockDevice[] {
  const reader = new TreeReader();
  const devices: BlockDevice[] = [];
  const folder = functionFile(paths, address, "nvme");
  for (const controller of reader.namesIfThere(folder).filter(isController)) {
    const own = `${folder}/${controller}`;
    const heads = headsOf(paths, controller, reader);
    for (const parent of [own, ...heads]) {
      for (const name of reader.namesIfThere(parent)) {
        if (isGenericNode(name)) devices.push({ name, folder: `${parent}/${name}` });
        if (isNamespace(name)) devices.push(...withPartitions(`${parent}/${name}`, name, reader));
        if (devices.length > devicesMax) return devices;
      }
    }
  }
  return devices;
}

/** Folders of the subsystems that a controller is a path of (drivers/nvme/host/multipath.c). */
function headsOf({ sys }: LinuxPaths, controller: string, reader: TreeReader): string[] {
  const subsystems = `${sys}/class/nvme-subsystem`;
  return reader
    .namesIfThere(subsystems)
    .map((name) => `${subsystems}/${name}`)
    .filter((folder) => reader.namesIfThere(folder).includes(controller));
}

function withPartitions(folder: string, name: string, reader: TreeReader): BlockDevice[] {
  const parts = reader.namesIfThere(folder).filter((part) => part.startsWith(`${name}p`));
  return [{ name, folder }, ...parts.map((part) => ({ name: part, folder: `${folder}/${part}` }))];
}

/** Devices directly on top of one: `dm-0`, `md127`. */
export const holdersOf = ({ folder }: BlockDevice): string[] =>
  new TreeReader().namesIfThere(`${folder}/holders`);
