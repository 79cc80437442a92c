// One PCI function as its folder tells it: identity, place, and which files it has. Identity comes
// from `modalias`, one read for five facts, and never from `uevent`: several stable kernels take
// the device lock to show it (drivers/base/core.c uevent_show(), "Synchronize with
// really_probe()"), and that lock is held for ever by a stuck disable.

import { resolve } from "node:path";
import type { Address, Bdf } from "../../model/bdf.ts";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import type { LinuxPaths } from "./paths.ts";
import { trailingNumber, type TreeReader } from "./tree-reader.ts";

type FunctionIdentity = {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number | null;
  readonly subsystemDeviceId: number | null;
  readonly classCode: number;
};

export type PciFunction = FunctionIdentity & {
  readonly address: Address;
  readonly bdf: Bdf;
  /** The real folder, below sys/devices: no link on the way. */
  readonly folder: string;
  /** Functions above, nearest first. */
  readonly parents: readonly Address[];
  readonly files: ReadonlySet<string>;
  /** N of each virtfnN, ascending. */
  readonly virtfnIndexes: readonly number[];
};

/** Type 1 header: PCI-to-PCI bridge, whatever its programming interface. */
export const isBridge = ({ classCode }: FunctionIdentity): boolean => classCode >> 8 === 0x0604;

const modaliasPattern =
  /^pci:v([0-9A-F]{8})d([0-9A-F]{8})sv([0-9A-F]{8})sd([0-9A-F]{8})bc([0-9A-F]{2})sc([0-9A-F]{2})i([0-9A-F]{2})$/i;

function parseModalias(text: string): FunctionIdentity | null {
  const match = modaliasPattern.exec(text);
  if (match === null) return null;
  const [vendorId = 0, deviceId = 0, subsystemVendorId = 0, subsystemDeviceId = 0] = match
    .slice(1, 5)
    .map((digits) => Number.parseInt(digits, 16));
  const classCode = Number.parseInt(match.slice(5, 8).join(""), 16);
  return { vendorId, deviceId, subsystemVendorId, subsystemDeviceId, classCode };
}

/** Folder of a function; null with a problem when its link leads out of the tree. */
function folderOf(paths: LinuxPaths, address: Address, reader: TreeReader): string | null {
  const link = `${paths.pciFunctions}/${address}`;
  const target = reader.link(link);
  if (target === null) return link;
  const folder = resolve(paths.pciFunctions, target);
  if (folder.startsWith(`${paths.sys}/`)) return folder;
  reader.report("outside-root", link, `Cannot follow ${link}: it leads out of the tree`);
  return null;
}

function parentsOf(folder: string): Address[] {
  const parents: Address[] = [];
  const pieces = folder.split("/");
  for (let at = pieces.length - 2; at > 0; at--) {
    const bdf = parseBdf(pieces[at] ?? "");
    if (bdf === null) break;
    parents.push(formatBdf(bdf));
  }
  return parents;
}

function identityOf(
  folder: string,
  files: ReadonlySet<string>,
  reader: TreeReader,
): FunctionIdentity {
  const alias = files.has("modalias") ? reader.text(`${folder}/modalias`) : null;
  const parsed = alias === null ? null : parseModalias(alias);
  if (parsed !== null) return parsed;
  if (alias !== null) {
    reader.report("garbage", `${folder}/modalias`, `Cannot use ${folder}/modalias: no PCI alias`);
  }
  const number = (name: string): number | null =>
    files.has(name) ? reader.hexadecimal(`${folder}/${name}`) : null;
  const wanted = (name: string): number => {
    const value = number(name);
    if (value === null && !files.has(name)) {
      reader.report(
        "missing-file",
        `${folder}/${name}`,
        `${folder} has no file ${name}: taken as 0`,
      );
    }
    return value ?? 0;
  };
  return {
    vendorId: wanted("vendor"),
    deviceId: wanted("device"),
    subsystemVendorId: number("subsystem_vendor"),
    subsystemDeviceId: number("subsystem_device"),
    classCode: wanted("class"),
  };
}

/** Reads a function in full, config space apart; null with a problem when it is not readable. */
export function readFunction(
  paths: LinuxPaths,
  address: Address,
  reader: TreeReader,
): PciFunction | null {
  const bdf = parseBdf(address);
  const folder = bdf === null ? null : folderOf(paths, address, reader);
  if (bdf === null || folder === null) return null;
  const names = reader.names(folder);
  if (names === null) return null;
  const virtfnIndexes: number[] = [];
  const files = new Set<string>();
  for (const name of names) {
    if (name.startsWith("virtfn")) {
      const index = trailingNumber(name.slice("virtfn".length));
      if (index !== null) virtfnIndexes.push(index);
    } else {
      files.add(name);
    }
  }
  virtfnIndexes.sort((left, right) => left - right);
  const identity = identityOf(folder, files, reader);
  return {
    ...identity,
    address,
    bdf,
    folder,
    parents: parentsOf(folder),
    files,
    virtfnIndexes,
  };
}

/** Number of the function's IOMMU group; null when it is in none. */
export function iommuGroupOf(folder: string, reader: TreeReader): number | null {
  const target = reader.link(`${folder}/iommu_group`);
  return target === null ? null : trailingNumber(target);
}
