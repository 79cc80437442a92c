// Whom a spec can be written for, and by which function.

import type { Exported, ExportInput } from "./export.ts";
import { toLibvirtNetwork, toNova, toProxmox } from "./to-consumers.ts";
import { toNetworkManager } from "./to-networkmanager.ts";
import { toNetworkd } from "./to-networkd.ts";
import { toUdev } from "./to-udev.ts";
import { toNetplan, toNmstate } from "./to-yaml.ts";

export const exporters = {
  "networkd": toNetworkd,
  "networkmanager": toNetworkManager,
  "netplan": toNetplan,
  "nmstate": toNmstate,
  "udev": toUdev,
  "libvirt-network": toLibvirtNetwork,
  "proxmox": toProxmox,
  "nova": toNova,
} as const satisfies Readonly<Record<string, (input: ExportInput) => Exported>>;

type ExportTarget = keyof typeof exporters;

export const exportTargets = Object.keys(exporters) as ExportTarget[];

export const isExportTarget = (name: string): name is ExportTarget =>
  Object.hasOwn(exporters, name);
