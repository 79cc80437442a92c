// Ends that DPDK's testpmd works: one receives, and the kernel of the host or another one sends. What
// arrived is what the receiving card counted between two readings while the sender was at it, since
// testpmd has no measurement that ends by itself.

import { setTimeout as sleep } from "node:timers/promises";
import { receiverAddress } from "../guest-machine.ts";
import { switchNetns, type End } from "../path-table.ts";
import {
  answerTo,
  portMacOf,
  readPortCounts,
  testpmdArguments,
  testpmdPrompt,
  type PolledEnd,
  type PortCounts,
  type TestpmdMode,
} from "../testpmd.ts";
import { runTool, startServer, type Server } from "./tool.ts";
import {
  inside,
  measureTraffic,
  metered,
  nothing,
  overheadBytes,
  toolSeconds,
  type Measured,
  type Rig,
  type TrafficTools,
} from "./traffic.ts";

/** Discard (RFC 863): nobody answers there. */
const discardPort = "9";
const crcBytes = 4;
/** For the first frame, and from it to when the rate is steady. */
const [arrivalTimeoutMs, warmUpMs] = [10_000, 300];
const stepTimeoutMs = 30_000;

class Testpmd {
  readonly mac: string;
  readonly server: Server;
  #mode: TestpmdMode | null = null;

  constructor(server: Server, mac: string) {
    this.server = server;
    this.mac = mac;
  }

  async tell(line: string): Promise<void> {
    if ((await this.server.ask(`${line}\n`, answerTo(line))) !== null) return;
    throw new Error(`testpmd does not answer "${line}": ${this.server.lastWords()}`);
  }

  /** A mode is taken while nothing is forwarded. */
  async start(mode: TestpmdMode): Promise<void> {
    if (this.#mode === mode) return;
    await this.stopForwarding();
    await this.tell(`set fwd ${mode}`);
    await this.tell("start");
    this.#mode = mode;
  }

  async stopForwarding(): Promise<void> {
    if (this.#mode !== null) await this.tell("stop");
    this.#mode = null;
  }

  async counts(): Promise<PortCounts> {
    const line = "show port stats 0";
    const counts = readPortCounts((await this.server.ask(`${line}\n`, answerTo(line))) ?? "");
    if (counts !== null) return counts;
    throw new Error(`testpmd tells no counts: ${this.server.lastWords()}`);
  }
}

/** Throws Error with words. */
async function startTestpmd(
  end: PolledEnd,
  place: { readonly processors: string; readonly pinned: number | null },
  signal: AbortSignal,
): Promise<Testpmd> {
  // It does not write each line out by itself when it is read by a program.
  const words = testpmdArguments(end, place.processors, place.pinned);
  const argv = ["ip", "netns", "exec", switchNetns, "stdbuf", "-oL", ...words];
  const wish = { isReady: testpmdPrompt, timeoutMs: toolSeconds * 1000, signal };
  const { server, words: last } = await startServer(argv, wish);
  if (server === null) throw new Error(`testpmd: ${last}`);
  const line = "show port info 0";
  const mac = portMacOf((await server.ask(`${line}\n`, answerTo(line))) ?? "");
  if (mac !== null) return new Testpmd(server, mac);
  await server.stop();
  throw new Error(`testpmd cannot drive ${end.polled}: ${server.lastWords()}`);
}

/** What sends until it is stopped. */
type Load = { readonly process: Server; stop(): Promise<void> };

async function kernelLoad(sender: End, bytes: number, tools: TrafficTools): Promise<Load> {
  const { pinning, seconds, signal } = tools;
  const longest = String(seconds + toolSeconds);
  const words = ["-i", receiverAddress, "-p", discardPort, "-t", longest];
  const argv = ["sockperf", "throughput", ...words, "-m", String(bytes - overheadBytes)];
  const wish = { isReady: /Starting test/, timeoutMs: stepTimeoutMs, signal };
  const { server, words: last } = await startServer(
    inside(sender, pinning?.[0] ?? null, argv),
    wish,
  );
  if (server === null) throw new Error(`sockperf: ${last}`);
  return { process: server, stop: server.stop };
}

async function testpmdLoad(sender: Testpmd, to: Testpmd, bytes: number): Promise<Load> {
  await sender.tell(`set eth-peer 0 ${to.mac}`);
  await sender.tell(`set txpkts ${bytes - crcBytes}`);
  await sender.start("txonly");
  return { process: sender.server, stop: () => sender.stopForwarding() };
}

type Ends = {
  readonly sender: End | PolledEnd;
  readonly receiver: PolledEnd;
};

type Running = {
  readonly sender: End | Testpmd;
  readonly receiver: Testpmd;
  readonly tools: TrafficTools;
};

async function awaitArrival(receiver: Testpmd, signal: AbortSignal): Promise<void> {
  const { received } = await receiver.counts();
  for (const end = performance.now() + arrivalTimeoutMs; performance.now() < end;) {
    if ((await receiver.counts()).received > received) return;
    await sleep(100, undefined, { signal });
  }
  throw new Error(`no frame arrived in ${arrivalTimeoutMs / 1000} s`);
}

type Reading = { readonly received: number; readonly sent: number | null; readonly at: number };

/** `sent` is known where testpmd sends. */
async function readingOf({ sender, receiver }: Running): Promise<Reading> {
  const sent = sender instanceof Testpmd ? (await sender.counts()).sent : null;
  const { received } = await receiver.counts();
  return { received, sent, at: performance.now() };
}

function lostShareOf(from: Reading, to: Reading): number | null {
  if (from.sent === null || to.sent === null || to.sent <= from.sent) return null;
  const share = 1 - (to.received - from.received) / (to.sent - from.sent);
  return Math.min(1, Math.max(0, share));
}

async function throughput(running: Running, frameBytes: number): Promise<Measured> {
  const { sender, receiver, tools } = running;
  await receiver.start("rxonly");
  const load =
    sender instanceof Testpmd
      ? await testpmdLoad(sender, receiver, frameBytes)
      : await kernelLoad(sender, frameBytes, tools);
  try {
    const { signal, seconds } = tools;
    await awaitArrival(receiver, signal);
    await sleep(warmUpMs, undefined, { signal });
    const { result, cpu } = await metered(
      async () => {
        const from = await readingOf(running);
        await sleep(seconds * 1000, undefined, { signal });
        return { from, to: await readingOf(running) };
      },
      [receiver.server, load.process],
      null,
    );
    const { from, to } = result;
    const durationSeconds = (to.at - from.at) / 1000;
    const packetsPerSecond = (to.received - from.received) / durationSeconds;
    const bitsPerSecond = packetsPerSecond * frameBytes * 8;
    const arrived = { packetsPerSecond, bitsPerSecond, lostShare: lostShareOf(from, to) };
    const about = { traffic: "udp", frameBytes, durationSeconds } as const;
    return { sample: { ...nothing, ...about, ...arrived, ...cpu }, problem: null };
  } finally {
    await load.stop();
  }
}

/** Pings that testpmd answers: it has nothing that sockperf could speak to. */
async function latency(sender: End, { receiver, tools }: Running): Promise<Measured> {
  await receiver.start("icmpecho");
  const polling = receiver.server;
  const servers = { iperf3: null, sockperf: null, polling, guest: null, stop: polling.stop };
  return measureTraffic({ kind: "latency" }, servers, { ...tools, sender });
}

function measure(running: Running, traffic: Parameters<Rig["measure"]>[0]): Promise<Measured> {
  const { sender } = running;
  if (traffic.kind === "udp") return throughput(running, traffic.frameBytes);
  if (traffic.kind === "tcp" || sender instanceof Testpmd) {
    return Promise.resolve({ sample: null, problem: "testpmd has none" });
  }
  return latency(sender, running);
}

/** testpmd answers for any address, but only as long as it is asked; counting, it is silent. */
async function nameReceiver({ netns, device }: End, { mac }: Testpmd): Promise<void> {
  const words = ["neigh", "replace", receiverAddress, "lladdr", mac, "dev", device];
  const argv = ["ip", "-n", netns, ...words];
  const { exitCode, stderr } = await runTool(argv, { timeoutMs: stepTimeoutMs });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr.trim()}`);
}

type Started =
  | { readonly rig: Rig; readonly words: null }
  /** Why it does not run. */
  | { readonly rig: null; readonly words: string };

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** `processors`: those that are online. */
export async function startTestpmds(
  ends: Ends,
  processors: string,
  tools: TrafficTools,
): Promise<Started> {
  const { pinning, signal } = tools;
  const started: Testpmd[] = [];
  const begin = async (end: PolledEnd, pinned: number | null): Promise<Testpmd> => {
    const testpmd = await startTestpmd(end, { processors, pinned }, signal);
    started.push(testpmd);
    return testpmd;
  };
  const stop = async (): Promise<void> => {
    for (const { server } of started) await server.stop();
  };
  try {
    const receiver = await begin(ends.receiver, pinning?.[1] ?? null);
    const sender =
      "polled" in ends.sender ? await begin(ends.sender, pinning?.[0] ?? null) : ends.sender;
    if (!(sender instanceof Testpmd)) await nameReceiver(sender, receiver);
    const running = { sender, receiver, tools };
    const rig: Rig = {
      carries: sender instanceof Testpmd ? ["udp"] : ["latency", "udp"],
      measure: (traffic) =>
        measure(running, traffic).catch((error: unknown) => ({
          sample: null,
          problem: wordsOf(error),
        })),
      stop,
    };
    return { rig, words: null };
  } catch (error) {
    await stop();
    return { rig: null, words: wordsOf(error) };
  }
}
