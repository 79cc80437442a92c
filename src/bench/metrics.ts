// The figures that are compared: one a metric and sample. A metric knows which way is better and how
// it is written, so that claims, comparisons, tables and plots need no cases of their own.

import type { MeasuredRun, Sample } from "./measured-run.ts";

/** `cpu` is the whole host's, `guest-cpu` what the guest itself counts of it. */
export type MetricKind = "throughput" | "latency" | "cpu" | "guest-cpu";

export type Metric = {
  /** Stable: `throughput-udp-64`, `latency-p99`, `cpu-tcp`. */
  readonly id: string;
  readonly kind: MetricKind;
  /** `64-byte frames`, `TCP`, `median`. */
  readonly title: string;
  readonly unit: "Gbit/s" | "frames/s" | "us" | "CPU s/Gbit";
  readonly isMoreBetter: boolean;
  /** null: this sample is about something else. */
  readonly of: (sample: Sample) => number | null;
};

const giga = 1e9;

function perGigabit(
  cpuSeconds: number | null,
  { bitsPerSecond, durationSeconds }: Sample,
): number | null {
  if (cpuSeconds === null || bitsPerSecond === null || bitsPerSecond <= 0) return null;
  return cpuSeconds / ((bitsPerSecond * durationSeconds) / giga);
}

/** CPU of the whole host, since softirqs and vhost threads run in nobody's name; and the guest's. */
const cpuMetrics = (
  name: string,
  title: string,
  isMeant: (sample: Sample) => boolean,
): readonly Metric[] => {
  const common = { title, unit: "CPU s/Gbit", isMoreBetter: false } as const;
  return [
    {
      ...common,
      id: `cpu-${name}`,
      kind: "cpu",
      of: (sample) => (isMeant(sample) ? perGigabit(sample.hostCpuSeconds, sample) : null),
    },
    {
      ...common,
      id: `guest-cpu-${name}`,
      kind: "guest-cpu",
      of: (sample) => (isMeant(sample) ? perGigabit(sample.guestCpuSeconds, sample) : null),
    },
  ];
};

export const percentileOf = ({ latency }: Sample, wanted: number): number | null =>
  latency?.find(([percentile]) => percentile === wanted)?.[1] ?? null;

const tcpMetrics: readonly Metric[] = [
  {
    id: "throughput-tcp",
    kind: "throughput",
    title: "TCP",
    unit: "Gbit/s",
    isMoreBetter: true,
    of: (sample) =>
      sample.traffic === "tcp" && sample.bitsPerSecond !== null
        ? sample.bitsPerSecond / giga
        : null,
  },
  ...cpuMetrics("tcp", "TCP", ({ traffic }) => traffic === "tcp"),
];

function frameMetrics(frameBytes: number): Metric[] {
  const isMeant = (sample: Sample): boolean =>
    sample.traffic === "udp" && sample.frameBytes === frameBytes;
  const title = `${frameBytes}-byte frames`;
  return [
    {
      id: `throughput-udp-${frameBytes}`,
      kind: "throughput",
      title,
      unit: "frames/s",
      isMoreBetter: true,
      of: (sample) => (isMeant(sample) ? sample.packetsPerSecond : null),
    },
    ...cpuMetrics(`udp-${frameBytes}`, title, isMeant),
  ];
}

const latencyTitles: readonly (readonly [percentile: number, title: string])[] = [
  [50, "median"],
  [99, "99th percentile"],
];

const latencyMetrics: readonly Metric[] = latencyTitles.map(([percentile, title]) => ({
  id: `latency-p${percentile}`,
  kind: "latency",
  title,
  unit: "us",
  isMoreBetter: false,
  of: (sample) => (sample.traffic === "latency" ? percentileOf(sample, percentile) : null),
}));

export const frameSizesOf = ({ samples }: MeasuredRun): number[] =>
  [
    ...new Set(
      samples.flatMap(({ traffic, frameBytes }) =>
        traffic === "udp" && frameBytes !== null ? [frameBytes] : [],
      ),
    ),
  ].toSorted((a, b) => a - b);

/** Those that a run with these frame sizes can have: latency, throughput, CPU. */
export function metricsFor(frameSizes: readonly number[]): Metric[] {
  const all = [...latencyMetrics, ...tcpMetrics, ...frameSizes.flatMap(frameMetrics)];
  const order: readonly MetricKind[] = ["latency", "throughput", "cpu", "guest-cpu"];
  return order.flatMap((kind) => all.filter((metric) => metric.kind === kind));
}

/** Those that this run has something of. */
export const metricsOf = (run: MeasuredRun): Metric[] =>
  metricsFor(frameSizesOf(run)).filter(({ of }) => run.samples.some((each) => of(each) !== null));

/** Of one path, by round; a round without the figure is missing. */
export function valuesByRound(
  { samples }: MeasuredRun,
  path: string,
  { of }: Metric,
): ReadonlyMap<number, number> {
  return new Map(
    samples.flatMap((sample) => {
      const value = sample.path === path ? of(sample) : null;
      return value === null ? [] : [[sample.round, value] as const];
    }),
  );
}

export const valuesOf = (run: MeasuredRun, path: string, metric: Metric): number[] => [
  ...valuesByRound(run, path, metric).values(),
];

/** Three significant digits, with a prefix where it is large: `1.25 M`, `840`, `0.0123`. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const prefixes: readonly (readonly [least: number, prefix: string])[] = [
    [1e9, " G"],
    [1e6, " M"],
    [1e4, " k"],
    [0, ""],
  ];
  const [least, prefix] = prefixes.find(([from]) => Math.abs(value) >= from) ?? [0, ""];
  const scaled = value / (prefix === "" ? 1 : prefix === " k" ? 1e3 : least);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(scaled))));
  return `${scaled.toFixed(Math.min(digits, 6))}${prefix}`;
}
