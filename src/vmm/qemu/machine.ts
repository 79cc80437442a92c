// What a QEMU machine is made of, as far as handing it a VF needs to know: its ports, the functions
// that it was given, the NICs that can stand in. All of it from QEMU's object tree (QOM): a port is
// a device with a PCIE bus and a `hotplug` property, and is free while that bus has no child.

import { formatBdf, parseBdf, type Address } from "../../model/bdf.ts";

/** Asks QEMU one thing; null where QEMU says that there is no such thing. */
export type AskQemu = (
  command: string,
  values: Readonly<Record<string, unknown>>,
) => Promise<unknown>;

export type Port = {
  /** What `bus=` takes: the port's ID, or the name that QEMU made up. */
  readonly bus: string;
  readonly isHotpluggable: boolean;
  readonly isFree: boolean;
};

/** A function of the host that the VM has. */
export type GivenFunction = {
  /** null for a device without ID, which `path` names. */
  readonly id: string | null;
  readonly path: string;
  /** null where QEMU tells no address, as for mediated devices. */
  readonly host: Address | null;
  readonly bus: string | null;
  readonly failover: string | null;
};

type StandIn = {
  readonly isStandby: boolean;
  readonly mac: string | null;
  /** Whether the guest's driver took it as a stand-in; null: this QEMU does not tell. */
  readonly isNegotiated: boolean | null;
};

type Entry = { readonly name: string; readonly type: string };

const containers = ["/machine/peripheral", "/machine/peripheral-anon"] as const;
const devicesMax = 1000;

const hasText = (value: object, key: string): boolean =>
  key in value && typeof (value as Readonly<Record<string, unknown>>)[key] === "string";

const isEntry = (value: unknown): value is Entry =>
  typeof value === "object" && value !== null && hasText(value, "name") && hasText(value, "type");

async function list(ask: AskQemu, path: string): Promise<readonly Entry[]> {
  const entries = await ask("qom-list", { path });
  return Array.isArray(entries) ? entries.filter(isEntry) : [];
}

const get = (ask: AskQemu, path: string, property: string): Promise<unknown> =>
  ask("qom-get", { path, property });

async function getText(ask: AskQemu, path: string, property: string): Promise<string | null> {
  const text = await get(ask, path, property);
  return typeof text === "string" && text !== "" ? text : null;
}

type Device = { readonly id: string | null; readonly path: string; readonly type: string };

/** Devices of the command line and plugged later; not those that belong to the machine itself. */
async function readDevices(ask: AskQemu): Promise<Device[]> {
  const devices: Device[] = [];
  for (const container of containers) {
    const isNamed = container === containers[0];
    for (const { name, type } of (await list(ask, container)).slice(0, devicesMax)) {
      const child = /^child<(.+)>$/.exec(type)?.[1];
      if (child === undefined) continue;
      devices.push({ id: isNamed ? name : null, path: `${container}/${name}`, type: child });
    }
  }
  return devices.toSorted((a, b) => a.path.localeCompare(b.path, "en", { numeric: true }));
}

const busOf = (entries: readonly Entry[]): string | null =>
  entries.find(({ type }) => type === "child<PCIE>")?.name ?? null;

/** Ports in the order of their IDs, root ports and downstream ports of switches. */
export async function readPorts(ask: AskQemu): Promise<Port[]> {
  const ports: Port[] = [];
  for (const { path, type } of await readDevices(ask)) {
    // Every port type has it in its name but Intel's ioh3420: pcie-root-port, xio3130-downstream.
    if (!/port|downstream|ioh3420/.test(type)) continue;
    const entries = await list(ask, path);
    const bus = busOf(entries);
    if (bus === null || !entries.some(({ name }) => name === "hotplug")) continue;
    const children = await list(ask, `${path}/${bus}`);
    ports.push({
      bus,
      isHotpluggable: (await get(ask, path, "hotplug")) === true,
      isFree: !children.some(({ name }) => /^child\[\d+\]$/.test(name)),
    });
  }
  return ports;
}

/** Whether the machine has a PCI host bridge without PCI Express; those of q35 and virt have it. */
export async function isPlainPci(ask: AskQemu): Promise<boolean> {
  let hasPci = false;
  for (const { name, type } of await list(ask, "/machine")) {
    if (!/^child<.*(pcihost|pci-host).*>$/i.test(type)) continue;
    const entries = await list(ask, `/machine/${name}`);
    if (busOf(entries) !== null) return false;
    hasPci ||= entries.some((entry) => entry.type === "child<PCI>");
  }
  return hasPci;
}

/** QEMU prints a property of type link as the path of what it links to. */
const lastOf = (path: string | null): string | null => path?.split("/").at(-1) ?? null;

export async function readGivenFunctions(ask: AskQemu): Promise<GivenFunction[]> {
  const given: GivenFunction[] = [];
  for (const { id, path, type } of await readDevices(ask)) {
    if (!type.startsWith("vfio-pci")) continue;
    const host = parseBdf((await getText(ask, path, "host")) ?? "");
    given.push({
      id,
      path,
      host: host === null ? null : formatBdf(host),
      bus: lastOf(await getText(ask, path, "parent_bus")),
      failover: await getText(ask, path, "failover_pair_id"),
    });
  }
  return given;
}

/** Whether a device of any kind has this ID. */
export const hasDevice = async (ask: AskQemu, id: string): Promise<boolean> =>
  (await readDevices(ask)).some((device) => device.id === id);

/** null where there is no device of this ID. */
export async function readStandIn(ask: AskQemu, id: string): Promise<StandIn | null> {
  if (!(await hasDevice(ask, id))) return null;
  const path = `${containers[0]}/${id}`;
  return {
    isStandby: (await get(ask, path, "failover")) === true,
    mac: (await getText(ask, path, "mac"))?.toLowerCase() ?? null,
    isNegotiated: hasStandby(
      await ask("x-query-virtio-status", { path: `${path}/virtio-backend` }),
    ),
  };
}

/** QEMU qapi/virtio.json VirtioStatus: names of the features that the guest's driver took. */
function hasStandby(status: unknown): boolean | null {
  if (typeof status !== "object" || status === null) return null;
  const { "guest-features": guest } = status as Readonly<Record<string, unknown>>;
  if (typeof guest !== "object" || guest === null) return null;
  const { "dev-features": features } = guest as Readonly<Record<string, unknown>>;
  if (!Array.isArray(features)) return null;
  return features.some((name) => String(name).startsWith("VIRTIO_NET_F_STANDBY"));
}

/** The ID of the first iommufd object; null: the VM uses VFIO's groups. */
export async function readIommufd(ask: AskQemu): Promise<string | null> {
  const objects = await list(ask, "/objects");
  return objects.find(({ type }) => type === "child<iommufd>")?.name ?? null;
}

/** Bytes of memory, plugged ones too; null where QEMU does not tell. */
export async function readMemoryBytes(ask: AskQemu): Promise<number | null> {
  const summary = await ask("query-memory-size-summary", {});
  if (typeof summary !== "object" || summary === null) return null;
  const { "base-memory": base, "plugged-memory": plugged = 0 } = summary as Record<string, unknown>;
  return typeof base === "number" && typeof plugged === "number" ? base + plugged : null;
}

/** What the balloon leaves the guest; null without a balloon. */
export async function readBalloonBytes(ask: AskQemu): Promise<number | null> {
  const balloon = await ask("query-balloon", {});
  if (typeof balloon !== "object" || balloon === null) return null;
  const { actual } = balloon as Readonly<Record<string, unknown>>;
  return typeof actual === "number" ? actual : null;
}

/** Whether the host may merge the guest's memory: -machine mem-merge, on unless it is said. */
export const isMerged = async (ask: AskQemu): Promise<boolean> =>
  (await get(ask, "/machine", "mem-merge")) !== false;

/** A thread of QEMU's process: a virtual processor; null where QEMU does not tell. */
export async function readThread(ask: AskQemu): Promise<number | null> {
  const processors = await ask("query-cpus-fast", {});
  const first: unknown = Array.isArray(processors) ? processors[0] : null;
  if (typeof first !== "object" || first === null) return null;
  const { "thread-id": thread } = first as Readonly<Record<string, unknown>>;
  return typeof thread === "number" && Number.isSafeInteger(thread) ? thread : null;
}

/** `running`, `paused`, `inmigrate` ...; null where QEMU does not tell. */
export async function readRunState(ask: AskQemu): Promise<string | null> {
  const status = await ask("query-status", {});
  if (typeof status !== "object" || status === null || !hasText(status, "status")) return null;
  return String((status as Readonly<Record<string, unknown>>)["status"]);
}

/** The name of -name; null without one. */
export async function readName(ask: AskQemu): Promise<string | null> {
  const answer = await ask("query-name", {});
  if (typeof answer !== "object" || answer === null || !hasText(answer, "name")) return null;
  return String((answer as Readonly<Record<string, unknown>>)["name"]);
}
