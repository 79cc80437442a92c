// Which network managers set interfaces up, by the state that they keep of each: NetworkManager in
// /run/NetworkManager/devices/IFINDEX, networkd in /run/systemd/netif/links/IFINDEX. Neither file
// says the interface's name: its number is the file's name.

import { atIfindex, wishFor } from "./reader.ts";
import { baseName, type ConfigFile } from "../config-file.ts";
import type { Wish, WishReading } from "../../model/reservation.ts";

const managed: readonly (readonly [folder: string, name: string, sign: RegExp])[] = [
  ["/run/NetworkManager/devices/", "networkmanager", /^managed=(?:true|1)$/m],
  ["/run/systemd/netif/links/", "networkd", /^ADMIN_STATE=(?:configured|configuring|degraded)$/m],
];

export function readManagement(files: readonly ConfigFile[]): WishReading {
  const wishes = files.flatMap(({ path, text }): Wish[] => {
    const found = managed.find(([folder]) => path.startsWith(folder));
    const ifindex = Number(baseName(path));
    if (found === undefined || !Number.isSafeInteger(ifindex)) return [];
    const [, name, sign] = found;
    const words = sign.exec(text)?.[0];
    if (words === undefined) return [];
    const common = { kind: "manager", name, manager: name, role: "manages" } as const;
    return [wishFor(atIfindex(ifindex), common, `${path}: ${words}`)];
  });
  return { wishes, problems: [] };
}
