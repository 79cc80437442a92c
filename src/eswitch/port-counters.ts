// Counters of a switch's ports, as columns.

import type { CompiledSwitch } from "./compiled-switch.ts";

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

export function newCounters({ uplink }: CompiledSwitch): PortCounters {
  const column = (): Uint32Array => new Uint32Array(uplink + 1);
  return {
    sent: column(),
    dropped: column(),
    spoofed: column(),
    received: column(),
    perhaps: column(),
  };
}

export function add(counter: Uint32Array, port: number): void {
  counter[port] = (counter[port] ?? 0) + 1;
}
