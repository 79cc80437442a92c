// DPDK's testpmd as data: its arguments, what it is told, and what it answers. It works one function by
// polling, has no TCP, and counts what its card received. Its words are those of DPDK 22.11.

import { ealArguments } from "../model/eal-arguments.ts";

/** An end of a path that testpmd works. */
export type PolledEnd = {
  /** Of the function: `0000:3b:02.0`. */
  readonly polled: string;
  readonly mtu: number;
};

/** Answers pings; counts and drops; sends as fast as it goes. */
export type TestpmdMode = "icmpecho" | "rxonly" | "txonly";

/** Buffers of one testpmd: some for each descriptor of the usual rings, and for what is on its way. */
const buffers = 8192;
const headroomBytes = 128;
const usualMtu = 1500;
/** Of the library itself. */
const ownBytes = 32 << 20;

/** A frame is in one piece. Cards take sizes in KiB (e1000_rxtx.c eth_igbvf_rx_init()); 2 is what
 * testpmd has by itself. */
const bufferBytes = (mtu: number): number =>
  headroomBytes + Math.max(2, Math.ceil((mtu + 26) / 1024)) * 1024;

/** Hugepages that one testpmd needs, in bytes. */
export const testpmdBytes = (mtu: number): number => ownBytes + buffers * (bufferBytes(mtu) + 128);

/**
 * `processors`: those that there are, `0-3,8`; `pinned`: the one that polls, null: where the scheduler
 * puts it. The first of its two threads waits for words.
 */
export function testpmdArguments(
  { polled, mtu }: PolledEnd,
  processors: string,
  pinned: number | null,
): string[] {
  const lcores = pinned === null ? `(0,1)@(${processors})` : `0@(${processors}),1@${pinned}`;
  return [
    "dpdk-testpmd",
    "--lcores",
    lcores,
    "--in-memory",
    ...ealArguments({ vf: polled, vfToken: null }),
    "--",
    "--interactive",
    `--total-num-mbufs=${buffers}`,
    `--mbuf-size=${bufferBytes(mtu)}`,
    ...(mtu > usualMtu ? [`--max-pkt-len=${mtu + 18}`] : []),
  ];
}

/** What it prints when it waits for words. */
export const testpmdPrompt = /testpmd> /;

/** The answer to one line: whatever comes until it waits again. */
export const answerTo = (line: string): RegExp => new RegExp(`${line}\n[^]*testpmd> $`);

/** `show port info 0`; null: it has no port. */
export const portMacOf = (printed: string): string | null =>
  /^MAC address: ([0-9a-f]{2}(?::[0-9a-f]{2}){5})$/im.exec(printed)?.[1]?.toLowerCase() ?? null;

export type PortCounts = { readonly received: number; readonly sent: number };

/** `show port stats 0`; null for what is none. */
export function readPortCounts(printed: string): PortCounts | null {
  const [received, sent] = ["RX", "TX"].map(
    (side) => new RegExp(`\\b${side}-packets: (\\d{1,20})\\b`).exec(printed)?.[1],
  );
  return received === undefined || sent === undefined
    ? null
    : { received: Number(received), sent: Number(sent) };
}
