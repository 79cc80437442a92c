// Writing to the machine by sysfs path and text: how the kernel reads the text, and which request
// it then is. Everything a request can do goes through `perform`; what has no request (bind, new_id,
// remove, rescan) is done here.

import { SriovError } from "../../model/errors.ts";
import type { Address } from "../../model/bdf.ts";
import type { HostRequest } from "../host.ts";
import { cardOf } from "./cards.ts";
import type { EmulatedHost } from "./emulated-host.ts";
import type { Machine } from "./machine.ts";
import { findPf, findVf } from "./machine.ts";
import { entriesOf } from "./sysfs-attributes.ts";
import { attachPf, attachVf, bindWhatMatches } from "./verbs/binding.ts";
import { isMatch } from "./vf-life.ts";

/** `ok`, or the errno of write(2) or open(2). */
type WriteAnswer = string;

const patience = { deadlineMs: 600_000, lockFd: null };

async function answerOf(host: EmulatedHost, request: HostRequest): Promise<WriteAnswer> {
  try {
    const { status } = await host.perform(request, patience);
    return status === "done" ? "ok" : "stuck";
  } catch (error) {
    if (error instanceof SriovError && error.errno !== null) return error.errno;
    throw error;
  }
}

/** lib/kstrtox.c: base by prefix, one newline at the end, nothing around; null is EINVAL. */
function parseKernelNumber(text: string): number | null {
  const match = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)\n?$/i.exec(text);
  if (match === null) return null;
  const [, sign = "", digits = ""] = match;
  const isOctal = /^0[0-7]+$/.test(digits);
  const value = isOctal ? Number.parseInt(digits, 8) : Number(digits);
  return sign === "-" ? -value : value;
}

/** lib/kstrtox.c kstrtobool(): the first letter, or two for "on" and "off"; null is EINVAL. */
function parseKernelBoolean(text: string): boolean | null {
  if (/^(?:[yt1]|on)/i.test(text)) return true;
  return /^(?:[nf0]|of)/i.test(text) ? false : null;
}

const withoutNewline = (text: string): string => text.replace(/\n$/, "");

type AttributeWrite = (address: Address, text: string) => HostRequest | WriteAnswer;

/** Files of a function. */
const attributeWrites: Readonly<Record<string, AttributeWrite>> = {
  sriov_numvfs: (pf, text) => {
    const numVfs = parseKernelNumber(text);
    if (numVfs === null || text.startsWith("-")) return "EINVAL";
    return { verb: "setNumVfs", pf, numVfs };
  },
  sriov_drivers_autoprobe: (pf, text) => {
    const isOn = parseKernelBoolean(text);
    return isOn === null ? "EINVAL" : { verb: "setDriversAutoprobe", pf, isOn };
  },
  driver_override: (address, text) => {
    const driver = withoutNewline(text).replace(/\0.*$/s, "");
    return { verb: "setDriverOverride", address, driver: driver === "" ? null : driver };
  },
  sriov_vf_msix_count: (address, text) => {
    const msixCount = parseKernelNumber(text);
    return msixCount === null ? "EINVAL" : { verb: "setMsixCount", address, msixCount };
  },
  reset: (address, text) => (parseKernelNumber(text) === 1 ? { verb: "reset", address } : "EINVAL"),
  reset_method: (_, text) =>
    /^(?:|default|(?:flr|pm|bus)(?: (?:flr|pm|bus))*)\n?$/.test(text) ? "ok" : "EINVAL",
  // Every node but the machine's own would be a firmware bug; none here is online besides 0.
  numa_node: (_, text) => (["0", "-1"].includes(withoutNewline(text)) ? "ok" : "EINVAL"),
};

/** One write(2) of `text` to `path`. */
export async function writeSysfs(
  host: EmulatedHost,
  path: string,
  text: string,
): Promise<WriteAnswer> {
  if (path === "/sys/bus/pci/drivers_probe") {
    return answerOf(host, { verb: "probe", address: withoutNewline(text) });
  }
  if (path === "/sys/bus/pci/rescan") {
    host.happen({ event: "rescan" });
    return "ok";
  }
  const [, driver = "", action = ""] =
    /^\/sys\/bus\/pci\/drivers\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  if (driver !== "") return writeDriver(host, { driver, action, text: withoutNewline(text) });
  const [, address = "", name = ""] = /^\/sys\/bus\/pci\/devices\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  const entry = host.store.transact((machine) => entriesOf(machine, address)?.get(name));
  if (entry === undefined) return "ENOENT";
  if (entry.kind === "link" || (entry.mode & 0o222) === 0) return "EACCES";
  // kernfs does not call the store function for a write of nothing.
  if (text === "") return "ok";
  if (name === "remove") return removeFunction(host, address);
  const write = attributeWrites[name];
  if (write === undefined) return "EACCES";
  const request = write(address, text);
  return typeof request === "string" ? request : answerOf(host, request);
}

async function removeFunction(host: EmulatedHost, pf: Address): Promise<WriteAnswer> {
  const driver = host.store.transact((machine) => findPf(machine, pf)?.driver ?? null);
  if (driver !== null) await answerOf(host, { verb: "unbind", address: pf });
  host.happen({ event: "pf-vanishes", pf });
  return "ok";
}

type DriverWrite = { readonly driver: string; readonly action: string; readonly text: string };

async function writeDriver(host: EmulatedHost, write: DriverWrite): Promise<WriteAnswer> {
  const { driver, action, text } = write;
  const isLoaded = host.store.transact(({ state }) => state.core.loadedDrivers.includes(driver));
  if (!isLoaded) return "ENOENT";
  switch (action) {
    case "unbind": {
      const bound = host.store.transact((machine) => driverOf(machine, text));
      return bound === driver ? answerOf(host, { verb: "unbind", address: text }) : "ENODEV";
    }
    case "bind":
      return bind(host, driver, text);
    case "new_id":
      return addId(host, driver, text);
    case "remove_id":
      return removeId(host, driver, text);
    default:
      return "ENOENT";
  }
}

const driverOf = (machine: Machine, address: Address): string | null =>
  findVf(machine, address)?.vf.driver ?? findPf(machine, address)?.driver ?? null;

/** drivers/base/bus.c bind_store(): a driver that does not match is no device to it; then busy. */
function bind(host: EmulatedHost, driver: string, address: Address): WriteAnswer {
  return host.store.transact((machine) => {
    const place = findVf(machine, address);
    const pf = place?.pf ?? findPf(machine, address);
    if (pf === null) return "ENODEV";
    if (!isMatch(machine, { pf, vf: place?.vf ?? null }, driver)) return "ENODEV";
    if (driverOf(machine, address) !== null) return "EBUSY";
    if (place === null) attachPf(machine, pf, driver);
    else attachVf(machine, place, driver);
    // The errno of the driver's own probe: EINVAL is what vfio-pci says without an IOMMU.
    return driverOf(machine, address) === driver ? "ok" : "EINVAL";
  });
}

function parseId(text: string): { vendorId: number; deviceId: number } | null {
  const [vendor, device] = text.split(" ");
  const [vendorId, deviceId] = [vendor, device].map((each) => Number.parseInt(each ?? "", 16));
  if (vendorId === undefined || deviceId === undefined) return null;
  return Number.isNaN(vendorId) || Number.isNaN(deviceId) ? null : { vendorId, deviceId };
}

/** drivers/pci/pci-driver.c new_id_store(): then probes every matching function at once. */
function addId(host: EmulatedHost, driver: string, text: string): WriteAnswer {
  const id = parseId(text);
  if (id === null) return "EINVAL";
  return host.store.transact((machine) => {
    const { core, pfs } = machine.state;
    const { vendorId, deviceId } = id;
    const isKnown = core.dynamicIds.some(
      (each) => each.driver === driver && each.vendorId === vendorId && each.deviceId === deviceId,
    );
    const isStatic = pfs.some(({ card: name }) => {
      const card = cardOf(name);
      if (card.vendorId !== vendorId) return false;
      const isPfs = card.deviceId === deviceId && card.driver === driver;
      return isPfs || (card.vfDeviceId === deviceId && card.vfDriver === driver);
    });
    if (isKnown || isStatic) return "EEXIST";
    core.dynamicIds.push({ driver, vendorId, deviceId });
    bindWhatMatches(machine, driver);
    return "ok";
  });
}

function removeId(host: EmulatedHost, driver: string, text: string): WriteAnswer {
  const id = parseId(text);
  if (id === null) return "EINVAL";
  return host.store.transact(({ state: { core } }) => {
    const left = core.dynamicIds.filter(
      (each) =>
        each.driver !== driver || each.vendorId !== id.vendorId || each.deviceId !== id.deviceId,
    );
    const isFound = left.length < core.dynamicIds.length;
    core.dynamicIds = left;
    return isFound ? "ok" : "ENODEV";
  });
}
