// Counters of a switch's ports: rows while they are counted, so that a delivery counts with the word
// that its certainty is; columns for whoever reads them.

import { maybe, no, unknown, yes, type CompiledSwitch } from "./compiled-switch.ts";

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

const counterWords = 8;
/** Words of a row; those below are the certainties, of which `no` is the sender's own loss. */
export const counterWord = { sent: 4, spoofed: 5 } as const;

export const newCounters = ({ uplink }: CompiledSwitch): Uint32Array =>
  new Uint32Array((uplink + 1) * counterWords);

export function count(counters: Uint32Array, port: number, word: number): void {
  const at = port * counterWords + word;
  counters[at] = (counters[at] ?? 0) + 1;
}

export function columnsOf(counters: Uint32Array): PortCounters {
  const ports = counters.length / counterWords;
  const column = (...words: readonly number[]): Uint32Array =>
    Uint32Array.from({ length: ports }, (_, port) =>
      words.reduce((sum, word) => sum + (counters[port * counterWords + word] ?? 0), 0),
    );
  return {
    sent: column(counterWord.sent),
    dropped: column(no),
    spoofed: column(counterWord.spoofed),
    received: column(yes),
    perhaps: column(unknown, maybe),
  };
}
