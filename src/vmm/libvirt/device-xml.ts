// The XML of one VF for `virsh attach-device`. MAC and VLAN are in it when libvirt is to program them: it
// sets VLAN 0 where the XML has none (src/hypervisor/virhostdev.c virHostdevSetNetConfig()).

import { parseBdf, type Address } from "../../model/bdf.ts";
import type { Plug } from "../../model/plug.ts";

/** libvirt keeps only aliases with this prefix; all others are its own. */
const userPrefix = "ua-";

/** Any other is libvirt's own, for as long as the domain runs. */
export const isUserAlias = (alias: string | null): boolean =>
  alias?.startsWith(userPrefix) === true;

export const userAlias = (alias: string): string =>
  alias.startsWith(userPrefix) ? alias : `${userPrefix}${alias}`;

/** The plug's form, and what it is when nobody chose: the device alone, whose MAC and VLAN stay ours. */
export const formOf = ({ form }: Plug): "interface" | "hostdev" => form ?? "hostdev";

const hex = (value: number, digits: number): string =>
  `0x${value.toString(16).padStart(digits, "0")}`;

function addressXml(address: Address, type: string): string {
  const { domain, routingId } = parseBdf(address) ?? { domain: 0, routingId: 0 };
  const [bus, slot, fn] = [routingId >> 8, (routingId >> 3) & 31, routingId & 7];
  const place = `domain='${hex(domain, 4)}' bus='${hex(bus, 2)}' slot='${hex(slot, 2)}' function='0x${fn}'`;
  return `<address ${type}${place}/>`;
}

const escapes: Readonly<Record<string, string>> = {
  "<": "&lt;",
  "&": "&amp;",
  "'": "&apos;",
};

const attributeText = (text: string): string =>
  text.replaceAll(/[<&']/g, (one) => escapes[one] ?? one);

/** A device element; `alias` is without or with `ua-`, null for one that has none. */
export function deviceXml(plug: Plug, alias: string | null): string {
  const isInterface = formOf(plug) === "interface";
  const standby =
    plug.failover === null
      ? []
      : [`  <teaming type='transient' persistent='${attributeText(userAlias(plug.failover))}'/>`];
  const name = alias === null ? [] : [`  <alias name='${attributeText(userAlias(alias))}'/>`];
  const lines = isInterface
    ? [
        "<interface type='hostdev' managed='no'>",
        ...(plug.mac === null ? [] : [`  <mac address='${plug.mac}'/>`]),
        "  <driver name='vfio'/>",
        `  <source>${addressXml(plug.vf, "type='pci' ")}</source>`,
        ...(plug.vlan === null || plug.vlan.id === 0
          ? []
          : [`  <vlan><tag id='${plug.vlan.id}'/></vlan>`]),
        ...standby,
        ...name,
        "</interface>",
      ]
    : [
        "<hostdev mode='subsystem' type='pci' managed='no'>",
        "  <driver name='vfio'/>",
        `  <source>${addressXml(plug.vf, "")}</source>`,
        ...standby,
        ...name,
        "</hostdev>",
      ];
  return `${lines.join("\n")}\n`;
}
