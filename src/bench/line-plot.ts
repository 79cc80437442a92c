// A plot as SVG text: lines over named places, on a logarithmic scale, since every question here is
// about a factor. Colours are classes (`s0`, `s1` ...), so that one page is right by day and night,
// and each series has a marker and a dash as well for who sees no colours. Text may be twice its size
// (a telephone shows half of the width): there is room for that around it.

export type PlotPoint = {
  /** Place on the x axis, as in `xTicks`. */
  readonly x: number;
  /** Above 0. */
  readonly y: number;
  readonly interval: readonly [low: number, high: number] | null;
  /** Shown when pointed at. */
  readonly words: string;
};

export type PlotSeries = {
  readonly name: string;
  /** Which colour and marker; the same for a path in every plot. */
  readonly look: number;
  /** Runs of points that are joined; a point alone is a list of one. */
  readonly runs: readonly (readonly PlotPoint[])[];
};

export type Plot = {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xTicks: readonly (readonly [place: number, words: string])[];
  readonly series: readonly PlotSeries[];
};

const width = 760;
const height = 400;
const margin = { left: 84, right: 16, top: 12, bottom: 58 };

const amp = /[&<>"']/g;
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const isControl = (character: string): boolean => {
  const code = character.codePointAt(0) ?? 0;
  return (code < 0x20 && code !== 0x0a && code !== 0x09) || (code >= 0x7f && code < 0xa0);
};

/** For text and attributes of HTML and SVG; control characters, which neither may hold, go. */
export const escapeMarkup = (text: string): string =>
  [...text]
    .filter((character) => !isControl(character))
    .join("")
    .replaceAll(amp, (character) => entities[character] ?? "");

type Scale = { readonly at: (value: number) => number; readonly ticks: readonly number[] };

const tickWords = (value: number): string => {
  const [scaled, suffix] =
    value >= 1e9
      ? [value / 1e9, "G"]
      : value >= 1e6
        ? [value / 1e6, "M"]
        : value >= 1e3
          ? [value / 1e3, "k"]
          : [value, ""];
  return `${Number(scaled.toPrecision(3))}${suffix}`;
};

/** 1, 2, 5 a decade; every decade alone where that would be a crowd. */
function ticksBetween(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = to - from > 3 ? [1] : [1, 2, 5];
  const decades = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  return decades
    .flatMap((decade) => steps.map((step) => Number((step * 10 ** decade).toPrecision(6))))
    .filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

function logScale(values: readonly number[], [start, end]: readonly [number, number]): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  // Room above and below, and some span where all values are one.
  const [low, high] = [least / 1.25, most * 1.25];
  const span = Math.log(high) - Math.log(low);
  return {
    at: (value) => start + ((Math.log(value) - Math.log(low)) / span) * (end - start),
    ticks: ticksBetween(low, high),
  };
}

const n = (value: number): string => String(Math.round(value * 10) / 10);

/** Around the place: circle, square, diamond, triangle. */
const markers = [
  "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
  "m-4-4h8v8h-8z",
  "m0-5l5 5-5 5-5-5z",
  "m0-5l5 9h-10z",
] as const;

/** Of the style sheet. */
const colours = 8;

/** Where colours begin again, marker and dash are others. */
function lookOf(look: number): { readonly classes: string; readonly shape: string } {
  const shape = (look + Math.floor(look / colours)) % markers.length;
  return { classes: `s${look % colours} d${shape}`, shape: markers[shape] ?? "" };
}

const markerAt = (look: number, x: number, y: number): string =>
  `M${n(x)} ${n(y)}${lookOf(look).shape}`;

/** A series as its line and marker, for a legend. */
export const legendMark = (look: number): string =>
  `<svg class="key" viewBox="0 0 34 12" aria-hidden="true"><g class="series ${lookOf(look).classes}">` +
  `<polyline points="0,6 34,6"/><path class="mark" d="${markerAt(look, 17, 6)}"/></g></svg>`;

function drawSeries(
  { look, runs, name }: PlotSeries,
  xAt: (x: number) => number,
  y: Scale,
): string {
  const parts = runs.flatMap((points) => {
    const line = points.map((point) => `${n(xAt(point.x))},${n(y.at(point.y))}`).join(" ");
    const whiskers = points.flatMap(({ x, interval }) =>
      interval === null
        ? []
        : [
            `<path class="whisker" d="M${n(xAt(x))} ${n(y.at(interval[0]))}V${n(y.at(interval[1]))}"/>`,
          ],
    );
    const dots = points.map((point) => {
      const words = escapeMarkup(`${name}: ${point.words}`);
      const d = markerAt(look, xAt(point.x), y.at(point.y));
      return `<path class="mark" d="${d}"><title>${words}</title></path>`;
    });
    return [...whiskers, ...(points.length > 1 ? [`<polyline points="${line}"/>`] : []), ...dots];
  });
  return `<g class="series ${lookOf(look).classes}">${parts.join("")}</g>`;
}

function axes({ xTicks, xLabel, yLabel }: Plot, xAt: (x: number) => number, y: Scale): string {
  const [bottom, right] = [height - margin.bottom, width - margin.right];
  const rows = y.ticks.map(
    (tick) =>
      `<path class="grid" d="M${margin.left} ${n(y.at(tick))}H${right}"/>` +
      `<text class="tick" x="${margin.left - 8}" y="${n(y.at(tick) + 4)}" text-anchor="end">${tickWords(tick)}</text>`,
  );
  const columns = xTicks.map(
    ([place, words]) =>
      `<path class="grid" d="M${n(xAt(place))} ${margin.top}V${bottom}"/>` +
      `<text class="tick" x="${n(xAt(place))}" y="${bottom + 20}" text-anchor="middle">${escapeMarkup(words)}</text>`,
  );
  const middle = (margin.top + bottom) / 2;
  return [
    ...rows,
    ...columns,
    `<text class="axis" x="${(margin.left + right) / 2}" y="${height - 8}" text-anchor="middle">${escapeMarkup(xLabel)}</text>`,
    `<text class="axis" transform="translate(18 ${middle}) rotate(-90)" text-anchor="middle">${escapeMarkup(yLabel)}</text>`,
  ].join("");
}

/** null where there is nothing to draw. */
export function linePlot(plot: Plot): string | null {
  const points = plot.series.flatMap(({ runs }) => runs.flat()).filter(({ y }) => y > 0);
  if (points.length === 0) return null;
  const values = points.flatMap(({ y, interval }) => [y, ...(interval ?? [])]);
  const y = logScale(values, [height - margin.bottom, margin.top]);
  const places = plot.xTicks.map(([place]) => place);
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const inner = [margin.left + 24, width - margin.right - 24] as const;
  const xAt = (place: number): number =>
    last === first
      ? (inner[0] + inner[1]) / 2
      : inner[0] + ((place - first) / (last - first)) * (inner[1] - inner[0]);
  const body = plot.series.map((series) => drawSeries(series, xAt, y)).join("");
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(plot.title)}">` +
    `${axes(plot, xAt, y)}${body}</svg>`
  );
}
