// Journals in memory, for runs by the thousand, with a power switch: `crashAfter(k)` lets k writes
// reach the disk and loses everything after them, which is all that a crash at that moment leaves.

import type { JournalSink, JournalStore } from "../../src/apply/journal-store.ts";

/** The process is gone: nothing that would run after this runs. */
export class Crash extends Error {
  override readonly name = "Crash";
}

export type MemoryJournals = JournalStore & {
  /** Writes that reached the disk so far. */
  readonly writes: () => number;
  /** The write after this many more fails, with everything after it; null never. */
  readonly crashAfter: (numWrites: number | null) => void;
  readonly isCrashed: () => boolean;
};

export function memoryJournals(): MemoryJournals {
  const files = new Map<string, string>();
  let writes = 0;
  let limit: number | null = null;
  let isCrashed = false;
  const spend = (): void => {
    if (isCrashed || (limit !== null && limit-- <= 0)) {
      isCrashed = true;
      throw new Crash("the machine lost its manager");
    }
    writes++;
  };
  const sinkOf = (id: string): JournalSink => ({
    append: async (text) => {
      spend();
      files.set(id, (files.get(id) ?? "") + text);
    },
    close: async () => {},
  });
  const bytesOf = (id: string): Buffer => Buffer.from(files.get(id) ?? "");
  return {
    ids: () => [...files.keys()].toSorted(),
    read: bytesOf,
    readTail: (id) => bytesOf(id).subarray(-256),
    pathOf: (id) => `memory:${id}`,
    create: async (id) => {
      spend();
      files.set(id, "");
      return sinkOf(id);
    },
    reopen: async (id, soundBytes) => {
      spend();
      files.set(id, bytesOf(id).subarray(0, soundBytes).toString());
      return sinkOf(id);
    },
    remove: (id) => files.delete(id),
    writes: () => writes,
    crashAfter: (numWrites) => {
      limit = numWrites;
      isCrashed = false;
    },
    isCrashed: () => isCrashed,
  };
}
