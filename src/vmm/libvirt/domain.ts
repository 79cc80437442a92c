// A libvirt domain as `virsh dumpxml` tells it, as far as a VF for it is concerned: the VFs that it has,
// the ports that could take one, the NICs that could stand in, and its memory, which a VF pins. Any text
// ends as a view or as words. Authority: docs/formatdomain.rst, src/conf/domain_conf.c.

import type { Element } from "@xmldom/xmldom";
import {
  addressOf,
  attribute,
  childOf,
  childrenOf,
  numberOf,
  rootOf,
} from "../../coexist/xml-element.ts";
import type { Address } from "../../model/bdf.ts";
import { parseMac } from "../../model/mac.ts";

export type DomainVf = {
  readonly form: "interface" | "hostdev";
  readonly address: Address;
  /** As libvirt has it: `ua-vf0`, or `hostdev0` where nobody chose; null in a definition without one. */
  readonly alias: string | null;
  /** What the XML says; null where it says nothing, and always for a hostdev. */
  readonly mac: string | null;
  readonly vlanId: number | null;
  /** Alias of the NIC that stands in. */
  readonly standby: string | null;
  /** Number of the guest's bus that it is on. */
  readonly guestBus: number | null;
};

export type DomainNic = {
  readonly alias: string | null;
  readonly mac: string | null;
  readonly model: string | null;
  readonly isStandby: boolean;
};

type DomainPort = { readonly bus: number; readonly isHotpluggable: boolean };

export type DomainView = {
  readonly name: string;
  readonly uuid: string;
  readonly isActive: boolean;
  /** `pc-q35-10.0`, `virt`, `pc-i440fx-9.2`. */
  readonly machine: string;
  readonly memoryKib: number | null;
  readonly currentMemoryKib: number | null;
  /** `<memtune><hard_limit>`; null: none. */
  readonly hardLimitKib: number | null;
  readonly hasBalloon: boolean;
  /** `<memoryBacking><nosharepages/>`, `<locked/>`. */
  readonly isSharingOff: boolean;
  /** `<hugepages/>`: all of it is there from the start. */
  readonly isPreallocated: boolean;
  /** Root and downstream ports with nothing behind them. */
  readonly freePorts: readonly DomainPort[];
  readonly ports: readonly DomainPort[];
  readonly vfs: readonly DomainVf[];
  readonly nics: readonly DomainNic[];
  readonly aliases: ReadonlySet<string>;
};

const textOf = (element: Element | null): string => element?.textContent?.trim() ?? "";

/** libvirt always writes KiB; another unit is somebody else's text. */
function kibOf(element: Element | null): number | null {
  if (element === null || !["KiB", "", null].includes(attribute(element, "unit"))) return null;
  const text = textOf(element);
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

const aliasOf = (device: Element): string | null => attribute(childOf(device, "alias"), "name");

const guestBusOf = (device: Element): number | null => {
  const address = childOf(device, "address");
  if (address === null || attribute(address, "type") !== "pci") return null;
  return numberOf(address, "bus", 255);
};

function vfOf(device: Element): DomainVf | null {
  const form = device.nodeName;
  if (form !== "hostdev" && form !== "interface") return null;
  // A macvtap or bridge has a source without an address; a USB device one without `bus` and `slot`.
  if (attribute(device, "type") !== (form === "hostdev" ? "pci" : "hostdev")) return null;
  const address = addressOf(childOf(device, "source"));
  if (address === null) return null;
  const tag = childOf(childOf(device, "vlan"), "tag");
  return {
    form,
    address,
    alias: aliasOf(device),
    mac: form === "hostdev" ? null : parseMac(attribute(childOf(device, "mac"), "address") ?? ""),
    vlanId: form === "hostdev" || tag === null ? null : numberOf(tag, "id", 4095),
    standby: attribute(childOf(device, "teaming"), "persistent"),
    guestBus: guestBusOf(device),
  };
}

function nicOf(device: Element): DomainNic | null {
  if (device.nodeName !== "interface" || attribute(device, "type") === "hostdev") return null;
  return {
    alias: aliasOf(device),
    mac: parseMac(attribute(childOf(device, "mac"), "address") ?? ""),
    model: attribute(childOf(device, "model"), "type"),
    isStandby: attribute(childOf(device, "teaming"), "type") === "persistent",
  };
}

const portModels: ReadonlySet<string> = new Set(["pcie-root-port", "pcie-switch-downstream-port"]);

function portsOf(devices: readonly Element[]): DomainPort[] {
  return devices.flatMap((device): DomainPort[] => {
    if (device.nodeName !== "controller" || attribute(device, "type") !== "pci") return [];
    if (!portModels.has(attribute(device, "model") ?? "")) return [];
    const bus = numberOf(device, "index", 255);
    const isHotpluggable = attribute(childOf(device, "target"), "hotplug") !== "off";
    return bus === null ? [] : [{ bus, isHotpluggable }];
  });
}

/** The view, or words that say why the text is none. Never throws. */
export function parseDomainView(xml: string): DomainView | string {
  const root = rootOf(xml);
  if (typeof root === "string") return root;
  if (root?.nodeName !== "domain") return `it is ${root?.nodeName ?? "nothing"}, wanted a domain`;
  const name = textOf(childOf(root, "name"));
  const uuid = textOf(childOf(root, "uuid"));
  if (name === "" || !/^[0-9a-f-]{36}$/.test(uuid)) return "it has no name or no UUID";
  const devices = childrenOf(childOf(root, "devices"));
  const ports = portsOf(devices);
  const taken = new Set(devices.map(guestBusOf));
  const balloon = devices.find(({ nodeName }) => nodeName === "memballoon");
  const backing = childOf(root, "memoryBacking");
  return {
    name,
    uuid,
    isActive: root.hasAttribute("id"),
    machine: attribute(childOf(childOf(root, "os"), "type"), "machine") ?? "",
    memoryKib: kibOf(childOf(root, "memory")),
    currentMemoryKib: kibOf(childOf(root, "currentMemory")),
    hardLimitKib: kibOf(childOf(childOf(root, "memtune"), "hard_limit")),
    hasBalloon: balloon !== undefined && attribute(balloon, "model") !== "none",
    isSharingOff: childOf(backing, "nosharepages") !== null || childOf(backing, "locked") !== null,
    isPreallocated: childOf(backing, "hugepages") !== null,
    freePorts: ports.filter(({ bus }) => !taken.has(bus)),
    ports,
    vfs: devices.flatMap((device) => vfOf(device) ?? []),
    nics: devices.flatMap((device) => nicOf(device) ?? []),
    aliases: new Set(devices.flatMap((device) => aliasOf(device) ?? [])),
  };
}
