// Two runs of the same host, before and after a driver or firmware was changed: what became worse,
// with an interval. The runs share no rounds, so what the machine did meanwhile counts as change;
// what differs in their surroundings is therefore said first.

import type { MeasuredRun } from "./measured-run.ts";
import { frameSizesOf, metricsFor, valuesOf, type Metric } from "./metrics.ts";
import { unpairedRatio, type Estimate } from "./statistics.ts";

/** `same`: whatever it moved by, the interval has nothing that counts. `unclear`: it has that, but
 * "no change" as well, or it is not much that it moved by. */
export type Change = "worse" | "better" | "same" | "unclear";

type ComparedMetric = {
  readonly path: string;
  readonly metric: Metric;
  /** Geometric means. */
  readonly old: number;
  readonly new: number;
  /** New to old. */
  readonly ratio: Estimate;
  readonly change: Change;
};

export type Comparison = {
  readonly metrics: readonly ComparedMetric[];
  /** What else differs between the runs, in words. */
  readonly surroundings: readonly string[];
  /** Paths of only one of them. */
  readonly onlyOld: readonly string[];
  readonly onlyNew: readonly string[];
};

function changeOf(metric: Metric, { value, interval }: Estimate, tolerance: number): Change {
  if (interval === null) return "unclear";
  const counts = (ratio: number): boolean => Math.abs(Math.log(ratio)) > Math.log1p(tolerance);
  if (!interval.some(counts)) return "same";
  const isCertain = interval[0] > 1 || interval[1] < 1;
  if (!isCertain || !counts(value)) return "unclear";
  const isWorse = metric.isMoreBetter ? value < 1 : value > 1;
  return isWorse ? "worse" : "better";
}

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

const measuredPaths = ({ paths }: MeasuredRun): string[] =>
  paths.filter(({ notMeasured }) => notMeasured === null).map(({ id }) => id);

function surroundingsOf(old: MeasuredRun, now: MeasuredRun): string[] {
  const facts = (run: MeasuredRun): readonly (readonly [string, string])[] => [
    ["host", run.host.name],
    ["kernel", run.host.kernelRelease],
    ["processors", `${run.host.processors} x ${run.host.processorModel}`],
    ["functions", run.functions.join("; ")],
    ["rounds", `${run.settings.rounds} of ${run.settings.seconds} s`],
    ["pinning", run.settings.pinning ?? "none"],
    ...run.tools,
  ];
  const before = new Map(facts(old));
  return facts(now).flatMap(([name, value]) => {
    const was = before.get(name);
    return was === value ? [] : [`${name}: ${was ?? "not there"}, now ${value}`];
  });
}

/** `tolerance` 0.05: less than 5 % either way is no change. */
export function compareRuns(old: MeasuredRun, now: MeasuredRun, tolerance: number): Comparison {
  const [oldPaths, newPaths] = [measuredPaths(old), measuredPaths(now)];
  const sizes = frameSizesOf(old).filter((size) => frameSizesOf(now).includes(size));
  const metrics = oldPaths
    .filter((path) => newPaths.includes(path))
    .flatMap((path) =>
      metricsFor(sizes).flatMap((metric): ComparedMetric[] => {
        const [before, after] = [valuesOf(old, path, metric), valuesOf(now, path, metric)];
        const ratio = unpairedRatio(after, before);
        if (ratio === null) return [];
        const change = changeOf(metric, ratio, tolerance);
        const [oldMean, newMean] = [geometricMean(before), geometricMean(after)];
        return [{ path, metric, old: oldMean, new: newMean, ratio, change }];
      }),
    );
  return {
    metrics,
    surroundings: surroundingsOf(old, now),
    onlyOld: oldPaths.filter((path) => !newPaths.includes(path)),
    onlyNew: newPaths.filter((path) => !oldPaths.includes(path)),
  };
}

/** The change that half of the figures could have shown: 0.07 is 7 %; null without an interval. */
export function resolutionOf({ metrics }: Comparison): number | null {
  const halves = metrics.flatMap(({ ratio: { interval } }) =>
    interval === null ? [] : [Math.sqrt(interval[1] / interval[0]) - 1],
  );
  return halves.toSorted((a, b) => a - b)[Math.floor(halves.length / 2)] ?? null;
}
