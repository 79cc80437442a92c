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

/** Ranges as lib/bitmap-str.c prints them, `0-3,8,10-11`. */
export function parseRanges(text: string): (readonly [first: number, last: number])[] {
  return text
    .trim()
    .split(",")
    .flatMap((part) => {
      const [, first, last = first] = /^([0-9]{1,6})(?:-([0-9]{1,6}))?$/.exec(part) ?? [];
      return first === undefined ? [] : [[Number(first), Number(last)] as const];
    });
}

type Ranges = ReturnType<typeof parseRanges>;

const overlap = (left: Ranges, right: Ranges): boolean =>
  left.some(([low, high]) => right.some(([first, last]) => low <= last && first <= high));

/** Processors of each NUMA node that has some. */
export function readNodes({ paths, reader }: FactSources): ReadonlyMap<number, Ranges> {
  const folder = `${paths.sys}/devices/system/node`;
  const nodes = reader.namesIfThere(folder).flatMap((name) => {
    const number = /^node([0-9]{1,4})$/.exec(name)?.[1];
    const cpus = number === undefined ? null : reader.textIfThere(`${folder}/${name}/cpulist`);
    const ranges = parseRanges(cpus ?? "");
    return number === undefined || ranges.length === 0 ? [] : [[Number(number), ranges] as const];
  });
  return new Map(nodes.toSorted(([left], [right]) => left - right));
}

/** Threads of a VM that are looked at; QEMU starts those of its processors early. */
const threadsMax = 512;

type Read = (pid: number, file: string) => string;

/** Where QEMU's processors may run: each is a thread `CPU 0/KVM`, and may be pinned by itself. */
function cpusOf(pid: number, read: Read, threads: readonly string[]): Ranges {
  return threads
    .filter((name) => /^[0-9]{1,10}$/.test(name))
    .slice(0, threadsMax)
    .filter((thread) => /^CPU [0-9]+\/(?:KVM|TCG)/.test(read(pid, `task/${thread}/comm`)))
    .flatMap((thread) => {
      const status = read(pid, `task/${thread}/status`);
      return parseRanges(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
    });
}

export function readGuests(
  { paths, reader, report }: FactSources,
  inventory: Inventory,
  nodes: ReadonlyMap<number, Ranges>,
): GuestFacts[] {
  const names = new Map<number, string>();
  for (const pf of inventory.physicalFunctions) {
    for (const { owners } of [pf, ...pf.virtualFunctions]) {
      for (const { kind, name, pid } of owners) {
        if (kind === "vm" && pid !== null && names.size < guestsMax) names.set(pid, name);
      }
    }
  }
  const gone = ["ESRCH", "EACCES", "EPERM"];
  const read: Read = (pid, file) => reader.textIfThere(`${paths.proc}/${pid}/${file}`, gone) ?? "";
  return [...names].map(([pid, name]) => {
    // On a host of one node nobody is far from anything.
    const threads = nodes.size < 2 ? [] : reader.namesIfThere(`${paths.proc}/${pid}/task`);
    const cpus = cpusOf(pid, read, threads);
    if (threads.length > 0 && cpus.length === 0) {
      report("guests' processors", `no thread of process ${pid} has the name of one`);
    }
    const own = [...nodes].filter(([, ranges]) => overlap(ranges, cpus)).map(([node]) => node);
    return {
      pid,
      name,
      lockedBytes: parseLockedBytes(read(pid, "status")),
      lockLimitBytes: parseLockLimit(read(pid, "limits")),
      nodes: own.length === 0 ? null : own,
    };
  });
}
