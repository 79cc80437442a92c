// A network of VFs as libvirt has it, as far as we write one: which VFs, which VLAN, and what else somebody
// put there. Any text ends as a network or as words. Authority: docs/formatnetwork.rst.

import {
  attribute,
  childOf,
  childrenOf,
  numberOf,
  pciAddress,
  rootOf,
} from "../../coexist/xml-element.ts";
import type { Address } from "../../model/bdf.ts";

export type VfNetwork = {
  readonly name: string;
  readonly uuid: string;
  /** Everything of it that sriovctl writes, in one order: equal texts are equal networks. */
  readonly content: string;
  /** Elements that sriovctl does not write: `portgroup`, `bandwidth`. */
  readonly foreign: readonly string[];
  /** Interfaces of guests that are connected to it; libvirt tells it of a network that runs. */
  readonly numConnections: number;
};

const written: ReadonlySet<string> = new Set(["name", "uuid", "forward", "vlan"]);

/** The network, or words that say why the text is none. Never throws. */
export function parseNetwork(xml: string): VfNetwork | string {
  const root = rootOf(xml);
  if (typeof root === "string") return root;
  if (root?.nodeName !== "network") return `it is ${root?.nodeName ?? "nothing"}, wanted a network`;
  const text = (name: string): string => childOf(root, name)?.textContent?.trim() ?? "";
  const [name, uuid] = [text("name"), text("uuid")];
  if (name === "" || uuid === "") return "it has no name or no UUID";
  const forward = childOf(root, "forward");
  const vlan = childOf(root, "vlan");
  const members = childrenOf(forward);
  const addresses = members.flatMap((each): Address[] => {
    const address = each.nodeName === "address" ? pciAddress(each) : null;
    return address === null ? [] : [address];
  });
  // `<pf>` and the like: another way to say which VFs.
  const others = members.filter(({ nodeName }) => !["address", "driver"].includes(nodeName));
  const content = JSON.stringify({
    mode: attribute(forward, "mode"),
    isManaged: attribute(forward, "managed") === "yes",
    driver: attribute(childOf(forward, "driver"), "name") ?? "vfio",
    addresses: addresses.toSorted(),
    others: others.map(({ nodeName }) => nodeName),
    isTrunk: attribute(vlan, "trunk") ?? "no",
    vlanIds: childrenOf(vlan).map((tag) => numberOf(tag, "id", 4095)),
  });
  const foreign = childrenOf(root).map(({ nodeName }) => nodeName);
  return {
    name,
    uuid,
    content,
    foreign: foreign.filter((each) => !written.has(each)),
    numConnections: numberOf(root, "connections", 0xffff) ?? 0,
  };
}
