// Journals in memory, for runs by the thousand.

import type { JournalSink, JournalStore } from "../../src/apply/journal-store.ts";

export function memoryJournals(): JournalStore {
  const files = new Map<string, string>();
  const bytesOf = (id: string): Buffer => Buffer.from(files.get(id) ?? "");
  const sinkOf = (id: string): JournalSink => ({
    append: async (text) => {
      files.set(id, (files.get(id) ?? "") + text);
    },
    close: async () => {},
  });
  return {
    ids: () => [...files.keys()].toSorted(),
    read: bytesOf,
    readTail: (id) => bytesOf(id).subarray(-256),
    pathOf: (id) => `memory:${id}`,
    create: async (id) => {
      files.set(id, "");
      return sinkOf(id);
    },
    reopen: async (id, soundBytes) => {
      files.set(id, bytesOf(id).subarray(0, soundBytes).toString());
      return sinkOf(id);
    },
    remove: (id) => files.delete(id),
  };
}
