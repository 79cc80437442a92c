// Who holds a function through vfio. The nodes are told by device number, because a container may
// have them under other names; opening one to see whether it is busy would itself be a use.

import { statSync } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import { functionFile, type LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import type { CensusFunction } from "../inventory.ts";
import { type OpenFile, type Process, readOpenFiles } from "./processes.ts";
import { ownerOfProcess, type User } from "./user.ts";

export const isVfioDriver = (driver: string | null): boolean =>
  driver !== null && /(?:^|[-_])vfio(?:[-_]|$)/.test(driver);

/** `MAJOR:MINOR` as sysfs writes it. */
function numberOf(deviceNumber: number): string {
  // linux/kdev_t.h new_encode_dev(): 12 bits of major between 8 low and 12 high bits of minor.
  const major = (deviceNumber >>> 8) & 0xfff;
  const minor = (deviceNumber & 0xff) | ((deviceNumber >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

/** Functions that vfio may hold: those on a vfio driver, and in a group that vfio still has a node
 * for although none of its members is: the kernel takes the driver link of a VF away first and
 * then waits for the holder (drivers/base/dd.c __device_release_driver()). */
function holdable(
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

/** Functions by the device number of the node that opens them: group and cdev. */
function nodesOf(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
): ReadonlyMap<string, readonly Address[]> {
  const reader = new TreeReader();
  const nodes = new Map<string, Address[]>();
  const add = (file: string, address: Address): void => {
    const number = reader.textIfThere(file);
    if (number === null) return;
    const addresses = nodes.get(number);
    if (addresses === undefined) nodes.set(number, [address]);
    else addresses.push(address);
  };
  for (const { address, iommuGroup } of functions) {
    if (iommuGroup !== null) add(`${paths.sys}/class/vfio/${iommuGroup}/dev`, address);
    const folder = functionFile(paths, address, "vfio-dev");
    for (const name of reader.namesIfThere(folder)) add(`${folder}/${name}/dev`, address);
  }
  return nodes;
}

/** Device nodes that many processes hold and that are never vfio: not worth a stat. */
const plainNode = /^\/dev\/(?:null|zero|full|u?random|tty|ptmx|pts\/|shm\/|kvm$|net\/tun$)/;

const isCandidate = (target: string): boolean =>
  target.startsWith("/") &&
  (target.includes("/dev/") || target.includes("vfio")) &&
  !plainNode.test(target);

function deviceNumberOf({ path }: OpenFile): string | null {
  // Through the descriptor, so that the node itself need not be visible to us.
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isCharacterDevice() === true ? numberOf(stat.rdev) : null;
}

/** Newer kernels say which device an open vfio device file is (6.17: `vfio-device-syspath`). */
function functionOfDeviceFile(paths: LinuxPaths, pid: number, { path }: OpenFile): string | null {
  const descriptor = path.slice(path.lastIndexOf("/") + 1);
  const text = new TreeReader().textIfThere(`${paths.proc}/${pid}/fdinfo/${descriptor}`, [
    "EACCES",
    "ESRCH",
  ]);
  return /^vfio-device-syspath:\s*\S*\/(\S+)$/m.exec(text ?? "")?.[1] ?? null;
}

const unseenOwner = (numHidden: number): User["owner"] => ({
  kind: "unknown",
  name: "unseen-process",
  pid: null,
  evidence: `bound to vfio, and ${numHidden} processes cannot be looked into by this user`,
});

export function vfioHolders(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
  processes: readonly Process[],
): User[] {
  const bound = holdable(paths, functions);
  if (bound.length === 0) return [];
  const nodes = nodesOf(paths, bound);
  const users: User[] = [];
  let numHidden = 0;
  for (const process of processes) {
    const { files, isHidden } = readOpenFiles(paths.proc, process.pid);
    if (isHidden) numHidden++;
    for (const file of files) {
      const isDeviceFile = file.target === "anon_inode:[vfio-device]";
      const addresses = isDeviceFile
        ? [functionOfDeviceFile(paths, process.pid, file)]
        : isCandidate(file.target)
          ? (nodes.get(deviceNumberOf(file) ?? "") ?? [])
          : [];
      for (const address of addresses) {
        if (address === null || !bound.some((fn) => fn.address === address)) continue;
        const owner = ownerOfProcess(process, `${file.path} -> ${file.target}`);
        users.push({ address, owner });
      }
    }
  }
  // Whom nobody may look at may hold any of them: unknown is in use.
  const held = new Set(users.map(({ address }) => address));
  const unseen = numHidden === 0 ? [] : bound.filter(({ address }) => !held.has(address));
  return [...users, ...unseen.map(({ address }) => ({ address, owner: unseenOwner(numHidden) }))];
}
