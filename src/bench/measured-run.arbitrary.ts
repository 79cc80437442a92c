// Measured runs for tests: figures a path, a round each, spread by a few per cent in a fixed way.

import { benchFormat, type MeasuredRun, type Sample } from "./measured-run.ts";

export type PathFigures = {
  readonly id: string;
  /** Microseconds, frames a second, Gbit/s, CPU seconds a second of measurement. */
  readonly latencyUs: number;
  readonly framesPerSecond: number;
  readonly tcpGbits: number;
  readonly cpu: number;
  /** Share by which rounds differ; 0.02 unless told. */
  readonly spread?: number;
};

export const sizes = [64, 512, 1518] as const;

const quiet = {
  bitsPerSecond: null,
  packetsPerSecond: null,
  lostShare: null,
  latency: null,
  ownCpuSeconds: null,
  guestCpuSeconds: null,
};

function samplesOf(figures: PathFigures, round: number): Sample[] {
  const { id: path, latencyUs, framesPerSecond, tcpGbits, cpu, spread = 0.02 } = figures;
  const factor = 1 + spread * ((round % 3) - 1);
  const common = { ...quiet, path, round, durationSeconds: 2, hostCpuSeconds: cpu * 2 };
  const nines = [
    [0, 0.8],
    [50, 1],
    [90, 1.3],
    [99, 2],
    [99.9, 5],
  ] as const;
  return [
    {
      ...common,
      traffic: "latency",
      frameBytes: 64,
      latency: nines.map(([percentile, times]) => [percentile, latencyUs * factor * times]),
    },
    { ...common, traffic: "tcp", frameBytes: null, bitsPerSecond: tcpGbits * 1e9 * factor },
    ...sizes.map((frameBytes): Sample => {
      const packetsPerSecond = framesPerSecond * factor;
      const bitsPerSecond = packetsPerSecond * frameBytes * 8;
      const arrived = { packetsPerSecond, bitsPerSecond, lostShare: 0.1 };
      return { ...common, ...arrived, traffic: "udp", frameBytes };
    }),
  ];
}

export function runOf(
  paths: readonly PathFigures[],
  rounds = 5,
  absent: Readonly<Record<string, string>> = {},
): MeasuredRun {
  return {
    format: benchFormat,
    madeAt: "2026-11-21T15:00:00.000Z",
    version: "0.1.0",
    host: {
      name: "testhost",
      kernelRelease: "6.12.0",
      processorModel: "Test CPU",
      processors: 4,
      numaNodes: 1,
      emulation: [],
      loadBefore: 0.5,
      loadAfter: 0.75,
      idleProcessorsBusy: [0.01, 0.02],
    },
    functions: ["0000:01:10.0 (VF 0 of 0000:01:00.0, igbvf)"],
    tools: [["iperf3", "3.12"]],
    settings: { rounds, seconds: 2, frameSizes: sizes, pinning: null },
    isInterrupted: false,
    paths: [
      ...paths.map(({ id }) => ({ id, title: id, notMeasured: null, notes: ["MTU 1500"] })),
      ...Object.entries(absent).map(([id, because]) => {
        return { id, title: id, notMeasured: because, notes: [] };
      }),
    ],
    samples: Array.from({ length: rounds }, (_, round) =>
      paths.flatMap((figures) => samplesOf(figures, round)),
    ).flat(),
    problems: [],
  };
}
