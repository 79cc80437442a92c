// What netlink tells an inventory: every netdev's attributes, what PFs' drivers say about their
// VFs, and eswitch modes. Loaded only when it is wanted: the socket costs a native library.

import type { Address } from "../../model/bdf.ts";
import type { EswitchMode, Netdev } from "../../model/inventory.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import { netdevOf } from "../../netlink/link.ts";
import type { Link } from "../../netlink/link-attributes.ts";
import { readEswitchModes } from "./devlink-modes.ts";
import type { Links } from "./links.ts";
import type { LinuxPaths } from "./paths.ts";
import type { TreeReader } from "./tree-reader.ts";

/** By VF index: the kernel leaves out VFs that it could not ask about. */
export type VfPolicies = ReadonlyMap<number, VfPolicy>;

export type LinkFacts = {
  readonly netdevs: ReadonlyMap<string, Netdev>;
  /** By the name of the PF's netdev; only where its driver reports VF attributes. */
  readonly policies: ReadonlyMap<string, VfPolicies>;
  readonly eswitchModes: ReadonlyMap<Address, EswitchMode>;
};

/** Speed of a link that is up. The file takes the network lock, as the dump before it did. */
function speedOf(paths: LinuxPaths, { name, isUp, hasCarrier }: Link, reader: TreeReader) {
  if (!isUp || hasCarrier !== true) return null;
  const text = reader.textIfThere(`${paths.netdevs}/${name}/speed`, ["EINVAL", "EOPNOTSUPP"]);
  const speed = Number(text ?? "");
  // SPEED_UNKNOWN is -1, printed signed or not.
  return Number.isInteger(speed) && speed > 0 && speed < 0xffffffff ? speed : null;
}

type LinkQuestion = {
  readonly links: Links;
  readonly paths: LinuxPaths;
  /** PFs that nobody is changing: devlink would wait for the change of another. */
  readonly steadyPfs: readonly Address[];
};

export function readLinkFacts(question: LinkQuestion, reader: TreeReader): LinkFacts {
  const { links, paths, steadyPfs } = question;
  const reading = links.readLinks();
  const eswitch = readEswitchModes("pci", steadyPfs);
  reader.problems.push(...reading.problems, ...eswitch.problems);
  const netdevs = new Map<string, Netdev>();
  const policies = new Map<string, VfPolicies>();
  for (const link of reading.links) {
    // A VF's speed is its PF's: only links with VFs, or that could have them, are asked.
    const speed = link.virtualFunctions === null ? null : speedOf(paths, link, reader);
    netdevs.set(link.name, netdevOf(link, speed));
    if (link.virtualFunctions === null) continue;
    const byIndex = link.virtualFunctions.map(({ vfIndex, policy }) => [vfIndex, policy] as const);
    policies.set(link.name, new Map(byIndex));
  }
  return { netdevs, policies, eswitchModes: eswitch.modes };
}
