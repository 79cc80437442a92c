// A measured run as one HTML file that needs nothing else: plots, claims, paths, surroundings. It
// opens with what is known to make the figures worthless, where there is such a thing.

import { claimGroups, summariesOf, type ClaimResult } from "./claims.ts";
import { pageStyle } from "./html-style.ts";
import {
  escapeMarkup as esc,
  legendMark,
  linePlot,
  type Plot,
  type PlotPoint,
  type PlotSeries,
} from "./line-plot.ts";
import type { MeasuredRun, Sample } from "./measured-run.ts";
import { figure, frameSizesOf, metricsOf, percentileOf, valuesOf, type Metric } from "./metrics.ts";
import {
  caveatsOf,
  figureText,
  metricText,
  ratiosText,
  ratioText,
  verdictText,
} from "./run-words.ts";
import { centerOf } from "./statistics.ts";

type Look = { readonly id: string; readonly title: string; readonly look: number };

/** A path has one colour on the whole page, whichever others were measured. */
const looksOf = ({ paths }: MeasuredRun): Look[] =>
  paths
    .map(({ id, title, notMeasured }, look) => ({ id, title, look, notMeasured }))
    .filter(({ notMeasured }) => notMeasured === null);

function pointOf(run: MeasuredRun, path: string, metric: Metric, x: number): PlotPoint | null {
  const center = centerOf(valuesOf(run, path, metric));
  if (center === null) return null;
  const { value, interval, rounds } = center;
  const range = interval === null ? "" : `, 95 % ${figure(interval[0])} to ${figure(interval[1])}`;
  const words = `${metric.title}: ${figure(value)} ${metric.unit}${range} (${rounds} rounds)`;
  return { x, y: value, interval, words };
}

/** Frame sizes as a line, TCP, which is no size, as a point beside it. */
function sizePlot(
  run: MeasuredRun,
  words: Pick<Plot, "title" | "yLabel">,
  metricOf: (name: string) => Metric | null,
): Plot {
  const sizes = frameSizesOf(run);
  const series = looksOf(run).map(({ id, title, look }): PlotSeries => {
    const at = (name: string, x: number): PlotPoint[] => {
      const metric = metricOf(name);
      return (metric === null ? null : pointOf(run, id, metric, x)) === null || metric === null
        ? []
        : [pointOf(run, id, metric, x)].filter((point) => point !== null);
    };
    const line = sizes.flatMap((size, x) => at(`udp-${size}`, x));
    return { name: title, look, runs: [line, at("tcp", sizes.length)] };
  });
  const ticks = [...sizes.map(String), "TCP"].map((text, place) => [place, text] as const);
  return { ...words, xLabel: "frame size, bytes", xTicks: ticks, series };
}

/** Frames as bits, so that sizes and TCP share an axis. */
const bitsMetric = (frameBytes: number): Metric => ({
  id: `bits-udp-${frameBytes}`,
  kind: "throughput",
  title: `${frameBytes}-byte frames`,
  unit: "Gbit/s",
  isMoreBetter: true,
  of: ({ traffic, frameBytes: size, bitsPerSecond }) =>
    traffic === "udp" && size === frameBytes && bitsPerSecond !== null ? bitsPerSecond / 1e9 : null,
});

const shownPercentiles = [0, 25, 50, 75, 90, 99, 99.9, 99.99, 99.999];

const percentileMetric = (percentile: number): Metric => ({
  id: `latency-${percentile}`,
  kind: "latency",
  title: `${percentile} %`,
  unit: "us",
  isMoreBetter: false,
  of: (sample: Sample) => (sample.traffic === "latency" ? percentileOf(sample, percentile) : null),
});

/** Each percentile is one step to the right: on a scale of shares the tail would be a point. */
function latencyPlot(run: MeasuredRun): Plot {
  const metrics = shownPercentiles
    .map((percentile) => ({ percentile, metric: percentileMetric(percentile) }))
    .filter(({ metric }) => run.samples.some((sample) => metric.of(sample) !== null));
  const series = looksOf(run).map(({ id, title, look }): PlotSeries => {
    const points = metrics.map(({ metric }, place) => pointOf(run, id, metric, place));
    return { name: title, look, runs: [points.filter((point) => point !== null)] };
  });
  return {
    title: "Latency",
    xLabel: "per cent of messages that are at least as fast",
    yLabel: "us, one way",
    xTicks: metrics.map(
      ({ percentile }, place) => [place, percentile === 0 ? "min" : `${percentile}`] as const,
    ),
    series,
  };
}

/** Of the series that have something in the plot. */
const legend = ({ series }: Plot): string =>
  `<ul class="legend">${series
    .filter(({ runs }) => runs.flat().length > 0)
    .map(({ name, look }) => `<li>${legendMark(look)}${esc(name)}</li>`)
    .join("")}</ul>`;

function figureOf(plot: Plot, caption: string): string {
  const svg = linePlot(plot);
  if (svg === null) return "";
  return `<section><h2>${esc(plot.title)}</h2><p>${esc(caption)}</p>${legend(plot)}${svg}</section>`;
}

const tableRow = (row: readonly string[]): string =>
  `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;

const tableOf = (heading: readonly string[], rows: readonly string[]): string =>
  `<div class="wide"><table><thead><tr>${heading.map((cell) => `<th>${esc(cell)}</th>`).join("")}</tr>` +
  `</thead><tbody>${rows.join("")}</tbody></table></div>`;

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  tableOf(heading, rows.map(tableRow));

const verdictClass: Readonly<Record<ClaimResult["verdict"], string>> = {
  "met": "good",
  "not met": "bad",
  "too noisy to tell": "open",
  "not measurable here": "open",
};

function groupRow(
  { title, because }: ReturnType<typeof claimGroups>[number],
  columns: number,
): string {
  const absence = because === null ? "" : `: not measurable here: ${because}`;
  return `<tr class="group"><td colspan="${columns}"><b>${esc(title)}</b>${esc(absence)}</td></tr>`;
}

function claimsTable(run: MeasuredRun): string {
  const groups = claimGroups(run);
  if (groups.length === 0) return "<p>No pair of these paths is what a claim is about.</p>";
  const rows = groups.flatMap((group) => {
    const heading = groupRow(group, 4);
    if (group.because !== null) return [heading];
    const lines = group.results.map((result) => [
      esc(result.words),
      esc(result.metric ?? "-"),
      esc(result.ratio === null ? "-" : ratioText(result.ratio)),
      `<b class="${verdictClass[result.verdict]}">${esc(verdictText(result))}</b>`,
    ]);
    return [heading, ...lines.map(tableRow)];
  });
  const all = tableOf(["claim", "measured as", "ratio, 95 % interval", "verdict"], rows);
  return `${summaryTable(groups)}<details><summary>Each ratio with its interval</summary>${all}</details>`;
}

/** A pair's line, and below it what its figures say of each claim, together. */
function summaryTable(groups: ReturnType<typeof claimGroups>): string {
  const first = groups.find(({ because }) => because === null);
  const words = first === undefined ? [] : summariesOf(first).map((each) => each.words);
  const rows = groups.flatMap((group) => {
    const heading = groupRow(group, Math.max(1, words.length));
    if (group.because !== null) return [heading];
    const cells = summariesOf(group).map(({ ratios, verdict, counts }) => {
      const className = verdict === null ? "open" : verdictClass[verdict];
      const range =
        ratios === null ? "" : `${esc(ratiosText(ratios)).replace(/ x$/, "&nbsp;x")}<br>`;
      return `${range}<b class="${className}">${esc(counts)}</b>`;
    });
    return [heading, tableRow(cells)];
  });
  return tableOf(words, rows);
}

/** What the plots show, for who wants to read it. */
function figuresTable(run: MeasuredRun): string {
  const paths = looksOf(run);
  const rows = metricsOf(run).map((metric) => [
    esc(metricText(metric)),
    metric.unit,
    ...paths.map(({ id }) => esc(figureText(run, id, metric))),
  ]);
  const all = table(["", "", ...paths.map(({ title }) => title)], rows);
  return `<details class="figures"><summary>All figures, with their 95 % intervals</summary>${all}</details>`;
}

function pathsTable({ paths }: MeasuredRun): string {
  const rows = paths.map(({ title, notMeasured, notes }) => [
    esc(title),
    notMeasured === null ? notes.map(esc).join("<br>") : esc(`not measurable here: ${notMeasured}`),
  ]);
  return table(["path", "seen"], rows);
}

function surroundings(run: MeasuredRun): string {
  const { host, settings, tools, functions } = run;
  const number = (value: number | null): string => (value === null ? "not known" : figure(value));
  const busy = centerOf(host.idleProcessorsBusy.map((each) => each + 1e-9));
  const rows: readonly (readonly [string, string])[] = [
    ["host", `${host.name}, Linux ${host.kernelRelease}`],
    ["processors", `${host.processors} x ${host.processorModel}, ${host.numaNodes} NUMA nodes`],
    [
      "load",
      `${number(host.loadBefore)} before, ${number(host.loadAfter)} after; ${busy === null ? "not known" : figure(busy.value)} processors busy while nothing was sent`,
    ],
    ["functions", functions.join("\n") || "none"],
    ["tools", tools.map(([name, version]) => `${name} ${version}`).join(", ")],
    ["rounds", `${settings.rounds}, interleaved, ${settings.seconds} s each`],
    ["pinning", settings.pinning ?? "none: where the scheduler put it"],
  ];
  return table(
    ["", ""],
    rows.map((row) => row.map((cell) => esc(cell).replaceAll("\n", "<br>"))),
  );
}

const list = (className: string, lines: readonly string[]): string =>
  lines.length === 0
    ? ""
    : `<ul class="${className}">${lines.map((line) => `<li>${esc(line)}</li>`).join("")}</ul>`;

/** The whole page. */
export function htmlReport(run: MeasuredRun): string {
  const metrics = metricsOf(run);
  const byId = (id: string): Metric | null => metrics.find((metric) => metric.id === id) ?? null;
  const bits = (name: string): Metric | null =>
    name === "tcp" ? byId("throughput-tcp") : bitsMetric(Number(name.slice("udp-".length)));
  const throughput = sizePlot(run, { title: "Throughput", yLabel: "Gbit/s" }, bits);
  const cpuWords = { title: "CPU per Gbit/s", yLabel: "CPU seconds a Gbit" };
  const cpu = sizePlot(run, cpuWords, (name) => byId(`cpu-${name}`));
  const title = `Data paths of ${run.host.name}`;
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${esc(title)}</title>`,
    `<meta name="viewport" content="width=device-width, initial-scale=1"><style>${pageStyle}</style></head><body><main>`,
    `<h1>${esc(title)}</h1><p class="made">${esc(run.madeAt)}, sriovctl ${esc(run.version)}</p>`,
    list("warning", caveatsOf(run)),
    `<section class="claims"><h2>Claims</h2><p>What is usually claimed for SR-IOV against software virtualisation, held against this run. A verdict needs the whole interval on one side.</p>${claimsTable(run)}</section>`,
    figureOf(
      throughput,
      "What arrived. Lines: UDP, whole frames. TCP: payload. Bars: 95 % intervals.",
    ),
    figureOf(
      latencyPlot(run),
      "One small datagram at a time, there and back, halved; mean of the rounds.",
    ),
    figureOf(cpu, "All processors of the host, per gigabit that arrived: lower is better."),
    `<section>${figuresTable(run)}</section>`,
    `<section><h2>Paths</h2>${pathsTable(run)}</section>`,
    `<section><h2>Surroundings</h2>${surroundings(run)}</section>`,
    run.problems.length === 0
      ? ""
      : `<section><h2>Problems</h2>${list("", run.problems)}</section>`,
    "</main></body></html>\n",
  ].join("\n");
}
