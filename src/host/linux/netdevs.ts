// Network devices by the function they belong to. The names come from class/net, whose links say
// where each one hangs; attributes come over netlink on a live host, and from the few files that
// do not take the network lock where there is no netlink.

import type { Address } from "../../model/bdf.ts";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import type { Netdev } from "../../model/inventory.ts";
import type { LinkFacts } from "./link-facts.ts";
import type { LinuxPaths } from "./paths.ts";
import type { TreeReader } from "./tree-reader.ts";

/** Nearest PCI function on a device path; null for a virtual device. */
export function functionOnPath(path: string): Address | null {
  const pieces = path.split("/");
  for (let at = pieces.length - 1; at >= 0; at--) {
    const bdf = parseBdf(pieces[at] ?? "");
    if (bdf !== null) return formatBdf(bdf);
  }
  return null;
}

/** The common case of functionOnPath() without taking the path apart: `.../ADDRESS/net/NAME`. */
function functionAboveNet(target: string): Address | null {
  const end = target.lastIndexOf("/net/");
  const address = target.slice(target.lastIndexOf("/", end - 1) + 1, end);
  // Only what a function's folder is called ends in `:DD.F`; anything else is looked at closely.
  const isAddress = address.length >= 12 && address.charAt(address.length - 5) === ":";
  return isAddress ? address : functionOnPath(target);
}

type NetdevNames = ReadonlyMap<Address, readonly string[]>;

/** Names of netdevs by function, in name order. */
export function readNetdevNames(paths: LinuxPaths, reader: TreeReader): NetdevNames {
  const byFunction = new Map<Address, string[]>();
  for (const name of reader.namesIfThere(paths.netdevs).sort()) {
    const target = reader.link(`${paths.netdevs}/${name}`);
    // Cheap exit for the many virtual ones.
    if (target === null || target.includes("/devices/virtual/")) continue;
    const address = functionAboveNet(target);
    if (address === null) continue;
    const names = byFunction.get(address);
    if (names === undefined) byFunction.set(address, [name]);
    else names.push(name);
  }
  return byFunction;
}

type NetdevsNow = { readonly netdevNames: NetdevNames; readonly links: LinkFacts | null };

/** A boot renames netdevs one after the other. */
const numReadsMax = 4;

const shownNames = (names: NetdevNames): string => JSON.stringify([...names]);

/**
 * Names by function, and what netlink says by name. udev may rename a netdev between the two: it
 * would have no attributes, and a PF no permanent MAC and no policies. So where netlink does not
 * know a name, the names are listed again, and where these changed both are read again.
 */
export async function readNetdevs(
  paths: LinuxPaths,
  reader: TreeReader,
  readLinks: () => Promise<LinkFacts | null>,
): Promise<NetdevsNow> {
  let netdevNames = readNetdevNames(paths, reader);
  for (let numReads = 1; ; numReads++) {
    const numProblems = reader.problems.length;
    const links = await readLinks();
    const now = { netdevNames, links };
    if (links === null || numReads === numReadsMax) return now;
    const isKnown = (name: string): boolean => links.netdevs.has(name);
    if (netdevNames.values().every((names) => names.every(isKnown))) return now;
    netdevNames = readNetdevNames(paths, reader);
    // One that netlink does not show at all.
    if (shownNames(netdevNames) === shownNames(now.netdevNames)) return now;
    // What this reading met, the next one meets again.
    reader.problems.length = numProblems;
  }
}

export const bareNetdev = (name: string): Netdev => ({
  name,
  ifindex: null,
  mac: null,
  permanentMac: null,
  mtu: null,
  isUp: null,
  hasLink: null,
  linkSpeedMbps: null,
  portName: null,
});

/** Name and ifindex only: what a VF's netdev costs without netlink. */
export const indexedNetdev = (paths: LinuxPaths, name: string, reader: TreeReader): Netdev => ({
  ...bareNetdev(name),
  ifindex: reader.decimal(`${paths.netdevs}/${name}/ifindex`),
});

const interfaceUp = 0x1; // IFF_UP

/** What sysfs says about a netdev. `speed` and `carrier` are left out on a live host: both take
 * the network lock (net/core/net-sysfs.c speed_show(), carrier_show()). */
export function netdevFromFiles(paths: LinuxPaths, name: string, reader: TreeReader): Netdev {
  const folder = `${paths.netdevs}/${name}`;
  const files = new Set(reader.namesIfThere(folder));
  const decimal = (file: string): number | null =>
    files.has(file) ? reader.decimal(`${folder}/${file}`) : null;
  const text = (file: string): string | null =>
    files.has(file) ? reader.text(`${folder}/${file}`) : null;
  const flags = files.has("flags") ? reader.hexadecimal(`${folder}/flags`) : null;
  const address = text("address");
  const operstate = text("operstate");
  return {
    name,
    ifindex: decimal("ifindex"),
    mac: address !== null && /^[0-9a-f]{2}(?::[0-9a-f]{2})+$/i.test(address) ? address : null,
    permanentMac: null,
    mtu: decimal("mtu"),
    isUp: flags === null ? null : (flags & interfaceUp) !== 0,
    hasLink: operstate === "up" ? true : operstate === "down" ? false : null,
    linkSpeedMbps: null,
    // A driver without port names refuses with EOPNOTSUPP, which is no gap.
    portName: reader.textIfThere(`${folder}/phys_port_name`, ["EOPNOTSUPP"]) || null,
  };
}
