// One measurement: the tool is started at one end against its server at the other, and the kernel's
// accounting is read before and after. The far end's program is started once a round and path.

import { readFileSync } from "node:fs";
import { readMachineCpu } from "../cpu-time.ts";
import type { Sample } from "../measured-run.ts";
import { guestPorts as ports, receiverAddress } from "../guest-machine.ts";
import type { End } from "../path-table.ts";
import type { RunningGuest } from "./guest.ts";
import { readIperf3, type ReadResult } from "../read-iperf3.ts";
import { readPing, readSockperf, type LatencyResult } from "../read-latency.ts";
import { cpuOf, runTool, startServer, type Ran, type Server } from "./tool.ts";

export type Traffic =
  | { readonly kind: "latency" }
  | { readonly kind: "tcp" }
  | { readonly kind: "udp"; readonly frameBytes: number };

export type TrafficTools = {
  readonly programs: ReadonlySet<string>;
  readonly seconds: number;
  /** Processors of sender and receiver; null: where the scheduler puts them. */
  readonly pinning: readonly [sender: number, receiver: number] | null;
  readonly signal: AbortSignal;
};

type TrafficWish = TrafficTools & { readonly sender: End };

/** Ethernet header, IPv4, UDP, checksum. */
export const overheadBytes = 14 + 20 + 8 + 4;
/** Its payload is 18 bytes: what sockperf needs for its own header, and ping for a time. */
const latencyFrameBytes = 64;

/** What a tool takes for itself, warming up and handing over results. */
export const toolSeconds = 60;

export const inside = (
  { netns }: End,
  processor: number | null,
  argv: readonly string[],
): string[] => [
  "ip",
  "netns",
  "exec",
  netns,
  ...(processor === null ? [] : ["taskset", "-c", String(processor)]),
  ...argv,
];

export function machineCpu(): number | null {
  try {
    return readMachineCpu(readFileSync("/proc/stat", "utf8"));
  } catch {
    return null;
  }
}

type Servers = {
  readonly iperf3: Server | null;
  /** null: ping measures latency. */
  readonly sockperf: Server | null;
  /** Who answers pings by polling; null: a kernel does. */
  readonly polling: Server | null;
  /** null: the far end is a namespace of this host. */
  readonly guest: RunningGuest | null;
  stop(): Promise<void>;
};

export const serversOf = (guest: RunningGuest): Servers => ({
  iperf3: guest,
  sockperf: guest,
  polling: null,
  guest,
  stop: guest.stop,
});

export async function startServers(
  receiver: End,
  { programs, pinning, signal }: TrafficTools,
): Promise<Servers> {
  const place = pinning?.[1] ?? null;
  const timeoutMs = toolSeconds * 1000;
  const started = async (argv: readonly string[], isReady: RegExp): Promise<Server | null> =>
    programs.has(argv[0] ?? "")
      ? (await startServer(inside(receiver, place, argv), { isReady, timeoutMs, signal })).server
      : null;
  const { address } = receiver;
  const iperf3 = await started(
    ["iperf3", "--server", "--bind", address, "--port", ports.iperf3, "--forceflush"],
    /Server listening/,
  );
  const sockperf = await started(
    ["sockperf", "server", "-i", address, "-p", ports.sockperf],
    /to block on socket/,
  );
  const stop = async (): Promise<void> => {
    await iperf3?.stop();
    await sockperf?.stop();
  };
  return { iperf3, sockperf, polling: null, guest: null, stop };
}

export type Measured =
  | { readonly sample: Omit<Sample, "path" | "round">; readonly problem: null }
  | { readonly sample: null; readonly problem: string };

export const nothing = {
  bitsPerSecond: null,
  packetsPerSecond: null,
  lostShare: null,
  latency: null,
};

type Cpu = Pick<Sample, "hostCpuSeconds" | "ownCpuSeconds" | "guestCpuSeconds">;

const difference = (before: number | null, after: number | null): number | null =>
  before === null || after === null ? null : Math.max(0, after - before);

type Metered<T> = { readonly result: T; readonly cpu: Cpu; readonly elapsed: number };

/** What it takes of the host, of `processes` and of the guest meanwhile. */
export async function metered<T>(
  run: () => Promise<T>,
  processes: readonly (Server | null)[],
  guest: RunningGuest | null,
): Promise<Metered<T>> {
  const own = (): number => processes.reduce((sum, each) => sum + cpuOf(each?.pid), 0);
  const guestBefore = (await guest?.cpuSeconds()) ?? null;
  const [hostBefore, ownBefore] = [machineCpu(), own()];
  const startedAt = performance.now();
  const result = await run();
  const elapsed = (performance.now() - startedAt) / 1000;
  const hostCpuSeconds = difference(hostBefore, machineCpu());
  const ownCpuSeconds = Math.max(0, own() - ownBefore);
  const guestCpuSeconds = difference(guestBefore, (await guest?.cpuSeconds()) ?? null);
  return { result, elapsed, cpu: { hostCpuSeconds, ownCpuSeconds, guestCpuSeconds } };
}

type Timed = { readonly ran: Ran; readonly cpu: Cpu; readonly elapsed: number };

async function timed(
  argv: readonly string[],
  server: Server | null,
  { guest }: Servers,
  { seconds, signal }: TrafficWish,
): Promise<Timed> {
  const timeoutMs = (seconds + toolSeconds) * 1000;
  const run = (): Promise<Ran> => runTool(argv, { timeoutMs, signal });
  const { result: ran, cpu, elapsed } = await metered(run, [server], guest);
  const ownCpuSeconds = ran.cpuSeconds + (cpu.ownCpuSeconds ?? 0);
  return { ran, elapsed, cpu: { ...cpu, ownCpuSeconds } };
}

function wordsOf({ stderr, exitCode }: Ran, problem: string): string {
  const line = stderr.trim().split("\n")[0] ?? "";
  const end = exitCode === null ? "; it did not end in time" : "";
  // What there was none of is no reason.
  return `${problem.replace(/:\s*$/, "")}${line === "" ? "" : ` (${line.slice(0, 200)})`}${end}`;
}

async function latency(servers: Servers, wish: TrafficWish): Promise<Measured> {
  const { sender, programs, seconds, pinning } = wish;
  const address = receiverAddress;
  const payload = String(latencyFrameBytes - overheadBytes);
  const read = async (
    argv: readonly string[],
    parse: (printed: string) => ReadResult<LatencyResult>,
  ): Promise<Measured> => {
    const { ran, cpu, elapsed } = await timed(
      inside(sender, pinning?.[0] ?? null, argv),
      servers.sockperf ?? servers.polling,
      servers,
      wish,
    );
    const { result, problem } = parse(`${ran.stdout}\n${ran.stderr}`);
    if (result === null) return { sample: null, problem: wordsOf(ran, problem) };
    const about = { traffic: "latency", frameBytes: latencyFrameBytes } as const;
    const { percentiles, lostShare } = result;
    const figures = { latency: percentiles, lostShare, durationSeconds: elapsed };
    return { sample: { ...nothing, ...about, ...figures, ...cpu }, problem: null };
  };
  if (servers.sockperf !== null) {
    const words = ["-p", ports.sockperf, "-t", String(seconds), "-m", payload];
    return read(["sockperf", "ping-pong", "-i", address, ...words], readSockperf);
  }
  if (!programs.has("ping")) {
    return { sample: null, problem: "neither sockperf nor ping is installed" };
  }
  // 5 ms apart: as near as an idle machine answers in any case.
  const words = ["-i", "0.005", "-w", String(seconds), "-s", payload];
  return read(["ping", "-n", ...words, address], readPing);
}

async function throughput(
  servers: Servers,
  wish: TrafficWish,
  frameBytes: number | null,
): Promise<Measured> {
  if (servers.iperf3 === null) {
    return { sample: null, problem: "iperf3 is not installed, or did not start" };
  }
  const udp =
    frameBytes === null
      ? []
      : ["--udp", "--bitrate", "0", "--length", String(frameBytes - overheadBytes)];
  const words = ["--port", ports.iperf3, "--time", String(wish.seconds), "--json", ...udp];
  const argv = ["iperf3", "--client", receiverAddress, "--connect-timeout", "5000", ...words];
  const { ran, cpu } = await timed(
    inside(wish.sender, wish.pinning?.[0] ?? null, argv),
    servers.iperf3,
    servers,
    wish,
  );
  const { result, problem } = readIperf3(ran.stdout);
  if (result === null) return { sample: null, problem: wordsOf(ran, problem) };
  const { bytes, packets, lostShare, seconds } = result;
  const common = { ...nothing, ...cpu, durationSeconds: seconds };
  if (packets === null || frameBytes === null) {
    const bitsPerSecond = (bytes * 8) / seconds;
    return {
      sample: { ...common, traffic: "tcp", frameBytes: null, bitsPerSecond },
      problem: null,
    };
  }
  const packetsPerSecond = packets / seconds;
  const bitsPerSecond = packetsPerSecond * frameBytes * 8;
  const arrived = { packetsPerSecond, bitsPerSecond, lostShare };
  return { sample: { ...common, ...arrived, traffic: "udp", frameBytes }, problem: null };
}

export const measureTraffic = (
  traffic: Traffic,
  servers: Servers,
  wish: TrafficWish,
): Promise<Measured> =>
  traffic.kind === "latency"
    ? latency(servers, wish)
    : throughput(servers, wish, traffic.kind === "udp" ? traffic.frameBytes : null);

/** A path that is ready. */
export type Rig = {
  readonly carries: readonly Traffic["kind"][];
  measure(traffic: Traffic): Promise<Measured>;
  stop(): Promise<void>;
};

export const rigOf = (servers: Servers, wish: TrafficWish): Rig => ({
  carries: ["latency", "tcp", "udp"],
  measure: (traffic) => measureTraffic(traffic, servers, wish),
  stop: servers.stop,
});
