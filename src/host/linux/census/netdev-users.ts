// Uses of a host's own netdevs: addresses, routes, interfaces stacked on top, and the connection
// that this very command came in by. Being up, link-local addresses and what the kernel adds by
// itself say nothing about use.

import type { Owner } from "../../../model/inventory.ts";
import type { TrafficReading } from "../links.ts";
import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import type { CensusFunction } from "../inventory.ts";
import { readOrigin } from "./session.ts";
import type { User } from "./user.ts";

const upperPrefix = "upper_";

/** Interfaces directly above a netdev: bridge, bond, VLAN, macvtap ... */
function uppersOf({ netdevs }: LinuxPaths, name: string, reader: TreeReader): string[] {
  return reader
    .namesIfThere(`${netdevs}/${name}`)
    .filter((file) => file.startsWith(upperPrefix))
    .map((file) => file.slice(upperPrefix.length));
}

/** The netdev and everything stacked on it, each once. */
function stackOn(paths: LinuxPaths, name: string, reader: TreeReader): string[] {
  const stack = [name];
  for (const member of stack) {
    for (const upper of uppersOf(paths, member, reader)) {
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
      if (name !== undefined) append(named.routes, name, isDefault ? "default" : destination);
    }
  }
  return named;
}

export type NetdevSources = {
  readonly paths: LinuxPaths;
  /** null: no netlink, as in a captured tree. */
  readonly traffic: TrafficReading | null;
  readonly nameOf: ReadonlyMap<number, string>;
  readonly isUp: (name: string) => boolean;
};

function usersOfNetdev(
  name: string,
  { paths, isUp }: NetdevSources,
  traffic: NamedTraffic,
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
  for (const upper of uppersOf(paths, name, new TreeReader())) {
    add("upper", upper, `${upper} is on top of ${name}`);
  }
  return owners;
}

export function netdevUsers(functions: readonly CensusFunction[], sources: NetdevSources): User[] {
  const { paths } = sources;
  const named = sources.traffic === null ? null : nameTraffic(sources.traffic, sources.nameOf);
  const origin = paths.isLive ? readOrigin(paths.proc) : null;
  return functions.flatMap(({ address, netdevs }) =>
    netdevs.flatMap((name) => {
      const owners = usersOfNetdev(name, sources, named ?? noTraffic);
      const carriesSession =
        origin !== null &&
        stackOn(paths, name, new TreeReader()).some((member) =>
          [named?.addresses, named?.linkLocal].some((lists) =>
            (lists?.get(member) ?? []).includes(origin.serverAddress),
          ),
        );
      if (carriesSession) {
        const evidence = `this session from ${origin.clientAddress} comes in through ${name}`;
        owners.unshift({ kind: "session", name: "ssh", pid: null, evidence });
      }
      return owners.map((owner) => ({ address, owner }));
    }),
  );
}
