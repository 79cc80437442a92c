// libvirt: domains as they are defined and as they run, and networks that hand out VFs. Parsing
// XML is slow, so that only files that can name a function are parsed.

import { parsePoolNetwork, parseDomainFile, type PoolNetwork } from "../domain-xml.ts";
import type { DomainWishes } from "../domain-xml.ts";
import type { Problem } from "../../model/problem.ts";
import type { Wish, WishReading } from "../../model/reservation.ts";
import { type ConfigFile, folderOf } from "../config-file.ts";
import { atAddress, atNetdev, boundedWishes, wishFor } from "./reader.ts";

const networkFolders = new Set(["/etc/libvirt/qemu/networks", "/run/libvirt/network"]);

const manager = "libvirt";

type FilePool = PoolNetwork & { readonly path: string };

const mayHaveFunctions = (text: string, pools: readonly FilePool[]): boolean =>
  /hostdev|type=['"]direct['"]/.test(text) || pools.some(({ name }) => text.includes(name));

function poolWishes({ name, pfNetdevs, addresses, path }: FilePool): Wish[] {
  const common = { kind: "pool", name, manager } as const;
  return [
    ...pfNetdevs.map((netdev) =>
      wishFor(atNetdev(netdev), { ...common, role: "vfs" }, `${path}: hands out VFs of ${netdev}`),
    ),
    ...addresses.map((address) =>
      wishFor(atAddress(address), { ...common, role: "function" }, `${path}: hands it out`),
    ),
  ];
}

/**
 * The parts of a definition that can name a function, as a domain of their own: parsing all of it
 * costs twice as much. null for what libvirt does not write itself, which is parsed as it is.
 */
function outlineOf(text: string): string | null {
  const own = text.replace(/^\s*<!--(?:(?!-->)[\s\S])*-->/, "").trim();
  const isPlain = /^<domain\b/.test(own) && own.endsWith("</domain>") && !own.includes("<!");
  const name = /<name>[^<]*<\/name>/.exec(own)?.[0];
  const inside = /<devices>([\s\S]*)<\/devices>/.exec(own)?.[1];
  if (!isPlain || name === undefined || inside === undefined) return null;
  const devices = inside.match(/<(hostdev|interface)\b[^>]*[^/]>[\s\S]*?<\/\1>/g) ?? [];
  return `<domain>${name}<devices>${devices.join("")}</devices></domain>`;
}

const aliasWords = (alias: string | null): string => (alias === null ? "" : ` as ${alias}`);

function domainWishes(path: string, domain: DomainWishes, pools: readonly FilePool[]): Wish[] {
  const { name, devices, netdevs, networks, isLive, pid } = domain;
  const common = { kind: "vm", name, manager } as const;
  const how = isLive
    ? `runs with it${pid === null ? "" : ` (process ${pid})`}`
    : "is defined with it";
  const own = devices.map(({ address, alias }) => {
    const evidence = `${path}: ${name} ${how}${aliasWords(alias)}`;
    return wishFor(atAddress(address), { ...common, role: "function" }, evidence);
  });
  const direct = netdevs.map((netdev) => {
    const evidence = `${path}: ${name} ${isLive ? "runs" : "is defined"} on top of ${netdev}`;
    return wishFor(atNetdev(netdev), { ...common, role: "shares" }, evidence);
  });
  // Whichever VF it gets: that is the pool's reservation, and one sign more of it.
  const pooled = pools
    .filter((pool) => networks.includes(pool.name))
    .flatMap((pool) => poolWishes(pool))
    .map((wish) => ({
      ...wish,
      reservation: { ...wish.reservation, evidence: [`${path}: ${name} takes a VF from it`] },
    }));
  return [...own.map((wish) => ({ ...wish, isLive })), ...direct, ...pooled];
}

const placed = ({ message }: Problem, path: string): Problem => ({
  code: "reservation-file",
  where: path,
  message: `${path}: ${message}`,
});

export function readLibvirt(files: readonly ConfigFile[]): WishReading {
  const problems: Problem[] = [];
  const isNetwork = ({ path }: ConfigFile): boolean => networkFolders.has(folderOf(path));
  const pools: FilePool[] = [];
  for (const { path, text } of files.filter(isNetwork)) {
    const pool = /hostdev|<pf\b/.test(text) ? parsePoolNetwork(text) : null;
    if (pool === null) continue;
    if ("message" in pool) problems.push(placed(pool, path));
    else pools.push({ ...pool, path });
  }
  const wishes = pools.flatMap(poolWishes);
  for (const file of files) {
    if (isNetwork(file) || !mayHaveFunctions(file.text, pools)) continue;
    const domain = parseDomainFile(outlineOf(file.text) ?? file.text);
    if ("message" in domain) problems.push(placed(domain, file.path));
    else wishes.push(...boundedWishes(domainWishes(file.path, domain, pools)));
  }
  return { wishes, problems };
}
