// Functions whose netdev lives in another network namespace: bound to a network driver, but with
// no netdev here. Only then are the other namespaces looked into, one `ip` in each, because a
// namespace shows its netdevs to nobody outside.

import { readlinkSync, statSync } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import type { Owner } from "../../../model/inventory.ts";
import type { CensusFunction } from "../inventory.ts";
import { outputOf } from "../locked-reader.ts";
import type { LinuxPaths } from "../paths.ts";
import { errnoOf, TreeReader } from "../tree-reader.ts";
import { containerOf } from "./containers.ts";
import { isUioDriver, isVfioDriver } from "./device-nodes.ts";
import { commandOf, type Process } from "./processes.ts";
import type { User } from "./user.ts";

const isNetwork = (classCode: number): boolean => classCode >> 16 === 0x02;

/** Drivers that only keep a function and never make a netdev. */
const stubDrivers: ReadonlySet<string> = new Set(["pci-stub", "pci-pf-stub"]);

export const makesNetdev = ({ driver, classCode }: CensusFunction): boolean =>
  isNetwork(classCode) &&
  driver !== null &&
  !isVfioDriver(driver) &&
  !isUioDriver(driver) &&
  !stubDrivers.has(driver);

type Namespace = {
  readonly name: string;
  /** A file that setns(2) takes. */
  readonly path: string;
  /** null where it has a name of its own. */
  readonly pid: number | null;
  /** First of the processes in it; null without any. */
  readonly member: number | null;
};

function inodeOfNamed(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : String(stat.ino);
}

/** `net:[4026531840]` */
function inodeOfProcess(path: string): string | null {
  try {
    return /\[([0-9]+)\]/.exec(readlinkSync(path))?.[1] ?? null;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null; // gone, or not ours to see
  }
}

/** Every network namespace but our own: those with a name first. */
function otherNamespaces(paths: LinuxPaths, processes: readonly Process[]): Namespace[] {
  const own = inodeOfProcess(`${paths.proc}/self/ns/net`);
  const byInode = new Map<string, Namespace>();
  const add = (inode: string | null, { member, ...namespace }: Namespace): void => {
    if (inode === null || inode === own) return;
    const known = byInode.get(inode);
    if ((known?.member ?? null) === null) byInode.set(inode, { ...(known ?? namespace), member });
  };
  for (const name of new TreeReader().namesIfThere(paths.namedNetns)) {
    const path = `${paths.namedNetns}/${name}`;
    add(inodeOfNamed(path), { name, path, pid: null, member: null });
  }
  for (const process of processes) {
    const { pid } = process;
    const path = `${paths.proc}/${pid}/ns/net`;
    const name = `${commandOf(process)}-${pid}`;
    add(inodeOfProcess(path), { name, path, pid, member: pid });
  }
  return [...byInode.values()];
}

/** A container by its own name; a namespace that is no container's as `ip netns` calls it. */
function ownerOf(paths: LinuxPaths, { name, path, pid, member }: Namespace, netdev: string): Owner {
  const evidence = `its netdev is ${netdev} in network namespace ${path}`;
  const container = member === null ? null : containerOf(paths, member);
  if (container === null) return { kind: "netns", name, pid, evidence };
  const moreEvidence = [container.words];
  return { kind: "container", name: container.name, pid: member, evidence, moreEvidence };
}

/** A namespace that does not answer in this time keeps its secret: its VFs count as used. */
const lookDeadlineMs = 1500;

/** PCI functions that have a netdev in a namespace, with its name. */
async function netdevsIn({ path }: Namespace): Promise<ReadonlyMap<Address, string>> {
  const words = [`--net=${path}`, "ip", "-details", "-json", "link", "show"];
  const output = await outputOf("nsenter", words, lookDeadlineMs);
  return new Map(parseLinks(output.toString("utf8")).map(({ parent, name }) => [parent, name]));
}

function parseLinks(text: string): { readonly parent: Address; readonly name: string }[] {
  let links: unknown;
  try {
    links = JSON.parse(text);
  } catch {
    return []; // cut off by the deadline, or an ip without -json
  }
  if (!Array.isArray(links)) return [];
  return links.flatMap((link: unknown) => {
    if (typeof link !== "object" || link === null) return [];
    const { parentdev, ifname } = link as { parentdev?: unknown; ifname?: unknown };
    const isWhole = typeof parentdev === "string" && typeof ifname === "string";
    return isWhole ? [{ parent: parentdev, name: ifname }] : [];
  });
}

export async function namespaceUsers(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
  processes: readonly Process[],
): Promise<User[]> {
  const absent = functions.filter((fn) => makesNetdev(fn) && fn.netdevs.length === 0);
  if (absent.length === 0) return [];
  const namespaces = otherNamespaces(paths, processes);
  const missing = new Set(absent.map(({ address }) => address));
  const users: User[] = [];
  const netdevs = await Promise.all(namespaces.map(netdevsIn));
  for (const [index, namespace] of namespaces.entries()) {
    for (const [address, netdev] of netdevs[index] ?? []) {
      if (!missing.delete(address)) continue;
      users.push({ address, owner: ownerOf(paths, namespace, netdev) });
    }
  }
  // Without any other namespace a netdev cannot be elsewhere: the driver has just not made one.
  if (namespaces.length === 0) return users;
  const evidence =
    "bound to a network driver, but its netdev is in no network namespace we can see";
  const unseen = { kind: "unknown", name: "unseen-netns", pid: null, evidence } as const;
  return [...users, ...[...missing].map((address) => ({ address, owner: unseen }))];
}
