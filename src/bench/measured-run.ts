// What one `sriovctl bench paths` measured, as one value: the host, the data paths, and a sample a
// round. It is the document of `--json` and of `--out`, so it carries a format with a version. Nothing
// derived is in it: medians, intervals and claims are worked out from the samples each time.

export const benchFormat = "sriovctl-bench/1";

/** What is sent: `latency` is one small datagram there and back at a time. */
type TrafficKind = "tcp" | "udp" | "latency";

export type Sample = {
  /** `PathResult.id`. */
  readonly path: string;
  /** From 0; the rounds are interleaved, so the same round of two paths is close in time. */
  readonly round: number;
  readonly traffic: TrafficKind;
  /** With Ethernet header and checksum; null for TCP, which chooses itself. */
  readonly frameBytes: number | null;
  readonly durationSeconds: number;
  /** TCP: payload that arrived. UDP: arrived frames, whole. null: latency. */
  readonly bitsPerSecond: number | null;
  /** Arrived; null where the tool does not tell (TCP). */
  readonly packetsPerSecond: number | null;
  /** 0 to 1; null where nothing says. */
  readonly lostShare: number | null;
  /** One way, ascending percentiles (0 to 100) with microseconds; null: not a latency sample. */
  readonly latency: readonly (readonly [percentile: number, microseconds: number])[] | null;
  /** All processors of the host together, from its /proc/stat; null where it could not be read. */
  readonly hostCpuSeconds: number | null;
  /** Of it, the processes of the measurement and their guest. */
  readonly ownCpuSeconds: number | null;
  /** As the guest's own /proc/stat says; null without a guest. */
  readonly guestCpuSeconds: number | null;
};

export type PathResult = {
  readonly id: string;
  readonly title: string;
  /** Why it was not measured; null: it was. */
  readonly notMeasured: string | null;
  /** What was seen of it: interfaces, drivers, offloads, MTU, pinning. */
  readonly notes: readonly string[];
};

export type BenchHost = {
  readonly name: string;
  readonly kernelRelease: string;
  readonly processorModel: string;
  readonly processors: number;
  readonly numaNodes: number;
  /** Why figures of this machine say nothing about hardware; empty: no reason is known. */
  readonly emulation: readonly string[];
  /** Load average of one minute before and after. */
  readonly loadBefore: number | null;
  readonly loadAfter: number | null;
  /** Processors busy while nothing was sent, each time before a path was measured. */
  readonly idleProcessorsBusy: readonly number[];
};

type BenchSettings = {
  readonly rounds: number;
  readonly seconds: number;
  readonly frameSizes: readonly number[];
  /** Processors of sender and receiver; null: where the scheduler put them. */
  readonly pinning: string | null;
};

export type MeasuredRun = {
  readonly format: typeof benchFormat;
  /** ISO 8601, UTC. */
  readonly madeAt: string;
  /** Of sriovctl. */
  readonly version: string;
  readonly host: BenchHost;
  /** What was used, as notes: a VF with PF, driver, firmware, NUMA node, link. */
  readonly functions: readonly string[];
  readonly tools: readonly (readonly [name: string, version: string])[];
  readonly settings: BenchSettings;
  /** It was stopped before the last round. */
  readonly isInterrupted: boolean;
  readonly paths: readonly PathResult[];
  readonly samples: readonly Sample[];
  /** What went wrong with single measurements. */
  readonly problems: readonly string[];
};
