// Latency as `sockperf ping-pong` and, where it is not installed, ping print it: percentiles in
// microseconds one way. sockperf halves the round trip itself; for ping it is done here.

import type { ReadResult } from "./read-iperf3.ts";
import { percentilesOf } from "./statistics.ts";

export type LatencyResult = {
  readonly percentiles: readonly (readonly [percentile: number, microseconds: number])[];
  readonly messages: number;
  /** 0 to 1. */
  readonly lostShare: number;
};

const refused = (problem: string): { result: null; problem: string } => ({ result: null, problem });

const ansi = new RegExp(`${String.fromCodePoint(27)}\\[[0-9;]*m`, "g");

const share = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.min(1, Math.max(0, part / whole));

/** Those of which sockperf tells, from the lowest. */
export function readSockperf(printed: string): ReadResult<LatencyResult> {
  const text = printed.replaceAll(ansi, "");
  const rows = [
    ...text.matchAll(/percentile (\d{1,3}(?:\.\d{1,6})?)\s*=\s*(\d{1,12}(?:\.\d{1,6})?)/g),
  ];
  const extremes: readonly (readonly [number, string | undefined])[] = [
    [0, /<MIN> observation\s*=\s*(\d{1,12}(?:\.\d{1,6})?)/.exec(text)?.[1]],
    [100, /<MAX> observation\s*=\s*(\d{1,12}(?:\.\d{1,6})?)/.exec(text)?.[1]],
  ];
  const found = [
    ...rows.map(([, percentile, value]) => [Number(percentile), Number(value)] as const),
    ...extremes.flatMap(([percentile, value]) =>
      value === undefined ? [] : [[percentile, Number(value)] as const],
    ),
  ].filter(([percentile, value]) => percentile <= 100 && Number.isFinite(value));
  const percentiles = [...new Map(found)].toSorted(([a], [b]) => a - b);
  if (!percentiles.some(([percentile]) => percentile === 50)) {
    const words = text.split("\n").find((line) => /error|fail|no messages/i.test(line)) ?? "";
    return refused(`sockperf printed no percentiles: ${words.trim().slice(0, 200)}`);
  }
  const messages = Number(/ReceivedMessages=(\d{1,12})/.exec(text)?.[1] ?? 0);
  const sent = Number(/SentMessages=(\d{1,12})/.exec(text)?.[1] ?? 0);
  return {
    result: { percentiles, messages, lostShare: share(sent - messages, sent) },
    problem: null,
  };
}

/** Those that some hundred or thousand echoes can say something of. */
const pingPercentiles = [0, 25, 50, 75, 90, 99, 100];

/** The lines of each echo, not the summary, which has no percentiles. */
export function readPing(printed: string): ReadResult<LatencyResult> {
  const times = [...printed.matchAll(/ time=(\d{1,9}(?:\.\d{1,6})?) ms/g)].map(([, ms]) =>
    Number(ms),
  );
  const [words = ""] = printed.trim().split("\n");
  if (times.length === 0) return refused(`ping got no answer: ${words.slice(0, 200)}`);
  const sent = Number(/(\d{1,9}) packets transmitted/.exec(printed)?.[1] ?? times.length);
  const oneWayUs = times.map((ms) => (ms * 1000) / 2);
  const percentiles = percentilesOf(oneWayUs, pingPercentiles);
  return {
    result: { percentiles, messages: times.length, lostShare: share(sent - times.length, sent) },
    problem: null,
  };
}
