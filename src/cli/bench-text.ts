// What `sriovctl bench` shows of a run and of two runs on a terminal.

import { claimGroups, type ClaimResult } from "../bench/claims.ts";
import type { Change, Comparison } from "../bench/compare-runs.ts";
import type { MeasuredRun } from "../bench/measured-run.ts";
import type { PathRow } from "../bench/path-table.ts";
import type { BenchSite } from "./bench-site.ts";
import { secondsOf, type BenchWish } from "./bench-wish.ts";
import { durationWords } from "./duration.ts";
import { plural } from "./list-text.ts";
import { figure, frameSizesOf, metricsFor, valuesOf, type Metric } from "../bench/metrics.ts";
import { changeText, ratioText, verdictText } from "../bench/run-words.ts";
import { centerOf } from "../bench/statistics.ts";
import type { Style, Tone } from "./style.ts";
import { alignRows, type Row } from "./table.ts";

const cellOf = (run: MeasuredRun, path: string, metric: Metric): string => {
  const center = centerOf(valuesOf(run, path, metric));
  if (center === null) return "-";
  const { value, interval } = center;
  // Half the interval's width, as a share: what one would read as plus or minus.
  const spread =
    interval === null ? "" : ` ±${Math.round((Math.sqrt(interval[1] / interval[0]) - 1) * 100)}%`;
  return `${figure(value)}${spread}`;
};

function figuresTable(run: MeasuredRun, style: Style): string[] {
  const measured = run.paths.filter(({ notMeasured }) => notMeasured === null);
  const metrics = metricsFor(frameSizesOf(run));
  const kinds = { latency: "latency", throughput: "throughput", cpu: "CPU" } as const;
  const rows = metrics.map((metric): Row => {
    const name = `${kinds[metric.kind]}, ${metric.title}`;
    return [name, metric.unit, ...measured.map(({ id }) => cellOf(run, id, metric))];
  });
  const heading = ["", "", ...measured.map(({ title }) => title)];
  return alignRows([heading.map((cell) => style("strong", cell)), ...rows]);
}

const verdictTones: Readonly<Record<ClaimResult["verdict"], Tone>> = {
  "met": "good",
  "not met": "bad",
  "too noisy to tell": "warn",
  "not measurable here": "dim",
};

function claimsLines(run: MeasuredRun, style: Style): string[] {
  const groups = claimGroups(run);
  if (groups.length === 0) return ["No pair of these paths is what a claim is about"];
  const rows = groups.flatMap(({ title, because, results }): Row[] => {
    if (because !== null) return [[`${title}: ${style("dim", `not measurable here: ${because}`)}`]];
    const lines = results.map((result): Row => [
      `  ${result.words}`,
      result.metric ?? "-",
      result.ratio === null ? "-" : ratioText(result.ratio),
      style(verdictTones[result.verdict], verdictText(result)),
    ]);
    return [[title], ...lines];
  });
  return alignRows(rows);
}

export function runText(run: MeasuredRun, style: Style): string[] {
  const { host, settings } = run;
  const absent = run.paths.filter(({ notMeasured }) => notMeasured !== null);
  const round = settings.rounds === 1 ? "round" : "rounds";
  return [
    `${style("strong", host.name)}  Linux ${host.kernelRelease}, ${host.processors} x ${host.processorModel}`,
    `${run.madeAt}, ${settings.rounds} interleaved ${round} of ${settings.seconds} s`,
    ...host.emulation.map((reason) =>
      style("warn", `${reason}: its figures need not hold on hardware`),
    ),
    ...(run.isInterrupted ? [style("warn", "Stopped before the last round")] : []),
    "",
    ...figuresTable(run, style),
    "",
    style("strong", "Claims"),
    ...claimsLines(run, style),
    ...(absent.length === 0 ? [] : ["", style("strong", "Not measurable here")]),
    ...alignRows(absent.map(({ title, notMeasured }) => [`  ${title}`, notMeasured ?? ""])),
    ...(run.problems.length === 0 ? [] : ["", style("strong", "Problems")]),
    ...run.problems.map((problem) => `  ${problem}`),
  ];
}

type Intended = {
  readonly rows: readonly PathRow[];
  readonly missing: readonly { readonly row: PathRow; readonly because: string }[];
};

/** Each step, so that whoever reads it knows what is touched. */
export function dryRunText(
  { site, functions }: BenchSite,
  wish: BenchWish,
  { rows, missing }: Intended,
): string[] {
  const { rounds, seconds, frameSizes } = wish;
  const time = durationWords(Math.ceil(secondsOf(wish, rows.length) / 60) * 60_000);
  const lent = [...site.vfs.map(({ netdev }) => netdev), site.wire].filter((each) => each !== null);
  return [
    `Would measure ${plural(rows.length, "path")}, ${plural(rounds, "round")}, ${seconds} s each: about ${time}`,
    `Frame sizes ${frameSizes.join(", ")} and TCP`,
    ...functions.map((text) => `Uses ${text}`),
    ...lent.map(({ name }) => `Moves ${name} to a network namespace and back, each round`),
    ...rows.flatMap((row) => [
      "",
      row.title,
      ...row.build(site).steps.map(({ argv }) => `  ${argv.join(" ")}`),
    ]),
    "",
    "Then all of it is taken back",
    ...alignRows(missing.map(({ row, because }) => [`Not measurable here: ${row.title}`, because])),
  ];
}

const changeTones: Readonly<Record<Change, Tone>> = {
  worse: "bad",
  better: "good",
  same: "dim",
  unclear: "warn",
};

export function comparisonText(
  comparison: Comparison,
  titles: (path: string) => string,
  style: Style,
): string[] {
  const { metrics, surroundings, onlyOld, onlyNew } = comparison;
  const rows = metrics.map(({ path, metric, old, new: now, ratio, change }): Row => [
    titles(path),
    `${metric.kind}, ${metric.title}`,
    `${figure(old)} ${metric.unit}`,
    `${figure(now)} ${metric.unit}`,
    changeText(ratio),
    style(changeTones[change], change),
  ]);
  const heading = ["PATH", "FIGURE", "OLD", "NEW", "CHANGE", ""];
  const worse = metrics.filter(({ change }) => change === "worse").length;
  const unclear = metrics.filter(({ change }) => change === "unclear").length;
  const byChance = Math.round(metrics.length * 0.05);
  return [
    ...surroundings.map((line) => style("warn", `Differs: ${line}`)),
    ...alignRows([heading, ...rows]),
    ...onlyOld.map((path) => `Only in the old run: ${titles(path)}`),
    ...onlyNew.map((path) => `Only in the new run: ${titles(path)}`),
    "",
    `${metrics.length} figures: ${worse} worse, ${unclear} too noisy to tell` +
      (byChance > 0 ? `; of so many, about ${byChance} would move by chance` : ""),
  ];
}
