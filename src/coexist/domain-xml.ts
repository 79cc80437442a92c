// The PCI devices of a libvirt domain, from the XML that a hook gets: which functions the guest is to
// have, under which alias, and what libvirt will set on them by itself. Any text ends as a domain or
// a problem. Authority: docs/formatdomain.html "Host device assignment", src/conf/domain_conf.c.

import { DOMParser, type Element } from "@xmldom/xmldom";
import { formatBdf, type Address } from "../model/bdf.ts";
import { parseMac } from "../model/mac.ts";
import type { Problem } from "../model/problem.ts";

export type GuestDevice = {
  readonly address: Address;
  /** As a spec's `libvirt:DOMAIN/ALIAS` names it, without libvirt's `ua-`; null without one. */
  readonly alias: string | null;
  /** MAC and VLAN that libvirt sets through the PF before the start; null: it sets none. */
  readonly mac: string | null;
  readonly vlanId: number | null;
};

type Domain = { readonly name: string; readonly devices: readonly GuestDevice[] };

const childOf = (element: Element | null, name: string): Element | null => {
  for (const node of element?.childNodes ?? []) {
    if (node.nodeType === 1 && node.nodeName === name) return node as Element;
  }
  return null;
};

const childrenOf = (element: Element | null): Element[] =>
  [...(element?.childNodes ?? [])].filter((node): node is Element => node.nodeType === 1);

const attribute = (element: Element | null, name: string): string | null =>
  element?.getAttribute(name) ?? null;

/** libvirt writes hexadecimal with 0x; people may write decimals (virStrToLong_uip(, 0)). */
function numberOf(element: Element, name: string, max: number): number | null {
  const text = attribute(element, name) ?? "";
  if (!/^(?:0x[0-9a-f]{1,8}|[0-9]{1,5})$/i.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}

function addressOf(source: Element | null): Address | null {
  const element = childOf(source, "address");
  if (element === null) return null;
  const domain = element.hasAttribute("domain") ? numberOf(element, "domain", 0xffff) : 0;
  const bus = numberOf(element, "bus", 0xff);
  const slot = numberOf(element, "slot", 0x1f);
  const fn = numberOf(element, "function", 7);
  if (domain === null || bus === null || slot === null || fn === null) return null;
  return formatBdf({ domain, routingId: (bus << 8) | (slot << 3) | fn });
}

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

/** Never throws. */
export function parseDomain(xml: string): Domain | Problem {
  let root: Element | null;
  try {
    const parser = new DOMParser({
      onError: (level, message) => {
        if (level !== "warning") throw new Error(message);
      },
    });
    root = parser.parseFromString(xml, "text/xml").documentElement;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return problem(words.split("\n")[0] ?? "");
  }
  if (root?.nodeName !== "domain") return problem(`it is ${root?.nodeName}, wanted a domain`);
  const name = childOf(root, "name")?.textContent?.trim() ?? "";
  if (name === "") return problem("it has no name");
  const devices = childrenOf(childOf(root, "devices")).filter(isPci);
  return { name, devices: devices.flatMap((element) => deviceOf(element) ?? []) };
}
