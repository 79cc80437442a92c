// How much memory the processes of VMs have locked and may lock. A VM that has a VF has all its memory
// locked, because a device may write to any of it.

import type { GuestFacts } from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import type { FactSources } from "./fact-reader.ts";

/** A host runs fewer; what says otherwise is no host. */
const guestsMax = 1024;

/** `VmLck:\t 4194304 kB` (fs/proc/task_mmu.c task_mem()). VFIO's own containers count as locked, iommufd
 * as pinned (drivers/iommu/iommufd/pages.c), each against the same limit. */
export function parseLockedBytes(status: string): number | null {
  const kib = [...status.matchAll(/^Vm(?:Lck|Pin):\s*(\d{1,12}) kB$/gm)].map(([, size]) =>
    Number(size),
  );
  return kib.length === 0 ? null : Math.max(...kib) * 1024;
}

/** Soft limit, in bytes (fs/proc/base.c proc_pid_limits()). */
export function parseLockLimit(limits: string): GuestFacts["lockLimitBytes"] {
  const soft = /^Max locked memory\s+(unlimited|\d{1,16})\s/m.exec(limits)?.[1];
  if (soft === undefined || soft === "unlimited") return soft ?? null;
  return Number(soft);
}

export function readGuests({ paths, reader }: FactSources, inventory: Inventory): GuestFacts[] {
  const names = new Map<number, string>();
  for (const pf of inventory.physicalFunctions) {
    for (const { owners } of [pf, ...pf.virtualFunctions]) {
      for (const { kind, name, pid } of owners) {
        if (kind === "vm" && pid !== null && names.size < guestsMax) names.set(pid, name);
      }
    }
  }
  const read = (pid: number, file: string): string =>
    reader.textIfThere(`${paths.proc}/${pid}/${file}`, ["ESRCH", "EACCES", "EPERM"]) ?? "";
  return [...names].map(([pid, name]) => ({
    pid,
    name,
    lockedBytes: parseLockedBytes(read(pid, "status")),
    lockLimitBytes: parseLockLimit(read(pid, "limits")),
  }));
}
