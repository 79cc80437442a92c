// The claims usually made for SR-IOV, each held against what was measured. A claim is a threshold on
// a ratio of two paths; it is met, or not, only when the whole interval lies on one side. Nobody's
// figures are in here: what the literature says of the claims is in docs/bench.md.

import type { MeasuredRun, PathResult } from "./measured-run.ts";
import { metricsOf, valuesByRound, type Metric, type MetricKind } from "./metrics.ts";
import { pairedRatio, type Estimate } from "./statistics.ts";

type Claim = {
  readonly id: string;
  readonly kind: MetricKind;
  /** As it is made. */
  readonly words: string;
  /** What the ratio (SR-IOV to software) must reach: at most, or at least. */
  readonly threshold: number;
  readonly reaches: "at-most" | "at-least";
};

const claimTable: readonly Claim[] = [
  {
    id: "latency",
    kind: "latency",
    words: "latency 60-80 % lower",
    threshold: 0.4,
    reaches: "at-most",
  },
  {
    id: "throughput",
    kind: "throughput",
    words: "throughput 3-5 x",
    threshold: 3,
    reaches: "at-least",
  },
  { id: "cpu", kind: "cpu", words: "CPU 70 % lower", threshold: 0.3, reaches: "at-most" },
];

type Pair = {
  readonly path: string;
  readonly against: string;
  /** The claims are about guests; namespaces only show what the switch itself costs. */
  readonly isAboutGuests: boolean;
  /** What it is about, if not a guest. */
  readonly remark?: string;
};

const switchAlone = { isAboutGuests: false, remark: "no guest: what the switch alone does" };
const polling = { isAboutGuests: false, remark: "no guest, no kernel: what polling does" };

const pairTable: readonly Pair[] = [
  { path: "guest-vf", against: "guest-virtio-bridge", isAboutGuests: true },
  { path: "guest-vf", against: "guest-e1000", isAboutGuests: true },
  { path: "guest-vf", against: "guest-macvtap", isAboutGuests: true },
  { path: "guest-pf", against: "guest-virtio-bridge", isAboutGuests: true },
  { path: "ns-vf-vf", against: "ns-veth-bridge", ...switchAlone },
  { path: "ns-vf-vf", against: "ns-macvlan", ...switchAlone },
  { path: "testpmd-vf-vf", against: "ns-veth-bridge", ...polling },
];

type Verdict = "met" | "not met" | "too noisy to tell" | "not measurable here";

export type ClaimResult = {
  readonly claim: string;
  readonly words: string;
  readonly path: string;
  readonly against: string;
  readonly isAboutGuests: boolean;
  /** `median`, `TCP`, `64-byte frames`; null: nothing of this kind was measured. */
  readonly metric: string | null;
  readonly verdict: Verdict;
  /** SR-IOV to software; null where it could not be worked out. */
  readonly ratio: Estimate | null;
  /** Why there is no verdict; null with one. */
  readonly because: string | null;
};

/** Fewer say nothing of their own spread. */
const leastRounds = 3;

function verdictOf({ threshold, reaches }: Claim, { interval, rounds }: Estimate): Verdict {
  if (interval === null || rounds < leastRounds) return "too noisy to tell";
  const [low, high] = interval;
  if (reaches === "at-least") {
    return low >= threshold ? "met" : high < threshold ? "not met" : "too noisy to tell";
  }
  return high <= threshold ? "met" : low > threshold ? "not met" : "too noisy to tell";
}

function becauseOf(verdict: Verdict, { rounds }: Estimate): string | null {
  if (verdict !== "too noisy to tell") return null;
  return rounds < leastRounds
    ? `${rounds} ${rounds === 1 ? "round" : "rounds"}, wanted at least ${leastRounds}`
    : "the interval lies on both sides of the claim";
}

function ratioOf(run: MeasuredRun, { path, against }: Pair, metric: Metric): Estimate | null {
  const over = valuesByRound(run, path, metric);
  const under = valuesByRound(run, against, metric);
  const rounds = [...over.keys()].filter((round) => under.has(round));
  const inOrder = (values: ReadonlyMap<number, number>): number[] =>
    rounds.map((round) => values.get(round) ?? 0);
  return pairedRatio(inOrder(over), inOrder(under));
}

function absenceOf({ paths }: MeasuredRun, { path, against }: Pair): string | null {
  const reasons = [path, against].flatMap((id) => {
    const found = paths.find((each) => each.id === id);
    if (found === undefined) return [`${id} was not asked for`];
    return found.notMeasured === null ? [] : [`${found.title}: ${found.notMeasured}`];
  });
  return reasons.length === 0 ? null : reasons.join("; ");
}

export const titleOf = (paths: readonly PathResult[], id: string): string =>
  paths.find((path) => path.id === id)?.title ?? id;

/** A row a claim, pair and metric; a pair that could not be measured is a row a claim. */
export function claimResults(run: MeasuredRun): ClaimResult[] {
  const metrics = metricsOf(run);
  const results = pairTable.flatMap((pair) => {
    const absence = absenceOf(run, pair);
    return claimTable.flatMap((claim) => {
      const { id, words, kind } = claim;
      const { path, against, isAboutGuests } = pair;
      const about = { claim: id, words, path, against, isAboutGuests };
      const nothing = (because: string, metric: string | null = null): ClaimResult => ({
        ...about,
        metric,
        verdict: "not measurable here",
        ratio: null,
        because,
      });
      if (absence !== null) return [nothing(absence)];
      const rows = metrics
        .filter((metric) => metric.kind === kind)
        .flatMap((metric): ClaimResult[] => {
          const ratio = ratioOf(run, pair, metric);
          if (ratio === null) return [];
          const verdict = verdictOf(claim, ratio);
          const because = becauseOf(verdict, ratio);
          return [{ ...about, metric: metric.title, verdict, ratio, because }];
        });
      return rows.length > 0 ? rows : [nothing("no round has the figures of both")];
    });
  });
  return withoutIdlePairs(run, results);
}

/** Pairs of which neither side was asked for say nothing; those about guests say why, all the same. */
const withoutIdlePairs = ({ paths }: MeasuredRun, results: readonly ClaimResult[]): ClaimResult[] =>
  results.filter(({ path, against }) =>
    [path, against].every((id) => paths.some((each) => each.id === id)),
  );

type ClaimGroup = {
  /** `guest: VF against guest: e1000`. */
  readonly title: string;
  /** Why the pair could not be measured at all; null: `results` says each. */
  readonly because: string | null;
  readonly results: readonly ClaimResult[];
};

/** Pair by pair, with what is to be said of a whole pair said once. */
export function claimGroups(run: MeasuredRun): ClaimGroup[] {
  const all = claimResults(run);
  return pairTable.flatMap((pair) => {
    const results = all.filter(
      ({ path, against }) => path === pair.path && against === pair.against,
    );
    const [first] = results;
    if (first === undefined) return [];
    const without = pair.remark === undefined ? "" : ` (${pair.remark})`;
    const isAbsent = results.every(
      ({ metric, because }) => metric === null && because === first.because,
    );
    const names = [pair.path, pair.against].map((id) => titleOf(run.paths, id));
    return [
      {
        title: `${names.join(" against ")}${without}`,
        because: isAbsent ? first.because : null,
        results,
      },
    ];
  });
}

type ClaimSummary = {
  readonly words: string;
  /** Least and most of the ratios. */
  readonly ratios: readonly [number, number] | null;
  /** What all of its metrics say; null: they differ. */
  readonly verdict: Verdict | null;
  /** `6 met, 1 not met`. */
  readonly counts: string;
};

/** A group's claims, each over its metrics. */
export function summariesOf({ results }: ClaimGroup): ClaimSummary[] {
  return claimTable.flatMap(({ id, words }): ClaimSummary[] => {
    const own = results.filter(({ claim }) => claim === id);
    const values = own.flatMap(({ ratio }) => (ratio === null ? [] : [ratio.value]));
    const verdicts = [...new Set(own.map(({ verdict }) => verdict))];
    const [only = null] = verdicts;
    if (only === null) return [];
    const countOf = (verdict: Verdict): number =>
      own.filter((result) => result.verdict === verdict).length;
    return [
      {
        words,
        ratios: values.length === 0 ? null : [Math.min(...values), Math.max(...values)],
        verdict: verdicts.length === 1 ? only : null,
        counts:
          verdicts.length === 1
            ? only
            : verdicts.map((verdict) => `${countOf(verdict)} ${verdict}`).join(", "),
      },
    ];
  });
}
