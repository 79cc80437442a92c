// What a VF costs a VM before it has one: all of the guest's memory is pinned for as long as it has a VF, because
// the device may write anywhere in it (drivers/vfio/vfio_iommu_type1.c). Balloon, swap and merging (KSM) end
// with that, and memory that was given out twice has to be there.

import { readFileSync } from "node:fs";

/** null: not known. */
export type GuestMemory = {
  readonly name: string;
  readonly bytes: number;
  /** What the balloon leaves the guest; null also where it has none. */
  readonly balloonBytes: number | null;
  /** Of the guest's memory, what the host has behind it now. */
  readonly residentBytes: number | null;
  /** Whether the host may merge equal pages of it, or swap it. */
  readonly isSharingOff: boolean;
};

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Sentences without a capital, as notes are. */
export function pinWords(guest: GuestMemory, availableBytes: number | null): string[] {
  const { name, bytes, balloonBytes, residentBytes, isSharingOff } = guest;
  const notes = [`a VF pins all ${mib(bytes)} of the memory of ${name} while it runs`];
  if (balloonBytes !== null && balloonBytes < bytes) {
    const sizes = `${mib(balloonBytes)} of ${mib(bytes)}`;
    notes.push(`its balloon (${sizes}) no longer gives memory back`);
  }
  if (!isSharingOff) notes.push("the host can neither swap it nor merge it (KSM)");
  const missing = residentBytes === null ? null : Math.max(0, bytes - residentBytes);
  if (missing === null || availableBytes === null || missing <= availableBytes) return notes;
  const has = `the host has ${mib(availableBytes)} left and has yet to find ${mib(missing)} for it`;
  return [...notes, `memory is overcommitted: ${has}; free some first, or something is killed`];
}

/** `MemAvailable` of proc_meminfo(5); null where it is not told. */
export function availableBytes(root: string): number | null {
  try {
    const text = readFileSync(`${root}/proc/meminfo`, "utf8");
    const kib = /^MemAvailable:\s+(\d{1,15}) kB$/m.exec(text)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}
