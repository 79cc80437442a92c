// The rounds: each path is set up, measured and taken back, in an order that moves on by one each
// round, so that no path is always the one after the noisy one. Whatever happens, the last thing is
// that everything is taken back.

import type { Sample } from "../measured-run.ts";
import { largestFrame } from "../path-table.ts";
import type { BuiltPath, End, PathRow, Site } from "../path-table.ts";
import { measureTraffic, machineCpu, startServers, type Traffic } from "./traffic.ts";
import { runTool } from "./tool.ts";
import type { Undoing } from "./undo.ts";

type MeasureWish = {
  readonly rows: readonly PathRow[];
  readonly site: Site;
  readonly rounds: number;
  readonly seconds: number;
  readonly frameSizes: readonly number[];
  readonly pinning: readonly [sender: number, receiver: number] | null;
  readonly signal: AbortSignal;
  readonly onPath: (round: number, row: PathRow, samples: readonly Sample[]) => void;
};

export type PathsMeasured = {
  readonly samples: readonly Sample[];
  /** By path: what was seen of its ends. */
  readonly notes: ReadonlyMap<string, readonly string[]>;
  /** By path: why nothing of it was measured. */
  readonly failed: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
  readonly idleProcessorsBusy: readonly number[];
  /** What could not be taken back. */
  readonly left: readonly string[];
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const toolTimeoutMs = 10_000;
const read = async (...argv: readonly string[]): Promise<string> =>
  (await runTool(argv, { timeoutMs: toolTimeoutMs })).stdout;

type LinkState = { readonly hasLink: boolean; readonly mtu: number };

async function linkState({ netns, device }: End): Promise<LinkState> {
  const printed = await read("ip", "-n", netns, "-o", "link", "show", "dev", device);
  return { hasLink: /LOWER_UP/.test(printed), mtu: Number(/ mtu (\d+)/.exec(printed)?.[1] ?? 0) };
}

/** The driver may take seconds to have a link again after it was moved. */
async function awaitLinks(ends: readonly End[], timeoutMs: number): Promise<string | null> {
  for (let waitedMs = 0; ; waitedMs += 100) {
    const states = await Promise.all(ends.map(linkState));
    const without = ends.find((_, at) => states[at]?.hasLink !== true);
    if (without === undefined) return null;
    if (waitedMs >= timeoutMs) return `${without.device} in ${without.netns} has no link`;
    await sleep(100);
  }
}

const offloads = ["tcp-segmentation-offload", "generic-receive-offload", "rx-checksumming"];

/** `sender: driver igbvf, MTU 1500, tcp-segmentation-offload on`. */
async function notesOf([sender, receiver]: readonly [End, End], site: Site): Promise<string[]> {
  const describe = async (who: string, end: End): Promise<string> => {
    const { mtu } = await linkState(end);
    if (!site.programs.has("ethtool")) return `${who}: MTU ${mtu}`;
    const ethtool = (option: string): Promise<string> =>
      read("ip", "netns", "exec", end.netns, "ethtool", option, end.device);
    const driver = /^driver: (.*)$/m.exec(await ethtool("-i"))?.[1] ?? "not known";
    const features = await ethtool("-k");
    const found = offloads.map(
      (name) => `${name} ${new RegExp(`^${name}: (\\w+)`, "m").exec(features)?.[1] ?? "?"}`,
    );
    return [`${who}: driver ${driver}, MTU ${mtu}`, ...found].join(", ");
  };
  return [await describe("sender", sender), await describe("receiver", receiver)];
}

/** Processors busy while nothing of ours runs. */
async function idleBusy(): Promise<number | null> {
  const [before, startedAt] = [machineCpu(), performance.now()];
  await sleep(300);
  const after = machineCpu();
  const seconds = (performance.now() - startedAt) / 1000;
  return before === null || after === null ? null : Math.max(0, after - before) / seconds;
}

type State = {
  readonly samples: Sample[];
  readonly notes: Map<string, readonly string[]>;
  readonly failed: Map<string, string>;
  readonly problems: Set<string>;
  readonly idle: number[];
};

/** The link of the VFs of some drivers takes that long after a move. */
const linkTimeoutMs = 20_000;

async function setUp(
  { steps, ends }: BuiltPath,
  undoing: Undoing,
  signal: AbortSignal,
): Promise<string | null> {
  for (const step of steps) {
    if (signal.aborted) return "stopped";
    const refused = await undoing.make(step);
    if (refused !== null) return refused;
  }
  return awaitLinks(ends, linkTimeoutMs);
}

async function measureRow(
  row: PathRow,
  round: number,
  { wish, state, undoing }: { wish: MeasureWish; state: State; undoing: Undoing },
): Promise<void> {
  const { site, signal, seconds, pinning, frameSizes } = wish;
  const { ends, steps } = row.build(site);
  const refused = await setUp({ ends, steps }, undoing, signal);
  if (refused !== null) {
    if (!signal.aborted) state.failed.set(row.id, refused);
    return;
  }
  if (!state.notes.has(row.id)) state.notes.set(row.id, await notesOf(ends, site));
  const idle = await idleBusy();
  if (idle !== null) state.idle.push(idle);
  const { programs } = site;
  const trafficWish = { ends, programs, seconds, pinning, signal };
  const servers = await startServers(trafficWish);
  const mtu = Math.min(...(await Promise.all(ends.map(linkState))).map((each) => each.mtu));
  const sizes = frameSizes.filter((size) => size <= largestFrame(mtu));
  for (const size of frameSizes.filter((each) => !sizes.includes(each))) {
    state.problems.add(`${row.title}: no ${size}-byte frames, as its MTU stays ${mtu}`);
  }
  const all: readonly Traffic[] = [
    { kind: "latency" },
    { kind: "tcp" },
    ...sizes.map((frameBytes) => ({ kind: "udp", frameBytes }) as const),
  ];
  const got: Sample[] = [];
  for (const traffic of all) {
    if (signal.aborted) break;
    const { sample, problem } = await measureTraffic(traffic, servers, trafficWish);
    if (sample !== null) got.push({ ...sample, path: row.id, round });
    // A tool that was killed half-way has nothing to say of the path.
    else if (!signal.aborted) state.problems.add(`${row.title}, ${traffic.kind}: ${problem}`);
  }
  await servers.stop();
  state.samples.push(...got);
  wish.onPath(round, row, got);
}

export async function measurePaths(wish: MeasureWish, undoing: Undoing): Promise<PathsMeasured> {
  const { rows, rounds, signal } = wish;
  const state: State = {
    samples: [],
    notes: new Map(),
    failed: new Map(),
    problems: new Set(),
    idle: [],
  };
  let left: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < rows.length; at++) {
      const row = rows[(round + at) % rows.length];
      if (signal.aborted || left.length > 0 || row === undefined || state.failed.has(row.id)) {
        continue;
      }
      try {
        await measureRow(row, round, { wish, state, undoing });
      } finally {
        left = await undoing.takeBack();
      }
    }
  }
  const { samples, notes, failed, problems, idle } = state;
  return { samples, notes, failed, problems: [...problems], idleProcessorsBusy: idle, left };
}
