// What netlink tells an inventory: every netdev's attributes, what PFs' drivers say about their
// VFs, and eswitch modes. Loaded only when it is wanted: the socket costs a native library. The same
// from replies of another time, which a capture holds.

import type { NetlinkReplies } from "../../capture/netlink-replies.ts";
import type { Address } from "../../model/bdf.ts";
import type { EswitchMode, Netdev } from "../../model/inventory.ts";
import type { Problem } from "../../model/problem.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import { decodeDevlink } from "../../netlink/devlink.ts";
import { rtnetlinkNumber } from "../../netlink/kernel-numbers.ts";
import { decodeLink, netdevOf } from "../../netlink/link.ts";
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
  /** As the kernel said it; absent where another program did. */
  readonly replies?: NetlinkReplies;
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

function factsOfLinks(links: readonly Link[], speeds: ReadonlyMap<string, number>) {
  const netdevs = new Map<string, Netdev>();
  const policies = new Map<string, VfPolicies>();
  for (const link of links) {
    netdevs.set(link.name, netdevOf(link, speeds.get(link.name) ?? null));
    if (link.virtualFunctions === null) continue;
    const byIndex = link.virtualFunctions.map(({ vfIndex, policy }) => [vfIndex, policy] as const);
    policies.set(link.name, new Map(byIndex));
  }
  return { netdevs, policies };
}

export function readLinkFacts(question: LinkQuestion, reader: TreeReader): LinkFacts {
  const { links, paths, steadyPfs } = question;
  const reading = links.readLinks();
  const eswitch = readEswitchModes("pci", steadyPfs);
  const before = reader.problems.length;
  reader.problems.push(...reading.problems, ...eswitch.problems);
  const speeds = new Map<string, number>();
  for (const link of reading.links) {
    // A VF's speed is its PF's: only links with VFs, or that could have them, are asked.
    const speed = link.virtualFunctions === null ? null : speedOf(paths, link, reader);
    if (speed !== null) speeds.set(link.name, speed);
  }
  const facts = { ...factsOfLinks(reading.links, speeds), eswitchModes: eswitch.modes };
  const messages = reading.links.map(({ bytes }) => bytes);
  if (messages.some(({ length }) => length === 0)) return facts;
  const decoded = new Set(linksOf(messages).problems.map((problem) => JSON.stringify(problem)));
  const others = reader.problems
    .slice(before)
    .filter((problem) => !decoded.has(JSON.stringify(problem)));
  const replies = {
    links: messages,
    speeds: [...speeds],
    eswitch: [...eswitch.replies],
    problems: others,
  };
  return { ...facts, replies };
}

function linksOf(payloads: readonly Uint8Array[]) {
  const type = rtnetlinkNumber.RTM_NEWLINK;
  const readings = payloads.map((payload) =>
    decodeLink({ type, flags: 0, sequence: 0, portId: 0, payload }),
  );
  return {
    links: readings.flatMap(({ link }): Link[] => (link === null ? [] : [link])),
    problems: readings.flatMap(({ problems }): readonly Problem[] => problems),
  };
}

/** A family's number is given out at boot; which one it was does not matter afterwards. */
const anyFamily = 0;

function modeOf(payload: Uint8Array): EswitchMode | null {
  const message = { type: anyFamily, flags: 0, sequence: 0, portId: 0, payload };
  return decodeDevlink(message, anyFamily)?.eswitchMode ?? null;
}

/** Facts of replies that were kept. */
export function linkFactsOf(replies: NetlinkReplies, reader: TreeReader): LinkFacts {
  const { links, problems } = linksOf(replies.links);
  reader.problems.push(...problems, ...replies.problems);
  const modes = replies.eswitch.flatMap(([pf, payload]) => {
    const mode = modeOf(payload);
    return mode === null ? [] : [[pf, mode] as const];
  });
  const facts = factsOfLinks(links, new Map(replies.speeds));
  return { ...facts, eswitchModes: new Map(modes), replies };
}
