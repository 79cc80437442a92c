// Writes to sysfs that others make from their own files: which PF a path is about and what a value
// written there sets. The same few attributes come from sysfsutils, tmpfiles, udev rules and shell.

import type { ClaimSetting, PfSelector } from "../model/claim.ts";
import { formatBdf, parseBdf } from "../model/bdf.ts";
import { parseCount, parseSwitch } from "./config-file.ts";

type SysfsTarget = { readonly selector: PfSelector; readonly attribute: string };

const attributes = "sriov_numvfs|sriov_drivers_autoprobe";

/** A path below /sys (which may be left out) that ends in an SR-IOV attribute; null for others. */
export function targetOfPath(text: string): SysfsTarget | null {
  const path = text.replaceAll(/["'\\{}]/g, "").replace(/^\/?sys\//, "");
  const attribute = new RegExp(`/(${attributes})$`).exec(path)?.[1];
  if (attribute === undefined) return null;
  const net = /(?:^|\/)(?:class\/net|net)\/([^/]+)\/(?:device\/)?sriov_/.exec(path)?.[1];
  const pci = /([^/]+)\/sriov_[a-z_]+$/.exec(path)?.[1] ?? "";
  if (net !== undefined) return { selector: nameSelector(net), attribute };
  const bdf = parseBdf(pci);
  if (bdf !== null) return { selector: { addresses: [formatBdf(bdf)], unjudged: [] }, attribute };
  const isPattern = /^[0-9a-f:.*?[\]-]+$/i.test(pci);
  if (isPattern) return { selector: { addresses: [pci.toLowerCase()], unjudged: [] }, attribute };
  return { selector: { unjudged: [path.slice(0, 100)] }, attribute };
}

/** A netdev's name, or what a shell or udev would put there. */
function nameSelector(name: string): PfSelector {
  const isVariable = /[$%`()]/.test(name);
  return isVariable ? { unjudged: [name.slice(0, 60)] } : { names: [name], unjudged: [] };
}

/** What a value written to the attribute sets. A value that is not a plain one is still a write. */
export function settingOfWrite(attribute: string, value: string, where: string): ClaimSetting {
  const text = value.trim();
  const numVfs = parseCount(text, 65_535);
  const isOn = parseSwitch(text);
  if (attribute === "sriov_numvfs" && numVfs !== null) return { kind: "num-vfs", numVfs, where };
  if (attribute === "sriov_drivers_autoprobe" && isOn !== null) {
    return { kind: "autoprobe", isOn, where };
  }
  return { kind: "other", words: `${attribute}=${text.slice(0, 40)}`, where };
}
