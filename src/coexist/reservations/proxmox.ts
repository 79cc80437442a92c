// Proxmox VE: VMs by their `hostpciN` lines and mappings. A VM goes by the name that its process has.

import type { WishReading } from "../../model/reservation.ts";
import { baseName, type ConfigFile } from "../config-file.ts";
import { vmDevicesOf, vmNameOf } from "../proxmox.ts";
import { atAddress, boundedWishes, wishFor } from "./reader.ts";

export function readProxmoxGuests(files: readonly ConfigFile[]): WishReading {
  const names = new Map(
    files.map(({ path, text }) => {
      const vmid = baseName(path).replace(/\.conf$/, "");
      return [vmid, vmNameOf(vmid, text)];
    }),
  );
  const wishes = vmDevicesOf(files).flatMap(({ vmid, device, addresses, where }) =>
    addresses.map((address) => {
      const name = names.get(vmid) ?? `vm${vmid}`;
      const common = { kind: "vm", name, manager: "proxmox", role: "function" } as const;
      return wishFor(atAddress(address), common, `${where}: VM ${vmid} has it as ${device}`);
    }),
  );
  return { wishes: boundedWishes(wishes), problems: [] };
}
