// The name that a netdev had before it was moved, kept on the netdev itself as an alternative name:
// it goes along into the namespace, and comes back with the netdev when the namespace dies and the
// kernel hands it to the host under whatever name it had (net/core/dev.c default_device_exit_net()).

import type { Address } from "../../model/bdf.ts";

const pattern = /^sriovctl_was_(.{1,15})_([0-9a-f]{4,8}_[0-9a-f]{2}_[0-9a-f]{2}\.[0-7])$/;

/** dev_valid_name() takes no colon. The VF's address makes it this VF's alone. */
const addressPart = (vf: Address): string => vf.replaceAll(":", "_");

export const markOf = (vf: Address, formerName: string): string =>
  `sriovctl_was_${formerName}_${addressPart(vf)}`;

type Mark = { readonly altName: string; readonly formerName: string };

/** Our mark among a netdev's alternative names; null where nobody of us moved it. */
export function markAmong(altNames: readonly string[], vf: Address): Mark | null {
  for (const altName of altNames) {
    const [, formerName, of] = pattern.exec(altName) ?? [];
    if (formerName !== undefined && of === addressPart(vf)) return { altName, formerName };
  }
  return null;
}

type Named = { readonly name: string; readonly altNames: readonly string[] };

/** The kernel keeps names and alternative names apart from each other in one namespace. */
export const isTaken = (links: readonly Named[], name: string): boolean =>
  links.some((link) => link.name === name || link.altNames.includes(name));

/** The first of these that nobody has there, or one that is free for certain. */
export function freeName(
  links: readonly Named[],
  wanted: readonly string[],
  ifindex: number,
): string {
  const free = wanted.find((name) => !isTaken(links, name));
  if (free !== undefined) return free;
  for (let number = ifindex; ; number++) {
    if (!isTaken(links, `vf${number}`)) return `vf${number}`;
  }
}
