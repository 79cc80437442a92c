// corosync.conf(5): the addresses that a cluster talks over. A node whose link goes is fenced, so the
// interface below is in use by more than its address says.

type ClusterConfig = {
  readonly name: string;
  /** Addresses and host names of all nodes' links. */
  readonly nodeNames: readonly string[];
  /** Network addresses, `10.0.0.0`, of older configurations. */
  readonly networks: readonly string[];
};

const linesMax = 10_000;

/** null where it is no cluster's configuration. */
export function parseCorosync(text: string): ClusterConfig | null {
  const sections: string[] = [];
  let name = "corosync";
  let isCluster = false;
  const nodeNames: string[] = [];
  const networks: string[] = [];
  for (const raw of text.split(/\r?\n/, linesMax)) {
    const line = raw.trim();
    const section = /^(\w+)\s*\{$/.exec(line)?.[1];
    if (line.startsWith("#")) continue;
    if (section !== undefined) sections.push(section);
    else if (line === "}") sections.pop();
    const [, key = "", value = ""] = /^(\w+)\s*:\s*(\S+)$/.exec(line) ?? [];
    const place = sections.join(".");
    if (place === "totem") isCluster = true;
    if (place === "totem" && key === "cluster_name") name = value;
    if (place === "totem.interface" && key === "bindnetaddr") networks.push(value);
    if (place === "nodelist.node" && /^ring[0-7]_addr$/.test(key)) nodeNames.push(value);
  }
  return isCluster ? { name, nodeNames, networks } : null;
}

/** Addresses of a name in hosts(5). */
export function addressesInHosts(hosts: string, name: string): string[] {
  return hosts.split(/\r?\n/, linesMax).flatMap((line) => {
    const [address = "", ...names] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    return names.includes(name) ? [address] : [];
  });
}

const partsOf = (address: string): number[] | null => {
  const parts = address.split(".").map(Number);
  return parts.length === 4 && parts.every((part) => part >= 0 && part <= 255) ? parts : null;
};

/** Whether an IPv4 address is in the network that `bindnetaddr` names, by its own prefix. */
export function isInNetwork(address: string, prefixLength: number, network: string): boolean {
  const [own, wanted] = [partsOf(address), partsOf(network)];
  if (own === null || wanted === null) return address === network;
  return own.every((part, at) => {
    const bits = Math.min(8, Math.max(0, prefixLength - at * 8));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (part & mask) === ((wanted[at] ?? 0) & mask);
  });
}
