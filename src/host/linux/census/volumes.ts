// NVMe namespaces that something stands on although nothing of it is mounted: an LVM volume, an
// encrypted device, an array that is assembled, an imported ZFS pool. Taking the namespace away
// breaks them. What a mount leads down to is the mount's.

import type { Address } from "../../../model/bdf.ts";
import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import { type BlockDevice, holdersOf, isGenericNode, nodesOfStorage } from "./block-devices.ts";
import type { User } from "./user.ts";

type Volume = { readonly name: string; readonly evidence: string };

/** Beginnings of a device-mapper device's uuid, by who made it. */
const mapperKinds: readonly (readonly [prefix: string, words: string])[] = [
  ["LVM-", "LVM volume"],
  ["CRYPT-", "encrypted device"],
  ["mpath-", "multipath device"],
];

function heldBy({ sys }: LinuxPaths, device: BlockDevice, holder: string): Volume {
  const reader = new TreeReader();
  const folder = `${sys}/class/block/${holder}`;
  const name = reader.textIfThere(`${folder}/dm/name`) || holder;
  const uuid = reader.textIfThere(`${folder}/dm/uuid`) ?? "";
  const level = reader.textIfThere(`${folder}/md/level`);
  const words =
    level === null
      ? (mapperKinds.find(([prefix]) => uuid.startsWith(prefix))?.[1] ?? "device")
      : `md array (${level})`;
  return { name, evidence: `${words} ${name} (${holder}) stands on ${device.name}` };
}

const noteBytesMax = 1 << 16;

/** ZFS leaves no holder in sysfs; udev has noted the pool, and the module knows which are in. */
function zfsPoolOn(paths: LinuxPaths, device: BlockDevice): Volume | null {
  const reader = new TreeReader();
  const pools = `${paths.proc}/spl/kstat/zfs`;
  const imported = reader.namesIfThere(pools);
  if (imported.length === 0) return null;
  const number = reader.textIfThere(`${device.folder}/dev`);
  const notes = reader.boundedText(`${paths.prefix}/run/udev/data/b${number}`, noteBytesMax) ?? "";
  if (!/^E:ID_FS_TYPE=zfs_member$/m.test(notes)) return null;
  const name = /^E:ID_FS_LABEL=(.+)$/m.exec(notes)?.[1] ?? "";
  if (!imported.includes(name)) return null;
  return { name, evidence: `ZFS pool ${name} is imported and has ${device.name}` };
}

/** `seen` are the block devices that mounts stand on. */
export function volumeUsers(
  paths: LinuxPaths,
  addresses: ReadonlySet<Address>,
  seen: ReadonlySet<string>,
): User[] {
  const users: User[] = [];
  for (const address of addresses) {
    for (const device of nodesOfStorage(paths, address)) {
      if (isGenericNode(device.name)) continue;
      const holders = holdersOf(device).filter((holder) => !seen.has(holder));
      const pool = zfsPoolOn(paths, device);
      const volumes = [
        ...holders.map((holder) => heldBy(paths, device, holder)),
        ...(pool === null ? [] : [pool]),
      ];
      for (const { name, evidence } of volumes) {
        users.push({ address, owner: { kind: "volume", name, pid: null, evidence } });
      }
    }
  }
  return users;
}
