// LXC, by itself and below Proxmox VE: interfaces that a container takes away from the host
// (`phys`) or stands on (`macvlan`, `ipvlan`, `vlan`), in lxc.container.conf(5).

import type { Wish, WishReading } from "../../model/reservation.ts";
import { baseName, type ConfigFile, folderOf } from "../config-file.ts";
import { atNetdev, boundedWishes, wishFor } from "./reader.ts";

const networkKey = /^lxc\.net(?:work)?(?:\.([0-9]{1,4}))?\.(type|link)\s*[=:]\s*(\S+)\s*$/;

type Network = { type?: string; link?: { readonly name: string; readonly line: number } };

const taking = new Set(["phys", "macvlan", "ipvlan", "vlan"]);

function networksOf(text: string): Network[] {
  const networks: Network[] = [];
  const byIndex = new Map<string, Network>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    // Proxmox VE: snapshots follow.
    if (line.startsWith("[")) break;
    const [, number, key, value = ""] = networkKey.exec(line) ?? [];
    if (key === undefined) continue;
    let network = number === undefined ? networks.at(-1) : byIndex.get(number);
    // Before LXC 2.1 numbers were left out, and each `type` begins another network.
    const isNew = network === undefined || (number === undefined && key === "type");
    if (network === undefined || isNew) {
      network = {};
      networks.push(network);
      if (number !== undefined) byIndex.set(number, network);
    }
    if (key === "type") network.type = value;
    else network.link = { name: value, line: index + 1 };
  }
  return networks;
}

/** `/etc/pve/lxc/101.conf`, or `/var/lib/lxc/web1/config`. */
const nameOf = (path: string): string =>
  path.endsWith(".conf") ? baseName(path).replace(/\.conf$/, "") : baseName(folderOf(path));

export function readLxc(files: readonly ConfigFile[]): WishReading {
  const wishes = files.flatMap(({ path, text }) =>
    boundedWishes(
      networksOf(text).flatMap(({ type = "", link }): Wish[] => {
        if (link === undefined || !taking.has(type)) return [];
        const name = nameOf(path);
        const manager = path.startsWith("/etc/pve/") ? "proxmox" : "lxc";
        const isTaken = type === "phys";
        const role = isTaken ? "function" : "shares";
        const does = isTaken ? "takes" : "stands on";
        const evidence = `${path}:${link.line}: ${name} ${does} ${link.name} (${type})`;
        const common = { kind: "container", name, manager, role } as const;
        return [wishFor(atNetdev(link.name), common, evidence)];
      }),
    ),
  );
  return { wishes, problems: [] };
}
