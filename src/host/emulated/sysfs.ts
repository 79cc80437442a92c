// Reading the machine by sysfs path, as a program on such a host would: the exact text, the last
// part of a link, the names in a folder, the mode, or the errno.

import type { Machine } from "./machine.ts";
import type { SysfsEntry } from "./sysfs-attributes.ts";
import { allAddresses, entriesOf } from "./sysfs-attributes.ts";

const functionPath = /^\/sys\/bus\/pci\/devices(?:\/([^/]+)(?:\/([^/]+))?)?$/;
const driverPath = /^\/sys\/bus\/pci\/drivers\/([^/]+)$/;

function entryAt(machine: Machine, path: string): SysfsEntry | null {
  const [, address = "", name = ""] = functionPath.exec(path) ?? [];
  return entriesOf(machine, address)?.get(name) ?? null;
}

/** The text of a file, or `ENOENT` or `EACCES`. */
export function readSysfs(machine: Machine, path: string): string {
  const entry = entryAt(machine, path);
  if (entry === null || entry.kind === "link") return "ENOENT";
  if (entry.kind === "bytes") return Buffer.from(entry.bytes()).toString("latin1");
  return entry.text ?? "EACCES";
}

/** Last part of a link's target, or `ENOENT`. */
export function linkSysfs(machine: Machine, path: string): string {
  const entry = entryAt(machine, path);
  return entry?.kind === "link" ? entry.to : "ENOENT";
}

/** Permission bits in octal, or `ENOENT`. */
export function modeSysfs(machine: Machine, path: string): string {
  const entry = entryAt(machine, path);
  return entry === null || entry.kind === "link" ? "ENOENT" : entry.mode.toString(8);
}

/** Names in a folder, sorted; null when there is no such folder. */
export function listSysfs(machine: Machine, path: string): string[] | null {
  const match = functionPath.exec(path);
  if (match !== null && match[1] === undefined) return allAddresses(machine).toSorted();
  if (match !== null) return [...(entriesOf(machine, match[1] ?? "")?.keys() ?? [])].toSorted();
  const driver = driverPath.exec(path)?.[1];
  if (driver === undefined || !machine.state.core.loadedDrivers.includes(driver)) return null;
  return allAddresses(machine)
    .filter((address) => linkSysfs(machine, `/sys/bus/pci/devices/${address}/driver`) === driver)
    .toSorted();
}
