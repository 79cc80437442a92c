// What `ip -details -json address show` tells of a namespace's netdevs, as far as moving one needs
// it. The PCI function behind a netdev is its parent device; names change, that does not.

import type { Address } from "../../model/bdf.ts";

export type NamespaceLink = {
  readonly ifindex: number;
  readonly name: string;
  readonly altNames: readonly string[];
  /** PCI function; null where there is none. */
  readonly parent: Address | null;
  readonly mac: string | null;
  readonly isUp: boolean;
  readonly hasLink: boolean;
  /** `192.0.2.1/24`, without those that come with the interface. */
  readonly ipAddresses: readonly string[];
};

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const texts = (value: unknown): readonly string[] =>
  list(value).filter((each) => typeof each === "string");

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

function addressesOf(value: unknown): string[] {
  return list(value).flatMap((each) => {
    const { local, prefixlen, scope } = record(each);
    if (typeof local !== "string" || typeof prefixlen !== "number" || scope === "link") return [];
    return [`${local}/${prefixlen}`];
  });
}

/** Links without a name or an index are left out; text that is no JSON has none. */
export function parseNamespaceLinks(text: string): NamespaceLink[] {
  let links: unknown;
  try {
    links = JSON.parse(text);
  } catch {
    return []; // ip prints nothing at all where there is no link
  }
  return list(links).flatMap((each): NamespaceLink[] => {
    const { ifindex, ifname, altnames, parentbus, parentdev, address, flags, addr_info } =
      record(each);
    if (typeof ifname !== "string" || typeof ifindex !== "number") return [];
    return [
      {
        ifindex,
        name: ifname,
        altNames: texts(altnames),
        parent: parentbus === "pci" ? textOrNull(parentdev) : null,
        mac: textOrNull(address),
        isUp: texts(flags).includes("UP"),
        hasLink: texts(flags).includes("LOWER_UP"),
        ipAddresses: addressesOf(addr_info),
      },
    ];
  });
}
