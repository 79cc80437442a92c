// VMs that Proxmox VE has set functions aside for: from before their process is there, while it
// binds them to vfio, until they end. A reservation of a process that is gone, or whose time is
// over, is no use; whose process cannot be told counts.

import { existsSync } from "node:fs";
import type { Address } from "../../../model/bdf.ts";
import type { Owner } from "../../../model/inventory.ts";
import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import type { Process } from "./processes.ts";
import { ownerOfProcess, type User } from "./user.ts";

const file = "/run/qemu-server/pci-id-reservations";
const bytesMax = 1 << 20;

export async function startingGuests(
  paths: LinuxPaths,
  wanted: ReadonlySet<Address>,
  processes: readonly Process[] | null,
): Promise<User[]> {
  const path = `${paths.prefix}${file}`;
  if (!existsSync(path)) return [];
  const { parsePciReservations, vmNameOf } = await import("../../../coexist/proxmox.ts");
  const reader = new TreeReader();
  const nowS = Date.now() / 1000;
  const nameOf = (vmid: string): string => {
    const configuration = `${paths.prefix}/etc/pve/qemu-server/${vmid}.conf`;
    return vmNameOf(vmid, reader.boundedText(configuration, bytesMax) ?? "");
  };
  return parsePciReservations(reader.boundedText(path, bytesMax) ?? "").flatMap((entry): User[] => {
    const { address, vmid } = entry;
    if (!wanted.has(address)) return [];
    const starting = (words: string): User[] => {
      const evidence = `${file}: ${words} for VM ${vmid}`;
      const owner: Owner = { kind: "vm", name: nameOf(vmid), number: vmid, pid: null, evidence };
      return [{ address, owner }];
    };
    if ("untilS" in entry) return entry.untilS < nowS ? [] : starting("set aside");
    const process = processes?.find(({ pid }) => pid === entry.pid);
    if (processes === null) return starting(`taken by process ${entry.pid}`);
    const evidence = `${file}: taken for VM ${vmid}`;
    return process === undefined ? [] : [{ address, owner: ownerOfProcess(process, evidence) }];
  });
}
