// Uses of a host's own netdevs: addresses, routes, interfaces stacked on top, and the connection
// that this very command came in by. Being up, link-local addresses and what the kernel adds by
// itself say nothing about use.

import type { Owner } from "../../../model/inventory.ts";
import type { TrafficReading } from "../links.ts";
import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import type { CensusFunction } from "../inventory.ts";
import type { ClusterLinks } from "./cluster-links.ts";
import { readOrigin } from "./session.ts";
import type { User } from "./user.ts";

const lowerPrefix = "lower_";
const defaultRoute = "default";

type Uppers = ReadonlyMap<string, readonly string[]>;

/** Interfaces directly above each netdev: bridge, bond, VLAN, macvtap ... They are looked for from
 * above, by their `lower_` links (net/core/dev.c netdev_adjacent_sysfs_add()): a host has few of
 * them, and may have a thousand VF netdevs. */
function readUppers({ netdevs }: LinuxPaths, functions: readonly CensusFunction[]): Uppers {
  const reader = new TreeReader();
  const ofFunctions = new Set(functions.flatMap((member) => member.netdevs));
  const uppers = new Map<string, string[]>();
  for (const upper of reader.namesIfThere(netdevs)) {
    if (ofFunctions.has(upper)) continue;
    for (const file of reader.namesIfThere(`${netdevs}/${upper}`)) {
      if (file.startsWith(lowerPrefix)) append(uppers, file.slice(lowerPrefix.length), upper);
    }
  }
  return uppers;
}

/** The netdev and everything stacked on it, each once. */
function stackOn(name: string, uppers: Uppers): string[] {
  const stack = [name];
  for (const member of stack) {
    for (const upper of uppers.get(member) ?? []) {
      if (!stack.includes(upper)) stack.push(upper);
    }
  }
  return stack;
}

type NamedTraffic = {
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  readonly routes: ReadonlyMap<string, readonly string[]>;
};

const noTraffic: NamedTraffic = { addresses: new Map(), routes: new Map() };

function append(lists: Map<string, string[]>, name: string, value: string): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [value]);
  else list.push(value);
}

/** Traffic by interface name instead of index. Link-local addresses are in only for sessions. */
function nameTraffic(
  { addresses, routes }: TrafficReading,
  nameOf: ReadonlyMap<number, string>,
): NamedTraffic & { readonly linkLocal: ReadonlyMap<string, readonly string[]> } {
  const named = { addresses: new Map(), routes: new Map(), linkLocal: new Map() };
  for (const { ifindex, address, isLinkLocal } of addresses) {
    const name = nameOf.get(ifindex);
    if (name !== undefined) append(isLinkLocal ? named.linkLocal : named.addresses, name, address);
  }
  for (const { ifindexes, destination, isAutomatic, isDefault } of routes) {
    if (isAutomatic) continue;
    for (const ifindex of ifindexes) {
      const name = nameOf.get(ifindex);
      if (name !== undefined) append(named.routes, name, isDefault ? defaultRoute : destination);
    }
  }
  return named;
}

type NetdevSources = {
  readonly paths: LinuxPaths;
  /** null: no netlink, as in a captured tree. */
  readonly traffic: TrafficReading | null;
  readonly nameOf: ReadonlyMap<number, string>;
  readonly isUp: (name: string) => boolean;
  /** null or absent: this host is in no cluster that we know. */
  readonly cluster?: ClusterLinks | null;
};

function usersOfNetdev(
  name: string,
  { isUp }: NetdevSources,
  traffic: NamedTraffic,
  uppers: Uppers,
): Owner[] {
  const owners: Owner[] = [];
  const add = (kind: Owner["kind"], user: string, evidence: string): void => {
    owners.push({ kind, name: user, pid: null, evidence });
  };
  const [address] = traffic.addresses.get(name) ?? [];
  if (address !== undefined && isUp(name)) {
    add("netdev", name, `${name} is up and has address ${address}`);
  }
  for (const destination of traffic.routes.get(name) ?? []) {
    add("route", destination, `the route to ${destination} goes through ${name}`);
  }
  // An interface on top is a user of its own; that the host is reached through it is said as well.
  const through = stackOn(name, uppers).find(
    (member) => member !== name && traffic.routes.get(member)?.includes(defaultRoute) === true,
  );
  if (through !== undefined) {
    add("route", defaultRoute, `the default route goes through ${through}, on top of ${name}`);
  }
  for (const upper of uppers.get(name) ?? []) {
    add("upper", upper, `${upper} is on top of ${name}`);
  }
  return owners;
}

export function netdevUsers(functions: readonly CensusFunction[], sources: NetdevSources): User[] {
  const { paths, cluster = null } = sources;
  const uppers = readUppers(paths, functions);
  const named = sources.traffic === null ? null : nameTraffic(sources.traffic, sources.nameOf);
  const origin = paths.isLive ? readOrigin(paths.proc) : null;
  return functions.flatMap(({ address, netdevs }) =>
    netdevs.flatMap((name) => {
      const owners = usersOfNetdev(name, sources, named ?? noTraffic, uppers);
      const carriesSession =
        origin !== null &&
        stackOn(name, uppers).some((member) =>
          [named?.addresses, named?.linkLocal].some((lists) =>
            (lists?.get(member) ?? []).includes(origin.serverAddress),
          ),
        );
      const link = stackOn(name, uppers)
        .flatMap((member) => named?.addresses.get(member) ?? [])
        .find((each) => cluster?.addresses.has(each) === true);
      if (cluster !== null && link !== undefined) {
        const evidence = `corosync of cluster ${cluster.name} talks over ${link}, by ${name}`;
        owners.unshift({ kind: "cluster", name: cluster.name, pid: null, evidence });
      }
      if (carriesSession) {
        const evidence = `this session from ${origin.clientAddress} comes in through ${name}`;
        owners.unshift({ kind: "session", name: "ssh", pid: null, evidence });
      }
      return owners.map((owner) => ({ address, owner }));
    }),
  );
}
