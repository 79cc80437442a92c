// Ratios, verdicts and changes as words, the same in a terminal and on a page.

import type { ClaimResult } from "./claims.ts";
import type { MeasuredRun } from "./measured-run.ts";
import { figure } from "./metrics.ts";
import { polledPaths } from "./path-table.ts";
import type { Estimate } from "./statistics.ts";

/** `0.42 x (0.38 to 0.47)`. */
export function ratioText({ value, interval }: Estimate): string {
  const range = interval === null ? "" : ` (${figure(interval[0])} to ${figure(interval[1])})`;
  return `${figure(value)} x${range}`;
}

/** `0.17 to 0.49 x`; one figure where they read the same. */
export function ratiosText([least, most]: readonly [number, number]): string {
  const [from, to] = [figure(least), figure(most)];
  return from === to ? `${from} x` : `${from} to ${to} x`;
}

/** `+12 % (+8 to +16)`. */
export function changeText({ value, interval }: Estimate): string {
  const percent = (ratio: number): string => {
    const change = (ratio - 1) * 100;
    return `${change < 0 ? "" : "+"}${change.toFixed(Math.abs(change) < 10 ? 1 : 0)}`;
  };
  const range = interval === null ? "" : ` (${percent(interval[0])} to ${percent(interval[1])})`;
  return `${percent(value)} %${range}`;
}

export const verdictText = ({ verdict, because }: ClaimResult): string =>
  because === null ? verdict : `${verdict}: ${because}`;

/** What is to be known before the figures are read. */
export function caveatsOf({ host, isInterrupted, paths }: MeasuredRun): string[] {
  const isPolled = paths.some(({ id, notMeasured }) => notMeasured === null && polledPaths.has(id));
  return [
    ...host.emulation.map((reason) => `${reason}: these figures need not hold on hardware`),
    ...(isInterrupted ? ["Stopped before the last round"] : []),
    ...(isPolled
      ? [
          "testpmd polls: each keeps a processor busy whatever arrives. Its latency is that of pings, " +
            "the others' that of sockperf's datagrams",
        ]
      : []),
  ];
}
