// What may be said from a few rounds. Everything that is compared is a ratio, so all of it is worked
// out on logarithms: the mean is the geometric one, and twice as fast is as far as half as fast.
// Intervals are Student's, of 95 %: with 3 to 10 rounds a bootstrap promises more than it holds
// (its intervals are too narrow below some 20 values).

/** Two-sided 95 %: degrees of freedom, and the quantile 0.975 of Student's distribution. */
const studentQuantiles: readonly (readonly [degrees: number, quantile: number])[] = [
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [6, 2.447],
  [7, 2.365],
  [8, 2.306],
  [9, 2.262],
  [10, 2.228],
  [12, 2.179],
  [15, 2.131],
  [20, 2.086],
  [30, 2.042],
  [60, 2.0],
  [120, 1.98],
];
const normalQuantile = 1.96;

/** Between rows straight in 1/degrees, which errs on the wide side: the curve sags below the line. */
function studentQuantile(degrees: number): number {
  const at = studentQuantiles.findIndex(([row]) => row >= degrees);
  const [below, low] = studentQuantiles[(at === -1 ? studentQuantiles.length : at) - 1] ?? [
    1, 12.706,
  ];
  const [above, high] =
    at === -1 ? [Infinity, normalQuantile] : (studentQuantiles[at] ?? [1, 12.706]);
  if (degrees <= below) return low;
  const share = (1 / below - 1 / degrees) / (1 / below - 1 / above);
  return low + share * (high - low);
}

/** `low` and `high` are the 95 % interval of `value`; equal to it never by luck: null with one round. */
export type Estimate = {
  readonly value: number;
  readonly interval: readonly [low: number, high: number] | null;
  readonly rounds: number;
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

/** Logarithms, or null where there is none: a round in which nothing arrived has no ratio. */
function logarithms(values: readonly number[]): number[] | null {
  if (values.length === 0) return null;
  return values.every((value) => value > 0 && Number.isFinite(value)) ? values.map(Math.log) : null;
}

function estimateOf(center: number, spread: number | null, rounds: number): Estimate {
  return {
    value: Math.exp(center),
    interval: spread === null ? null : [Math.exp(center - spread), Math.exp(center + spread)],
    rounds,
  };
}

/** Geometric mean of positive values; null where one is not. */
export function centerOf(values: readonly number[]): Estimate | null {
  const logs = logarithms(values);
  if (logs === null) return null;
  const count = logs.length;
  const spread = count < 2 ? null : studentQuantile(count - 1) * Math.sqrt(variance(logs) / count);
  return estimateOf(mean(logs), spread, count);
}

/**
 * `over` divided by `under`, round by round: rounds are interleaved, so what the machine did
 * meanwhile hit both. null where a round has no ratio, or there is none.
 */
export function pairedRatio(over: readonly number[], under: readonly number[]): Estimate | null {
  const count = Math.min(over.length, under.length);
  return centerOf(over.slice(0, count).map((value, at) => value / (under[at] ?? 0)));
}

/** The same of two runs that share no rounds (Welch). */
export function unpairedRatio(over: readonly number[], under: readonly number[]): Estimate | null {
  const [a, b] = [logarithms(over), logarithms(under)];
  if (a === null || b === null) return null;
  const center = mean(a) - mean(b);
  const rounds = Math.min(a.length, b.length);
  if (rounds < 2) return estimateOf(center, null, rounds);
  const [ofA, ofB] = [variance(a) / a.length, variance(b) / b.length];
  const both = ofA + ofB;
  const degrees =
    both === 0 ? rounds - 1 : both ** 2 / (ofA ** 2 / (a.length - 1) + ofB ** 2 / (b.length - 1));
  return estimateOf(center, studentQuantile(degrees) * Math.sqrt(both), rounds);
}

/** Values at percentiles of 0 to 100, straight between the neighbours; empty without values. */
export function percentilesOf(
  values: readonly number[],
  percentiles: readonly number[],
): (readonly [percentile: number, value: number])[] {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  if (last < 0) return [];
  return percentiles.map((percentile) => {
    const place = (percentile / 100) * last;
    const low = sorted[Math.floor(place)] ?? 0;
    const high = sorted[Math.ceil(place)] ?? low;
    return [percentile, low + (high - low) * (place - Math.floor(place))];
  });
}
