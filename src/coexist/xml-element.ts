// XML as libvirt writes it: elements, attributes, numbers and PCI addresses. Any text ends as an element
// or as words; nothing throws, and what is not there is null.

import { DOMParser, type Element } from "@xmldom/xmldom";
import { formatBdf, type Address } from "../model/bdf.ts";

export const childOf = (element: Element | null, name: string): Element | null => {
  for (const node of element?.childNodes ?? []) {
    if (node.nodeType === 1 && node.nodeName === name) return node as Element;
  }
  return null;
};

export const childrenOf = (element: Element | null): Element[] =>
  [...(element?.childNodes ?? [])].filter((node): node is Element => node.nodeType === 1);

export const attribute = (element: Element | null, name: string): string | null =>
  element?.getAttribute(name) ?? null;

/** libvirt writes hexadecimal with 0x; people may write decimals (virStrToLong_uip(, 0)). */
export function numberOf(element: Element, name: string, max: number): number | null {
  const text = attribute(element, name) ?? "";
  if (!/^(?:0x[0-9a-f]{1,8}|[0-9]{1,7})$/i.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}

/** The function that an `<address>` names. */
export function pciAddress(element: Element): Address | null {
  const domain = element.hasAttribute("domain") ? numberOf(element, "domain", 0xffff) : 0;
  const bus = numberOf(element, "bus", 0xff);
  const slot = numberOf(element, "slot", 0x1f);
  const fn = numberOf(element, "function", 7);
  if (domain === null || bus === null || slot === null || fn === null) return null;
  return formatBdf({ domain, routingId: (bus << 8) | (slot << 3) | fn });
}

/** The function of the host that a `<source>` names. */
export function addressOf(source: Element | null): Address | null {
  const element = childOf(source, "address");
  return element === null ? null : pciAddress(element);
}

/** The outermost element; words that say what is wrong where there is none. */
export function rootOf(xml: string): Element | string | null {
  try {
    const parser = new DOMParser({
      onError: (level, message) => {
        if (level !== "warning") throw new Error(message);
      },
    });
    return parser.parseFromString(xml, "text/xml").documentElement;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return words.split("\n")[0] ?? "";
  }
}
