// What `sriovctl bench` shows of a run and of two runs on a terminal.

import { claimGroups, summariesOf, type ClaimResult } from "../bench/claims.ts";
import { resolutionOf, type Change, type Comparison } from "../bench/compare-runs.ts";
import type { MeasuredRun } from "../bench/measured-run.ts";
import { hasGuest, stepWords, type PathRow } from "../bench/path-table.ts";
import type { BenchSite } from "./bench-site.ts";
import type { Context } from "./context.ts";
import { secondsOf, type BenchWish } from "./bench-wish.ts";
import { durationWords } from "./duration.ts";
import { plural } from "./list-text.ts";
import { figure, metricsOf } from "../bench/metrics.ts";
import {
  caveatsOf,
  changeText,
  figureText,
  metricText,
  ratiosText,
  ratioText,
  verdictText,
} from "../bench/run-words.ts";
import { widthOf, type Style, type Tone } from "./style.ts";
import { alignRows, type Row } from "./table.ts";

type BenchStyle = {
  readonly style: Style;
  readonly columns: number;
  /** Each ratio with its interval. */
  readonly isVerbose: boolean;
};

export const benchStyleOf = ({ style, io, log }: Context): BenchStyle => ({
  style,
  columns: io.stdout.columns,
  isVerbose: log.level !== "normal",
});

/** As many paths beside each other as there is room for, but one. */
function figuresTable(run: MeasuredRun, { style, columns }: BenchStyle): string[] {
  const measured = run.paths.filter(({ notMeasured }) => notMeasured === null);
  const metrics = metricsOf(run);
  const tableOf = (paths: MeasuredRun["paths"]): string[] => {
    const rows = metrics.map((metric): Row => {
      const cells = paths.map(({ id }) => figureText(run, id, metric));
      return [metricText(metric), metric.unit, ...cells];
    });
    const heading = ["", "", ...paths.map(({ title }) => title)];
    return alignRows([heading.map((cell) => style("strong", cell)), ...rows]);
  };
  const fits = (lines: readonly string[]): boolean =>
    lines.every((line) => widthOf(line) <= columns);
  const tables: string[][] = [];
  for (let first = 0; first < measured.length;) {
    let last = measured.length;
    while (last > first + 1 && !fits(tableOf(measured.slice(first, last)))) last--;
    tables.push([...(first === 0 ? [] : [""]), ...tableOf(measured.slice(first, last))]);
    first = last;
  }
  return tables.flat();
}

const verdictTones: Readonly<Record<ClaimResult["verdict"], Tone>> = {
  "met": "good",
  "not met": "bad",
  "too noisy to tell": "warn",
  "not measurable here": "dim",
};

const absenceOf = (because: string, style: Style): string =>
  `  ${style("dim", `not measurable here: ${because}`)}`;

/** A line a claim, over all of its metrics. */
function claimsSummary(run: MeasuredRun, style: Style): string[] {
  const rows = claimGroups(run).flatMap((group): Row[] => {
    if (group.because !== null) return [[group.title], [absenceOf(group.because, style)]];
    const lines = summariesOf(group).map(({ words, ratios, verdict, counts }): Row => [
      `  ${words}`,
      ratios === null ? "-" : ratiosText(ratios),
      style(verdict === null ? "warn" : verdictTones[verdict], counts),
    ]);
    return [[group.title], ...lines];
  });
  return alignRows(rows);
}

function claimsLines(run: MeasuredRun, { style, isVerbose }: BenchStyle): string[] {
  const groups = claimGroups(run);
  if (groups.length === 0) return ["No pair of these paths is what a claim is about"];
  if (!isVerbose) return [...claimsSummary(run, style), "", "-v shows each ratio and its interval"];
  const rows = groups.flatMap(({ title, because, results }): Row[] => {
    if (because !== null) return [[title], [absenceOf(because, style)]];
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

export function runText(run: MeasuredRun, shown: BenchStyle): string[] {
  const { style } = shown;
  const { host, settings } = run;
  const absent = run.paths.filter(({ notMeasured }) => notMeasured !== null);
  const round = settings.rounds === 1 ? "round" : "rounds";
  return [
    `${style("strong", host.name)}  Linux ${host.kernelRelease}, ${host.processors} x ${host.processorModel}`,
    `${run.madeAt}, ${settings.rounds} interleaved ${round} of ${settings.seconds} s`,
    ...caveatsOf(run).map((caveat) => style("warn", caveat)),
    "",
    ...figuresTable(run, shown),
    "",
    style("strong", "Claims"),
    ...claimsLines(run, shown),
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
  const guests = rows.filter((row) => hasGuest(row, site)).length;
  const time = durationWords(Math.ceil(secondsOf(wish, rows.length, guests) / 60) * 60_000);
  const lent = [...site.vfs.map(({ netdev }) => netdev), site.wire].filter((each) => each !== null);
  const absent = alignRows(
    missing.map(({ row, because }) => [`Not measurable here: ${row.title}`, because]),
  );
  if (rows.length === 0) return ["Nothing can be measured", ...absent];
  const steps = rows.flatMap((row) => row.build(site).steps);
  const given = new Set(steps.flatMap((step) => ("vfio" in step ? [step.vfio] : [])));
  const programsOf = (row: PathRow): string[] => {
    const { sender, receiver } = row.build(site);
    const polled = [receiver, sender].flatMap((end) => ("polled" in end ? [end.polled] : []));
    return [
      ...(hasGuest(row, site) ? ["start a guest with QEMU"] : []),
      ...polled.map((address) => `start testpmd on ${address}`),
    ];
  };
  return [
    `Would measure ${plural(rows.length, "path")}, ${plural(rounds, "round")}, ${seconds} s each: about ${time}`,
    `Frame sizes ${frameSizes.join(", ")} and TCP`,
    ...functions.map((text) => `Uses ${text}`),
    ...lent.map(({ name }) => `Moves ${name} to a network namespace and back, each round`),
    ...[...given].map(
      (address) => `Gives ${address} to a guest or to testpmd and takes it back, each round`,
    ),
    ...rows.flatMap((row) => [
      "",
      row.title,
      ...row.build(site).steps.map((step) => `  ${stepWords(step)}`),
      ...programsOf(row).map((words) => `  ${words}`),
    ]),
    "",
    "Then all of it is taken back",
    ...absent,
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
    metricText(metric),
    `${figure(old)} ${metric.unit}`,
    `${figure(now)} ${metric.unit}`,
    changeText(ratio),
    style(changeTones[change], change),
  ]);
  const heading = ["PATH", "FIGURE", "OLD", "NEW", "CHANGE", ""];
  const worse = metrics.filter(({ change }) => change === "worse").length;
  const unclear = metrics.filter(({ change }) => change === "unclear").length;
  const resolution = resolutionOf(comparison);
  const byChance = Math.round(metrics.length * 0.05);
  return [
    ...surroundings.map((line) => style("warn", `Differs: ${line}`)),
    ...alignRows([heading, ...rows]),
    ...onlyOld.map((path) => `Only in the old run: ${titles(path)}`),
    ...onlyNew.map((path) => `Only in the new run: ${titles(path)}`),
    "",
    `${metrics.length} figures: ${worse} worse, ${unclear} too noisy to tell` +
      (byChance > 0 ? `; of so many, about ${byChance} would move by chance` : ""),
    ...(resolution === null || unclear === 0
      ? []
      : [
          `Half of them would show a change of ${figure(resolution * 100)} %; more rounds show less`,
        ]),
  ];
}
