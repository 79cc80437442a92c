// Writes journal entries in order and durably, for several PFs at once: what arrives while one
// write is on its way to the disk shares the next one (group commit), so eight PFs cost about as
// many fsyncs as one. After a failed write nothing more is written: the journal then ends exactly
// where a crash at that moment would have ended it.

import { formatEntry, type JournalEntry, type JournalHeader } from "./journal.ts";
import type { JournalSink } from "./journal-store.ts";

type Batch = { readonly lines: string[]; isDurable: Promise<void> };

export class JournalWriter {
  readonly #sink: JournalSink;
  /** The last write; once it rejects, so does everything chained to it. */
  #last: Promise<void> = Promise.resolve();
  /** Waits for the write before it, and still takes lines. */
  #open: Batch | null = null;

  constructor(sink: JournalSink) {
    this.#sink = sink;
  }

  /** Resolves when the entries are durable; rejects, now and ever after, when they cannot be. */
  async write(...entries: readonly (JournalHeader | JournalEntry)[]): Promise<void> {
    const lines = entries.map(formatEntry);
    if (this.#open !== null) {
      this.#open.lines.push(...lines);
      return await this.#open.isDurable;
    }
    const batch: Batch = { lines, isDurable: Promise.resolve() };
    batch.isDurable = this.#last.then(async () => {
      this.#open = null;
      await this.#sink.append(batch.lines.join(""));
    });
    this.#open = batch;
    this.#last = batch.isDurable;
    return await batch.isDurable;
  }

  async close(): Promise<void> {
    await this.#sink.close();
  }
}
