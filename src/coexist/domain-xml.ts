// The PCI devices of a libvirt domain, from the XML that a hook gets or that libvirt keeps: which
// functions the guest is to have, under which alias, what libvirt will set on them by itself, and
// which pools and interfaces it takes one from. Any text ends as a domain or a problem. Authority: docs/formatdomain.html "Host device assignment", src/conf/domain_conf.c.

import type { Element } from "@xmldom/xmldom";
import type { Address } from "../model/bdf.ts";
import { parseMac } from "../model/mac.ts";
import type { Problem } from "../model/problem.ts";
import {
  addressOf,
  attribute,
  childOf,
  childrenOf,
  numberOf,
  pciAddress,
  rootOf,
} from "./xml-element.ts";

export type GuestDevice = {
  readonly address: Address;
  /** As a spec's `libvirt:DOMAIN/ALIAS` names it, without libvirt's `ua-`; null without one. */
  readonly alias: string | null;
  /** MAC and VLAN that libvirt sets through the PF before the start; null: it sets none. */
  readonly mac: string | null;
  readonly vlanId: number | null;
};

type Domain = { readonly name: string; readonly devices: readonly GuestDevice[] };

/** What a domain is to have: functions by address, and those that are found at its start. */
export type DomainWishes = Domain & {
  /** Process of the domain that runs; null where the text says only how it is defined. */
  readonly pid: number | null;
  readonly isLive: boolean;
  readonly networks: readonly string[];
  /** Interfaces of the host below a macvtap, or passed through. */
  readonly netdevs: readonly string[];
};

export type PoolNetwork = {
  readonly name: string;
  /** Interfaces of the PFs whose VFs it hands out. */
  readonly pfNetdevs: readonly string[];
  /** Functions that it hands out by address. */
  readonly addresses: readonly Address[];
};

function isPci(element: Element): boolean {
  const type = attribute(element, "type");
  if (element.nodeName === "hostdev") return type === "pci";
  // An interface from a pool of VFs is shown with the VF that was chosen, as of this type.
  return element.nodeName === "interface" && type === "hostdev";
}

function deviceOf(element: Element): GuestDevice | null {
  const address = addressOf(childOf(element, "source"));
  if (address === null) return null;
  const alias = attribute(childOf(element, "alias"), "name")?.replace(/^ua-/, "") ?? null;
  if (element.nodeName === "hostdev") return { address, alias, mac: null, vlanId: null };
  const mac = parseMac(attribute(childOf(element, "mac"), "address") ?? "");
  const tag = childOf(childOf(element, "vlan"), "tag");
  return { address, alias, mac, vlanId: tag === null ? null : numberOf(tag, "id", 4095) };
}

const problem = (message: string): Problem => ({
  code: "domain-xml",
  where: "<domain>",
  message: `Cannot read the domain: ${message}`,
});

const nameIn = (element: Element): string => childOf(element, "name")?.textContent?.trim() ?? "";

function domainOf(root: Element | null): Domain | Problem {
  if (root?.nodeName !== "domain") return problem(`it is ${root?.nodeName}, wanted a domain`);
  const name = nameIn(root);
  if (name === "") return problem("it has no name");
  const devices = childrenOf(childOf(root, "devices")).filter(isPci);
  return { name, devices: devices.flatMap((element) => deviceOf(element) ?? []) };
}

/** Never throws. */
export function parseDomain(xml: string): Domain | Problem {
  const root = rootOf(xml);
  return typeof root === "string" ? problem(root) : domainOf(root);
}

/** An interface that runs says inside what it has become (src/conf/domain_conf.c, `<actual>`). */
const actualDevice = (element: Element): GuestDevice[] => {
  const actual = childOf(element, "actual");
  const address =
    attribute(actual, "type") === "hostdev" ? addressOf(childOf(actual, "source")) : null;
  return address === null ? [] : [{ address, alias: null, mac: null, vlanId: null }];
};

/** linux/threads.h PID_MAX_LIMIT; systemd sets it on 64-bit machines. */
const pidMax = 4_194_304;

/** A domain as libvirt keeps it: defined below /etc, or with its state (`<domstatus>`) below /run.
 * Never throws. */
export function parseDomainFile(xml: string): DomainWishes | Problem {
  const root = rootOf(xml);
  if (typeof root === "string") return problem(root);
  const isLive = root?.nodeName === "domstatus";
  const inner = isLive ? childOf(root, "domain") : root;
  const domain = domainOf(inner);
  if ("message" in domain) return domain;
  const pid = isLive && root !== null ? numberOf(root, "pid", pidMax) : null;
  const interfaces = childrenOf(childOf(inner, "devices")).filter(
    ({ nodeName }) => nodeName === "interface",
  );
  const sourcesOf = (type: string, name: string): string[] =>
    interfaces
      .filter((element) => attribute(element, "type") === type)
      .flatMap((element) => attribute(childOf(element, "source"), name) ?? []);
  return {
    ...domain,
    devices: [...domain.devices, ...interfaces.flatMap(actualDevice)],
    pid,
    isLive,
    networks: sourcesOf("network", "network"),
    netdevs: sourcesOf("direct", "dev"),
  };
}

/** A network that hands out VFs; null for every other network. Never throws. */
export function parsePoolNetwork(xml: string): PoolNetwork | Problem | null {
  const root = rootOf(xml);
  if (typeof root === "string") return problem(root);
  const network = root?.nodeName === "networkstatus" ? childOf(root, "network") : root;
  if (network?.nodeName !== "network") return problem(`it is ${root?.nodeName}, wanted a network`);
  const forward = childOf(network, "forward");
  // Pools of interfaces for macvtap take VFs by `pf` too.
  const pfNetdevs = childrenOf(forward)
    .filter(({ nodeName }) => nodeName === "pf")
    .flatMap((element) => attribute(element, "dev") ?? []);
  const isHostdev = attribute(forward, "mode") === "hostdev";
  const wrapped = isHostdev ? childrenOf(forward) : [];
  const addresses = wrapped.flatMap((element) => pciAddress(element) ?? []);
  const name = nameIn(network);
  if (name === "" || (pfNetdevs.length === 0 && addresses.length === 0)) return null;
  return { name, pfNetdevs, addresses };
}
