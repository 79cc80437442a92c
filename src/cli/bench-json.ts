// The documents of `sriovctl bench compare --json` and `bench report --json`. That of `bench paths`
// is the run itself (bench/measured-run.ts).

import { claimResults } from "../bench/claims.ts";
import type { Comparison } from "../bench/compare-runs.ts";
import type { MeasuredRun } from "../bench/measured-run.ts";
import { metricsOf, valuesOf } from "../bench/metrics.ts";
import { centerOf } from "../bench/statistics.ts";

const compareFormat = "sriovctl-bench-compare/1";
const reportFormat = "sriovctl-bench-report/1";

export const comparisonJson = (
  { metrics, surroundings, onlyOld, onlyNew }: Comparison,
  tolerance: number,
) => ({
  format: compareFormat,
  tolerance,
  isWorse: metrics.some(({ change }) => change === "worse"),
  metrics: metrics.map(({ path, metric, old, new: now, ratio, change }) => ({
    path,
    metric: metric.id,
    unit: metric.unit,
    old,
    new: now,
    ratio,
    change,
  })),
  surroundings,
  onlyOld,
  onlyNew,
});

export const reportJson = (run: MeasuredRun) => ({
  format: reportFormat,
  madeAt: run.madeAt,
  emulation: run.host.emulation,
  figures: run.paths.flatMap(({ id }) =>
    metricsOf(run).flatMap((metric) => {
      const center = centerOf(valuesOf(run, id, metric));
      return center === null ? [] : [{ path: id, metric: metric.id, unit: metric.unit, ...center }];
    }),
  ),
  claims: claimResults(run),
  notMeasured: run.paths.flatMap(({ id, notMeasured }) =>
    notMeasured === null ? [] : [{ path: id, because: notMeasured }],
  ),
});
