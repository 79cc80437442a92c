// Counters of a switch's ports: words of the ports' rows while they are counted, so that a delivery
// counts with the word that its certainty is; columns for whoever reads them.

import { maybe, no, unknown, yes } from "./compiled-switch.ts";

/** Counters of the ports; they add up over batches. */
export type PortCounters = {
  readonly sent: Uint32Array;
  /** Of those sent: not let in, or taken by nobody. */
  readonly dropped: Uint32Array;
  readonly spoofed: Uint32Array;
  readonly received: Uint32Array;
  /** Received only if a guest, or something not known, is as it would have to be. */
  readonly perhaps: Uint32Array;
};

export const portWords = 8;
/** Words of a port's row; those before are of `quick-frames.ts`. `taken` and the three words after it
 * are by certainty, of which `no` is the sender's own loss. */
export const counterWord = { sent: 3, taken: 4 } as const;

type Counted = {
  /** Rows of the ports, and whatever comes after them. */
  readonly table: Int32Array;
  /** By port. */
  readonly spoofed: Uint32Array;
};

export function count(table: Int32Array, port: number, word: number): void {
  const at = port * portWords + word;
  table[at] = (table[at] ?? 0) + 1;
}

export function columnsOf({ table, spoofed }: Counted): PortCounters {
  const column = (...words: readonly number[]): Uint32Array =>
    Uint32Array.from(spoofed, (_, port) =>
      words.reduce((sum, word) => sum + (table[port * portWords + word] ?? 0), 0),
    );
  const { sent, taken } = counterWord;
  return {
    sent: column(sent),
    dropped: column(taken + no),
    spoofed: spoofed.slice(),
    received: column(taken + yes),
    perhaps: column(taken + unknown, taken + maybe),
  };
}
