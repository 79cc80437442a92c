// A Proxmox VE VM as its files tell it: which PCI functions it has now, which it gets at its next start,
// what runs. Read only: qm changes them. Formats as PVE::QemuServer writes them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigFile } from "../../coexist/config-file.ts";
import { parsePciReservations, proxmoxFiles, vmDevicesOf } from "../../coexist/proxmox.ts";
import type { Address } from "../../model/bdf.ts";

const vmFolder = "/etc/pve/qemu-server";
const runFolder = "/run/qemu-server";
const bytesMax = 1 << 20;

export type PveFiles = {
  /** `/`; another one in tests. */
  readonly root: string;
  /** Whether a process runs. */
  readonly isAlive: (pid: number) => boolean;
  /** Seconds since 1970. */
  readonly nowS: () => number;
};

/** null: there is none, or it is no configuration. */
function textOf({ root }: PveFiles, path: string): string | null {
  try {
    const text = readFileSync(join(root, path), "utf8");
    return text.length > bytesMax ? null : text;
  } catch {
    return null; // ENOENT on a host without it, ENOTCONN while the cluster's file system is down
  }
}

/** By device, `hostpci0`: the functions that it can be; several for a mapping or a whole card. */
type Devices = ReadonlyMap<string, readonly Address[]>;

export type VmConfig = {
  /** As the VM was started, or will be where it does not run. */
  readonly now: Devices;
  /** As it will be started next. */
  readonly next: Devices;
  readonly isQ35: boolean;
  /** Who works on it: `backup`, `migrate`. */
  readonly lock: string | null;
  readonly isRunning: boolean;
};

/** The configuration, and what waits for the next start; snapshots are neither. */
function sectionsOf(text: string): { readonly now: string; readonly pending: string } {
  const [now = "", ...rest] = text.split(/^\[/m);
  const pending = rest.find((section) => section.startsWith("PENDING]")) ?? "";
  return { now, pending: pending.slice(pending.indexOf("\n") + 1) };
}

function devicesIn(file: ConfigFile, mappings: readonly ConfigFile[]): Devices {
  const devices = vmDevicesOf([file, ...mappings]);
  return new Map(devices.map(({ device, addresses }) => [device, addresses]));
}

/** `delete: hostpci0,!net1`; the mark means by force. */
const deletedIn = (pending: string): readonly string[] =>
  (/^delete:\s*(\S+)/m.exec(pending)?.[1] ?? "").split(",").map((name) => name.replace(/^!/, ""));

function isRunning(files: PveFiles, vmid: string): boolean {
  const pid = Number(textOf(files, `${runFolder}/${vmid}.pid`)?.trim());
  return Number.isSafeInteger(pid) && pid > 0 && files.isAlive(pid);
}

/** null: this node has no such VM. */
export function readVm(files: PveFiles, vmid: string): VmConfig | null {
  const path = `${vmFolder}/${vmid}.conf`;
  const text = textOf(files, path);
  if (text === null) return null;
  const mappings = proxmoxFiles.flatMap((each) => {
    const found = textOf(files, each);
    return found === null ? [] : [{ path: each, text: found }];
  });
  const { now, pending } = sectionsOf(text);
  const current = devicesIn({ path, text: now }, mappings);
  const next = new Map([...current, ...devicesIn({ path, text: pending }, mappings)]);
  for (const name of deletedIn(pending)) next.delete(name);
  return {
    now: current,
    next,
    isQ35: /^machine:.*q35/m.test(now),
    lock: /^lock:\s*(\S+)/m.exec(now)?.[1] ?? null,
    isRunning: isRunning(files, vmid),
  };
}

/** Another VM that has the function in its configuration, or runs or starts with it. */
export function otherUserOf(files: PveFiles, vf: Address, vmid: string): string | null {
  for (const { address, ...reservation } of reservationsOf(files)) {
    if (address !== vf || reservation.vmid === vmid) continue;
    const isHeld =
      "pid" in reservation ? files.isAlive(reservation.pid) : reservation.untilS > files.nowS();
    if (isHeld) return `VM ${reservation.vmid} has reserved it`;
  }
  for (const other of vmidsOf(files)) {
    const { next = new Map() } = other === vmid ? {} : (readVm(files, other) ?? {});
    for (const [device, addresses] of next) {
      if (addresses.includes(vf)) return `VM ${other} has it as ${device}`;
    }
  }
  return null;
}

function vmidsOf({ root }: PveFiles): string[] {
  try {
    const names = readdirSync(join(root, vmFolder));
    return names.flatMap((name) => /^([0-9]{1,9})\.conf$/.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}

const reservationsOf = (files: PveFiles): ReturnType<typeof parsePciReservations> =>
  parsePciReservations(textOf(files, `${runFolder}/pci-id-reservations`) ?? "");

/** Whether the VM that runs was started with the function. */
export const runsWith = (files: PveFiles, vf: Address, vmid: string): boolean =>
  reservationsOf(files).some(
    (one) => one.address === vf && one.vmid === vmid && "pid" in one && files.isAlive(one.pid),
  );
