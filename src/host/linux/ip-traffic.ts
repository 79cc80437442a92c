// What `ip -j address` and `ip -j route show table all` print, read into the same types as
// netlink's own messages.

import type { InterfaceAddress, Route } from "../../netlink/route.ts";

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function rowsOf(output: string): Json[] {
  try {
    const parsed: unknown = JSON.parse(output);
    return Array.isArray(parsed) ? parsed.filter(isObject) : [];
  } catch {
    return []; // ip prints nothing at all where there is nothing
  }
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

const familyOf = (value: unknown): "inet" | "inet6" | null =>
  value === "inet" || value === "inet6" ? value : null;

export function parseIpAddresses(output: string): InterfaceAddress[] {
  return rowsOf(output).flatMap((row) => {
    const { ifindex } = row;
    if (typeof ifindex !== "number") return [];
    return list(row["addr_info"]).flatMap((info) => {
      const family = familyOf(info["family"]);
      const address = text(info["local"]);
      const prefixLength = info["prefixlen"];
      if (family === null || address === null || typeof prefixLength !== "number") return [];
      const isLinkLocal = info["scope"] === "link";
      return [{ ifindex, family, address, prefixLength, isLinkLocal }];
    });
  });
}

const tableNumbers: Readonly<Record<string, number>> = { default: 253, main: 254, local: 255 };

const tableOf = (name: string | null): number =>
  name === null ? 254 : (tableNumbers[name] ?? (/^\d+$/.test(name) ? Number(name) : 0));

/** Unicast routes of one family; interface names become indexes. */
export function parseIpRoutes(
  output: string,
  family: "inet" | "inet6",
  indexes: ReadonlyMap<string, number>,
): Route[] {
  return rowsOf(output).flatMap((row) => {
    if (row["type"] !== undefined && row["type"] !== "unicast") return [];
    const hops = [row, ...list(row["nexthops"])];
    const ifindexes = hops.flatMap((hop) => indexes.get(text(hop["dev"]) ?? "") ?? []);
    const destination = destinationOf(text(row["dst"]) ?? "default", family);
    const table = tableOf(text(row["table"]));
    const isLinkLocal = family === "inet6" && /^(?:fe[89ab]|ff)/.test(destination);
    const route: Route = {
      family,
      ifindexes,
      destination,
      gateway: text(row["gateway"]),
      table,
      isDefault: destination.endsWith("/0"),
      isAutomatic: row["protocol"] === "kernel" || table === tableNumbers["local"] || isLinkLocal,
    };
    return [route];
  });
}

/** ip prints `default` for everything and leaves out the length of a host's prefix. */
function destinationOf(printed: string, family: "inet" | "inet6"): string {
  const isInet = family === "inet";
  if (printed === "default") return isInet ? "0.0.0.0/0" : "::/0";
  return printed.includes("/") ? printed : `${printed}/${isInet ? 32 : 128}`;
}
