// Figures, ratios, verdicts and changes as words, the same in a terminal and on a page.

import type { ClaimResult } from "./claims.ts";
import type { MeasuredRun } from "./measured-run.ts";
import { figure, valuesOf, type Metric, type MetricKind } from "./metrics.ts";
import { polledPaths } from "./path-table.ts";
import { centerOf, type Estimate } from "./statistics.ts";

const kindWords: Readonly<Record<MetricKind, string>> = {
  "latency": "latency",
  "throughput": "throughput",
  "cpu": "CPU",
  "guest-cpu": "guest's CPU",
};

/** `throughput, 64-byte frames`. */
export const metricText = ({ kind, title }: Metric): string => `${kindWords[kind]}, ${title}`;

/** Half the interval's width, as a share: what one would read as plus or minus. */
function spreadText([low, high]: readonly [number, number]): string {
  const percent = Math.round((Math.sqrt(high / low) - 1) * 100);
  return percent > 999 ? "±>999%" : `±${percent}%`;
}

/** `1.25 M ±3%`; `-` where there is none. */
export function figureText(run: MeasuredRun, path: string, metric: Metric): string {
  const center = centerOf(valuesOf(run, path, metric));
  if (center === null) return "-";
  const { value, interval } = center;
  return interval === null ? figure(value) : `${figure(value)} ${spreadText(interval)}`;
}

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

/** Processors that others may keep busy without a word. */
const quietProcessors = 0.1;

/** null: the machine was quiet, or it is not known. */
function busyText({ idleProcessorsBusy: busy }: MeasuredRun["host"]): string | null {
  const mean = busy.reduce((sum, each) => sum + each, 0) / Math.max(1, busy.length);
  return mean <= quietProcessors
    ? null
    : `The machine was busy with something else: ${figure(mean)} processors while nothing was sent`;
}

/** What is to be known before the figures are read. */
export function caveatsOf({ host, isInterrupted, paths }: MeasuredRun): string[] {
  const busy = busyText(host);
  const isPolled = paths.some(({ id, notMeasured }) => notMeasured === null && polledPaths.has(id));
  return [
    ...host.emulation.map((reason) => `${reason}: these figures need not hold on hardware`),
    ...(busy === null ? [] : [busy]),
    ...(isInterrupted ? ["Stopped before the last round"] : []),
    ...(isPolled
      ? [
          "testpmd polls: each keeps a processor busy whatever arrives. Its latency is that of pings, " +
            "the others' that of sockperf's datagrams",
        ]
      : []),
  ];
}
