// Every manager that we know: where its configuration lies, and who reads it. `readClaims` is the
// way from all those files to claims; opening them is the host's business.

import type { Claim, ManagerName } from "../model/claim.ts";
import type { Problem } from "../model/problem.ts";
import {
  baseName,
  type ClaimReading,
  type ConfigFile,
  folderOf,
  type ReadClaims,
} from "./config-file.ts";
import { commandLineFile, modprobeFolders, readModprobe } from "./modprobe.ts";
import { netplanFolders, readNetplan } from "./netplan.ts";
import { networkdFolders, readNetworkd } from "./networkd.ts";
import { ifcfgFolders } from "./ifcfg.ts";
import { profileFolders, readNetworkManager, settingsFolders } from "./networkmanager.ts";
import { nmstateFolders, readNmstate } from "./nmstate.ts";
import { proxmoxFiles, proxmoxFolders, readProxmox } from "./proxmox.ts";
import { readScripts, scriptFiles, scriptFolders } from "./script.ts";
import { operatorFolders, readSriovOperator } from "./sriov-operator.ts";
import {
  readSysfs,
  readTmpfiles,
  sysfsFiles,
  sysfsFolders,
  tmpfilesFolders,
} from "./sysfs-conf.ts";
import { readUdev, udevFolders } from "./udev.ts";
import { readUnraid, unraidFiles } from "./unraid.ts";

type ManagerPlaces = {
  readonly folders: readonly string[];
  /** Names of files in the folders that count. */
  readonly names: RegExp;
  /** Names of folders inside the folders whose files count too: drop-ins. */
  readonly dropIns: RegExp | null;
  readonly files: readonly string[];
  readonly read: ReadClaims;
};

const conf = /\.conf$/;
const places = (
  folders: readonly string[],
  names: RegExp,
  read: ReadClaims,
  more: { readonly files?: readonly string[]; readonly dropIns?: RegExp } = {},
): ManagerPlaces => ({
  folders,
  names,
  read,
  dropIns: more.dropIns ?? null,
  files: more.files ?? [],
});

/** An editor's backups, and what packages leave behind. */
const notes = /^\.|~$|\.(?:bak|orig|dpkg-\w+|rpm\w+|sw[op]|timer|target|wants)$/;

const managers: Readonly<Record<ManagerName, ManagerPlaces>> = {
  "networkd": places(networkdFolders, /\.(?:link|network|conf)$/, readNetworkd, {
    dropIns: /\.(?:link|network)\.d$/,
  }),
  "networkmanager": places(
    [...profileFolders, ...settingsFolders, ...ifcfgFolders],
    /./,
    readNetworkManager,
    {
      files: ["/etc/NetworkManager/NetworkManager.conf"],
    },
  ),
  "netplan": places(netplanFolders, /\.yaml$/, readNetplan),
  "nmstate": places(nmstateFolders, /\.ya?ml$/, readNmstate),
  "sysfs": places(sysfsFolders, conf, readSysfs, { files: sysfsFiles }),
  "udev": places(udevFolders, /\.rules$/, readUdev),
  "tmpfiles": places(tmpfilesFolders, conf, readTmpfiles),
  "modprobe": places(modprobeFolders, conf, readModprobe, { files: [commandLineFile] }),
  "script": places(scriptFolders, /./, readScripts, {
    files: scriptFiles,
    dropIns: /\.service\.d$/,
  }),
  "sriov-operator": places(operatorFolders, /./, readSriovOperator),
  "proxmox": places(proxmoxFolders, conf, readProxmox, { files: proxmoxFiles }),
  "unraid": places([], /./, readUnraid, { files: unraidFiles }),
};

export const managerList = Object.entries(managers) as [ManagerName, ManagerPlaces][];

export const isConfigName = (name: string, names: RegExp): boolean =>
  names.test(name) && !notes.test(name);

function isOf({ folders, names, dropIns, files }: ManagerPlaces, { path }: ConfigFile): boolean {
  if (files.includes(path)) return true;
  const folder = folderOf(path);
  if (!isConfigName(baseName(path), names)) return false;
  if (folders.includes(folder)) return true;
  return dropIns !== null && dropIns.test(folder) && folders.includes(folderOf(folder));
}

/** Claims of one manager in files that were named, wherever they lie. */
export const readClaimsOf = (manager: ManagerName, files: readonly ConfigFile[]): ClaimReading =>
  managers[manager].read(files);

/** Whether a file of this name in one of the manager's folders counts. */
export const isNameOf = (manager: ManagerName, name: string): boolean =>
  isConfigName(name, managers[manager].names);

/** All claims in these files, each manager taking what lies where its configuration lies. */
export function readClaims(files: readonly ConfigFile[]): ClaimReading {
  const claims: Claim[] = [];
  const problems: Problem[] = [];
  for (const [, place] of managerList) {
    const own = files.filter((file) => isOf(place, file));
    if (own.length === 0) continue;
    const reading = place.read(own);
    claims.push(...reading.claims);
    problems.push(...reading.problems);
  }
  return { claims, problems };
}

const readingOf = (read: ReadClaims, files: readonly ConfigFile[]): string =>
  JSON.stringify(read(files));

/** The files without which the claims would be others: most configuration is about other things. */
export function filesThatMatter(files: readonly ConfigFile[]): ConfigFile[] {
  const kept = new Set<ConfigFile>();
  for (const [, place] of managerList) {
    const own = files.filter((file) => isOf(place, file));
    const whole = readingOf(place.read, own);
    const nothing = readingOf(place.read, []);
    if (whole === nothing) continue;
    const telling = own.filter((file) => readingOf(place.read, [file]) !== nothing);
    // Some say something only together, or take back what another said.
    const isEnough = readingOf(place.read, telling) === whole;
    for (const file of isEnough ? telling : own) kept.add(file);
  }
  return files.filter((file) => kept.has(file));
}
