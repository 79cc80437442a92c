// VF sets as text: `p0/0-7,9` is VFs 0 to 7 and 9 of the PF labelled p0. Kept as ranges, because
// a PF may have 65,535 VFs and a hostile file may name them all many times; expanded only once
// the whole spec is known to be sound.

/** First and last VF index, both included. */
type VfRange = readonly [first: number, last: number];

export type VfRanges = {
  readonly pf: string;
  /** Ascending, without overlap, never touching. */
  readonly ranges: readonly VfRange[];
};

/** NumVFs is a 16-bit register (PCIe SR-IOV capability), so the last index is one below it. */
const maxVfIndex = 65_534;

export const labelPattern = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

const index = "(?:0|[1-9][0-9]{0,4})";
const range = `${index}(?:-${index})?`;

export const vfRangesPattern = new RegExp(`^[A-Za-z][A-Za-z0-9._-]{0,63}/${range}(?:,${range})*$`);

const rangeText = ([first, last]: VfRange): string =>
  first === last ? `${first}` : `${first}-${last}`;

export const formatVfRanges = ({ pf, ranges }: VfRanges): string =>
  `${pf}/${ranges.map(rangeText).join(",")}`;

/** A sentence part that starts with "which", when a range is reversed, too far or repeated. */
function faultOf(ranges: readonly VfRange[]): string | null {
  for (const [first, last] of ranges) {
    if (first > last) return `which runs backwards in ${first}-${last}`;
    if (last > maxVfIndex) return `which goes beyond VF ${maxVfIndex}, the last that a PF can have`;
  }
  for (let at = 1; at < ranges.length; at++) {
    const [before, after] = [ranges[at - 1] ?? [0, 0], ranges[at] ?? [0, 0]];
    if (after[0] <= before[1]) return `which names VF ${after[0]} twice`;
  }
  return null;
}

function joined(ranges: readonly VfRange[]): VfRange[] {
  const result: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = result.at(-1);
    if (before !== undefined && before[1] + 1 === first) before[1] = last;
    else result.push([first, last]);
  }
  return result;
}

/** Parses a text that `vfRangesPattern` matches; a string is the reason why it is not a set. */
export function parseVfRanges(text: string): VfRanges | string {
  const slash = text.indexOf("/");
  const ranges = text
    .slice(slash + 1)
    .split(",")
    .map((piece): VfRange => {
      const [first = Number.NaN, last = first] = piece.split("-").map(Number);
      return [first, last];
    })
    .sort((left, right) => left[0] - right[0] || left[1] - right[1]);
  return faultOf(ranges) ?? { pf: text.slice(0, slash), ranges: joined(ranges) };
}

export function rangesOfIndexes(vfIndexes: readonly number[]): VfRange[] {
  const sorted = [...new Set(vfIndexes)].sort((left, right) => left - right);
  return joined(sorted.map((vfIndex): VfRange => [vfIndex, vfIndex]));
}

/** `0-3,7`: VF indexes in any order, as people write them. */
export const rangesOf = (vfIndexes: readonly number[]): string =>
  rangesOfIndexes(vfIndexes).map(rangeText).join(",");

export const countOf = ({ ranges }: VfRanges): number =>
  ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);

export const expandRanges = ({ ranges }: VfRanges): number[] =>
  ranges.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, offset) => first + offset),
  );

/** What both name; the PFs are taken to be the same. */
export function commonRanges(left: VfRanges, right: VfRanges): VfRange[] {
  const common: VfRange[] = [];
  let [at, other] = [0, 0];
  while (at < left.ranges.length && other < right.ranges.length) {
    const [a, b] = [left.ranges[at] ?? [0, 0], right.ranges[other] ?? [0, 0]];
    const [first, last] = [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
    if (first <= last) common.push([first, last]);
    if (a[1] < b[1]) at++;
    else other++;
  }
  return common;
}
