// Own addresses that the cluster of this host talks over, as long as corosync runs. Host names are
// looked up in /etc/hosts alone: nobody is asked over a network that may be gone.

import { existsSync } from "node:fs";
import type { TrafficReading } from "../links.ts";
import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import { commandOf, type Process } from "./processes.ts";

export type ClusterLinks = {
  readonly name: string;
  readonly addresses: ReadonlySet<string>;
};

const file = "/etc/corosync/corosync.conf";
const bytesMax = 1 << 18;

export async function readClusterLinks(
  paths: LinuxPaths,
  { addresses }: TrafficReading,
  processes: readonly Process[],
): Promise<ClusterLinks | null> {
  if (!processes.some((process) => commandOf(process) === "corosync")) return null;
  const path = `${paths.prefix}${file}`;
  if (!existsSync(path)) return null;
  const { addressesInHosts, isInNetwork, parseCorosync } =
    await import("../../../coexist/corosync.ts");
  const reader = new TreeReader();
  const cluster = parseCorosync(reader.boundedText(path, bytesMax) ?? "");
  if (cluster === null) return null;
  const hosts = reader.boundedText(`${paths.prefix}/etc/hosts`, bytesMax) ?? "";
  const links = new Set([
    ...cluster.nodeNames,
    ...cluster.nodeNames.flatMap((name) => addressesInHosts(hosts, name)),
  ]);
  const own = addresses.filter(
    ({ address, prefixLength }) =>
      links.has(address) ||
      cluster.networks.some((network) => isInNetwork(address, prefixLength, network)),
  );
  return { name: cluster.name, addresses: new Set(own.map(({ address }) => address)) };
}
