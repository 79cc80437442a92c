// Every manager whose configuration reserves functions, and who reads it. Opening the files is the
// host's business.

import type { Problem } from "../../model/problem.ts";
import type { Wish, WishReading } from "../../model/reservation.ts";
import type { ConfigFile } from "../config-file.ts";
import { readIncus } from "./incus.ts";
import { readLibvirt } from "./libvirt.ts";
import { readLxc } from "./lxc.ts";
import { readManagement } from "./management.ts";
import type { WishManager } from "./places.ts";
import { readProxmoxGuests } from "./proxmox.ts";
import type { ReadWishes } from "./reader.ts";

const readers: Readonly<Record<WishManager, ReadWishes>> = {
  libvirt: readLibvirt,
  proxmox: readProxmoxGuests,
  lxc: readLxc,
  incus: readIncus,
  management: readManagement,
};

/** What the files of each manager come to. Never throws. */
export function readWishes(files: ReadonlyMap<WishManager, readonly ConfigFile[]>): WishReading {
  const wishes: Wish[] = [];
  const problems: Problem[] = [];
  for (const [manager, own] of files) {
    const reading = readers[manager](own);
    wishes.push(...reading.wishes);
    problems.push(...reading.problems);
  }
  return { wishes, problems };
}
