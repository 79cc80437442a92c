// File systems, swap areas and the volumes below them, followed down to the PCI function that
// holds the blocks: through partitions, device-mapper and md, and through the multipath node that
// the nvme driver puts above its controllers.

import { realpathSync } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import { functionOnPath } from "../netdevs.ts";
import type { LinuxPaths } from "../paths.ts";
import { errnoOf, TreeReader } from "../tree-reader.ts";
import type { User } from "./user.ts";

function realFolder(path: string): string | null {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null; // no such block device: a network or virtual file system
  }
}

type Walk = {
  readonly depth: number;
  /** Names of the block devices that were come by. */
  readonly seen: Set<string>;
};

/** Volumes may be stacked, and a broken tree may stack them in a ring. */
const stackDepthMax = 8;

function functionsBelow(paths: LinuxPaths, folder: string, walk: Walk): Address[] {
  const { depth, seen } = walk;
  if (depth > stackDepthMax) return [];
  seen.add(folder.slice(folder.lastIndexOf("/") + 1));
  const address = functionOnPath(folder);
  if (address !== null) return [address];
  const reader = new TreeReader();
  const subsystem = /\/nvme-subsystem\/([^/]+)\//.exec(folder)?.[1];
  const [parts, names] =
    subsystem === undefined
      ? [`${folder}/slaves`, reader.namesIfThere(`${folder}/slaves`)]
      : nvmeControllers(paths, subsystem, reader);
  return names.flatMap((name) => {
    const below = realFolder(`${parts}/${name}`);
    return below === null ? [] : functionsBelow(paths, below, { depth: depth + 1, seen });
  });
}

function nvmeControllers(
  { sys }: LinuxPaths,
  subsystem: string,
  reader: TreeReader,
): readonly [string, string[]] {
  const folder = `${sys}/class/nvme-subsystem/${subsystem}`;
  const names = reader.namesIfThere(folder).filter((name) => /^nvme[0-9]+$/.test(name));
  return [folder, names];
}

type Mount = { readonly blockFolder: string; readonly name: string; readonly evidence: string };

/** The kernel writes blanks of a path in octal (seq_escape). */
const unescapePath = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );

/** Lines of proc_pid_mountinfo(5): ID, parent, MAJOR:MINOR, root, mount point, ... - type source */
export function parseMountinfo(paths: LinuxPaths, text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, , number = "", , point = "", ...rest] = line.split(" ");
    if (!/^[0-9]+:[0-9]+$/.test(number)) return [];
    const name = unescapePath(point);
    const source = unescapePath(rest[rest.indexOf("-") + 2] ?? "");
    // btrfs and others have a number of their own: go by the source's name then.
    const isOwnNumber = number.startsWith("0:");
    if (isOwnNumber && !source.startsWith("/dev/")) return [];
    const blockFolder = isOwnNumber
      ? `${paths.sys}/class/block/${source.slice(source.lastIndexOf("/") + 1)}`
      : `${paths.blockDevices}/${number}`;
    return [{ blockFolder, name, evidence: `${source} is mounted on ${name}` }];
  });
}

function parseSwaps(paths: LinuxPaths, text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [source = ""] = line.split(/\s/);
    if (!source.startsWith("/dev/")) return [];
    const blockFolder = `${paths.sys}/class/block/${source.slice(source.lastIndexOf("/") + 1)}`;
    return [{ blockFolder, name: source, evidence: `${source} is swap space` }];
  });
}

/** `seen` gets the names of all block devices between the mounts and the functions. */
export function mountUsers(
  paths: LinuxPaths,
  addresses: ReadonlySet<Address>,
  seen: Set<string>,
): User[] {
  const reader = new TreeReader();
  const mounts = [
    ...parseMountinfo(paths, reader.wholeText(`${paths.proc}/self/mountinfo`) ?? ""),
    ...parseSwaps(paths, reader.wholeText(`${paths.proc}/swaps`) ?? ""),
  ];
  return mounts.flatMap(({ blockFolder, name, evidence }) => {
    const folder = realFolder(blockFolder);
    const below = folder === null ? [] : functionsBelow(paths, folder, { depth: 0, seen });
    return below
      .filter((address) => addresses.has(address))
      .map((address) => ({
        address,
        owner: { kind: "mount" as const, name, pid: null, evidence },
      }));
  });
}
