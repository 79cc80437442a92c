// Who uses what, now: the host's own truth, gathered anew each time. A sign of use that cannot be
// attributed is still use; a user that cannot be seen is reported as unknown, never as absent.

import type { Address } from "../../../model/bdf.ts";
import type { Owner } from "../../../model/inventory.ts";
import type { CensusFunction, OwnersByAddress } from "../inventory.ts";
import type { LinksReading, TrafficReading } from "../links.ts";
import type { LinuxPaths } from "../paths.ts";
import { isStorage } from "./block-devices.ts";
import { readClusterLinks } from "./cluster-links.ts";
import { commandLineUsers, namingVms } from "./command-lines.ts";
import { mountUsers } from "./mounts.ts";
import { namespaceUsers } from "./network-namespaces.ts";
import { netdevUsers } from "./netdev-users.ts";
import { nodeHolders } from "./node-holders.ts";
import { type Process, readOpenFiles, readProcesses } from "./processes.ts";
import { startingGuests } from "./starting-guests.ts";
import { groupUsers, type User } from "./user.ts";
import { volumeUsers } from "./volumes.ts";

type CensusSources = {
  readonly paths: LinuxPaths;
  /** Links and traffic of this moment; null where there is no netlink: a captured tree. */
  readonly readNetwork: (() => LinksReading & TrafficReading) | null;
};

/** Owners of each function that has any. */
export async function takeCensus(
  functions: readonly CensusFunction[],
  { paths, readNetwork }: CensusSources,
): Promise<OwnersByAddress> {
  const withNetdevs = functions.filter(({ netdevs }) => netdevs.length > 0);
  const wanted = new Set<Address>(functions.map(({ address }) => address));
  // Upper interfaces are in sysfs; the rest needs the running host.
  if (!paths.isLive || readNetwork === null) {
    const sources = { paths, traffic: null, nameOf: new Map(), isUp: () => true };
    const guests = await startingGuests(paths, wanted, null);
    return groupUsers([...guests, ...netdevUsers(withNetdevs, sources)]);
  }
  const processes = readProcesses(paths.proc);
  const users: User[] = [
    ...vmsAndHolders(paths, functions, processes),
    ...(await startingGuests(paths, wanted, processes)),
    ...(withNetdevs.length === 0
      ? []
      : await netdevUsersOf(withNetdevs, { paths, processes }, readNetwork())),
    ...(await namespaceUsers(paths, functions, processes)),
  ];
  const storage = functions.filter(({ classCode }) => isStorage(classCode));
  if (storage.length > 0) {
    const addresses = new Set(storage.map(({ address }) => address));
    const seen = new Set<string>();
    users.push(...mountUsers(paths, addresses, seen), ...volumeUsers(paths, addresses, seen));
  }
  return groupUsers(users);
}

/** Those who have a node of a function open, and VMs that were, or may be being, started with it. */
function vmsAndHolders(
  paths: LinuxPaths,
  functions: readonly CensusFunction[],
  processes: readonly Process[],
): User[] {
  const { proc } = paths;
  const wanted = new Set<Address>(functions.map(({ address }) => address));
  const vms = namingVms(proc, processes, wanted);
  const holders = nodeHolders(paths, functions, processes);
  const isHidden = (pid: number): boolean => readOpenFiles(proc, pid).isHidden;
  return [...holders, ...commandLineUsers(vms, holders, isHidden)];
}

async function netdevUsersOf(
  functions: readonly CensusFunction[],
  { paths, processes }: { readonly paths: LinuxPaths; readonly processes: readonly Process[] },
  network: LinksReading & TrafficReading,
): Promise<User[]> {
  const nameOf = new Map(network.links.map(({ ifindex, name }) => [ifindex, name]));
  const up = new Set(network.links.filter(({ isUp }) => isUp).map(({ name }) => name));
  const isUp = (name: string): boolean => up.has(name);
  const cluster = await readClusterLinks(paths, network, processes);
  return netdevUsers(functions, { paths, traffic: network, nameOf, isUp, cluster });
}

export const noOwners: readonly Owner[] = [];
