// The rounds: each path is set up, measured and taken back, in an order that moves on by one each
// round, so that no path is always the one after the noisy one. Whatever happens, the last thing is
// that everything is taken back.

import type { Sample } from "../measured-run.ts";
import { nicWords, receiverAddress, type Accel } from "../guest-machine.ts";
import { hasGuest, largestFrame, switchNetns } from "../path-table.ts";
import type { BuiltPath, End, PathRow, Site } from "../path-table.ts";
import { savedGuest, startGuest, type SavedGuest } from "./guest.ts";
import type { GuestKernel } from "./guest-initramfs.ts";
import { startTestpmds } from "./testpmd.ts";
import { machineCpu, rigOf, serversOf, startServers } from "./traffic.ts";
import type { Rig, Traffic, TrafficTools } from "./traffic.ts";
import { runTool } from "./tool.ts";
import type { Undoing } from "./undo.ts";

type GuestWish = {
  readonly kernel: GuestKernel;
  /** Where it is kept. */
  readonly folder: string;
  readonly accel: Accel;
};

type MeasureWish = {
  readonly rows: readonly PathRow[];
  readonly site: Site;
  readonly rounds: number;
  readonly seconds: number;
  readonly frameSizes: readonly number[];
  readonly pinning: readonly [sender: number, receiver: number] | null;
  /** null: no guest can be started, and no row has one. */
  readonly guest: GuestWish | null;
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

const answerTimeoutMs = 60_000;

/** A tool whose first datagram is lost waits for nothing: a guest may still be at its NIC, and nobody
 * knows its address. testpmd answers when it is told to. Words of who is silent; null: nobody. */
async function awaitAnswer(
  { sender, receiver }: BuiltPath,
  { site, signal }: MeasureWish,
): Promise<string | null> {
  if ("polled" in sender || "polled" in receiver || !site.programs.has("ping")) return null;
  const ping = ["ping", "-n", "-c", "1", "-W", "2", receiverAddress];
  const argv = ["ip", "netns", "exec", sender.netns, ...ping];
  for (const end = performance.now() + answerTimeoutMs; performance.now() < end;) {
    const { exitCode } = await runTool(argv, { timeoutMs: toolTimeoutMs, signal });
    if (exitCode === 0 || signal.aborted) return null;
  }
  return `${receiverAddress} does not answer in ${answerTimeoutMs / 1000} s`;
}

const offloads = ["tcp-segmentation-offload", "generic-receive-offload", "rx-checksumming"];

/** `sender: driver igbvf, MTU 1500, tcp-segmentation-offload on`. */
async function describeEnd(end: Ends[number], { programs }: Site): Promise<string> {
  if ("nic" in end) return `a guest, ${nicWords(end.nic)}`;
  if ("polled" in end) return `testpmd on ${end.polled}, MTU ${end.mtu}; it has no TCP`;
  const { mtu } = await linkState(end);
  if (!programs.has("ethtool")) return `MTU ${mtu}`;
  const ethtool = (option: string): Promise<string> =>
    read("ip", "netns", "exec", end.netns, "ethtool", option, end.device);
  const driver = /^driver: (.*)$/m.exec(await ethtool("-i"))?.[1] ?? "not known";
  const features = await ethtool("-k");
  const found = offloads.map(
    (name) => `${name} ${new RegExp(`^${name}: (\\w+)`, "m").exec(features)?.[1] ?? "?"}`,
  );
  return [`driver ${driver}, MTU ${mtu}`, ...found].join(", ");
}

type Ends = readonly [BuiltPath["sender"], BuiltPath["receiver"]];

const notesOf = async ({ sender, receiver }: BuiltPath, site: Site): Promise<string[]> => [
  `sender: ${await describeEnd(sender, site)}`,
  `receiver: ${await describeEnd(receiver, site)}`,
];

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

/** Those that have an interface. */
const netdevEnds = ({ sender, receiver }: BuiltPath): End[] =>
  [sender, receiver].filter((end) => "netns" in end);

type Ready =
  | { readonly rig: Rig; readonly refused: null }
  | { readonly rig: null; readonly refused: string };

const refuse = (refused: string): Ready => ({ rig: null, refused });
const ready = (rig: Rig): Ready => ({ rig, refused: null });

async function startFarEnd(built: BuiltPath, { wish, saved }: Measuring): Promise<Ready> {
  const { site, signal, seconds, pinning } = wish;
  const tools: TrafficTools = { programs: site.programs, seconds, pinning, signal };
  const { sender, receiver } = built;
  if ("polled" in receiver) {
    const { rig, words } = await startTestpmds({ sender, receiver }, site.processors, tools);
    return rig === null ? refuse(words) : ready(rig);
  }
  if ("polled" in sender) return refuse("testpmd sends to testpmd only");
  const wished = { ...tools, sender };
  if ("netns" in receiver) return ready(rigOf(await startServers(receiver, tools), wished));
  if (saved === null) return refuse("no guest");
  const pin = pinning === null ? [] : ["taskset", "-c", String(pinning[1])];
  const place = ["ip", "netns", "exec", switchNetns, ...pin];
  const { running, words } = await startGuest(saved, { place, nic: receiver.nic, signal });
  return running === null ? refuse(words) : ready(rigOf(serversOf(running), wished));
}

async function setUp(built: BuiltPath, measuring: Measuring): Promise<Ready> {
  const { wish } = measuring;
  for (const step of built.steps) {
    if (wish.signal.aborted) return refuse("stopped");
    const refused = await measuring.undoing.make(step);
    if (refused !== null) return refuse(refused);
  }
  const far = await startFarEnd(built, measuring);
  if (far.rig === null) return far;
  const refused =
    (await awaitLinks(netdevEnds(built), linkTimeoutMs)) ?? (await awaitAnswer(built, wish));
  if (refused === null) return far;
  await far.rig.stop();
  return refuse(refused);
}

type Measuring = {
  readonly wish: MeasureWish;
  readonly state: State;
  readonly undoing: Undoing;
  readonly saved: SavedGuest | null;
};

/** Of the guest's end the sender's tells. */
async function smallestMtu(built: BuiltPath): Promise<number> {
  const states = await Promise.all(netdevEnds(built).map(linkState));
  const polled = [built.sender, built.receiver].filter((end) => "polled" in end);
  return Math.min(...[...states, ...polled].map(({ mtu }) => mtu));
}

/** What the smallest MTU of the path carries; of others the report says so. */
async function trafficFor(
  row: PathRow,
  built: BuiltPath,
  { carries }: Rig,
  { wish: { frameSizes }, state }: Measuring,
): Promise<readonly Traffic[]> {
  const mtu = await smallestMtu(built);
  const sizes = frameSizes.filter((size) => size <= largestFrame(mtu));
  for (const size of frameSizes.filter((each) => !sizes.includes(each))) {
    state.problems.add(`${row.title}: no ${size}-byte frames, as its MTU is ${mtu}`);
  }
  const frames = sizes.map((frameBytes) => ({ kind: "udp", frameBytes }) as const);
  const all: readonly Traffic[] = [{ kind: "latency" }, { kind: "tcp" }, ...frames];
  return all.filter(({ kind }) => carries.includes(kind));
}

/** What was measured before may be again; what never was is left alone. */
function noteFailure({ id, title }: PathRow, round: number, refused: string, state: State): void {
  if (!state.samples.some(({ path }) => path === id)) state.failed.set(id, refused);
  else state.problems.add(`${title}, round ${round + 1}: ${refused}`);
}

async function measureRow(row: PathRow, round: number, measuring: Measuring): Promise<void> {
  const { wish, state } = measuring;
  const { site, signal } = wish;
  const built = row.build(site);
  const idle = await idleBusy();
  if (idle !== null) state.idle.push(idle);
  const { rig, refused } = await setUp(built, measuring);
  if (rig === null) {
    if (!signal.aborted) noteFailure(row, round, refused, state);
    return;
  }
  if (!state.notes.has(row.id)) state.notes.set(row.id, await notesOf(built, site));
  const got: Sample[] = [];
  for (const traffic of await trafficFor(row, built, rig, measuring)) {
    if (signal.aborted) break;
    const { sample, problem } = await rig.measure(traffic);
    if (sample !== null) got.push({ ...sample, path: row.id, round });
    // A tool that was killed half-way has nothing to say of the path.
    else if (!signal.aborted) state.problems.add(`${row.title}, ${traffic.kind}: ${problem}`);
  }
  await rig.stop();
  state.samples.push(...got);
  wish.onPath(round, row, got);
}

/** Once for all rounds; where it cannot be made, the rows with guests say why. */
async function guestFor(wish: MeasureWish, state: State): Promise<SavedGuest | null> {
  const { rows, site, guest, signal } = wish;
  const withGuest = rows.filter((row) => hasGuest(row, site));
  if (withGuest.length === 0 || guest === null) return null;
  const own = [...site.vfs.slice(0, 1), ...(site.spare === null ? [] : [site.spare])].flatMap(
    ({ driver }) => (driver === null || driver === "vfio-pci" ? [] : [driver]),
  );
  const drivers = [...new Set(["virtio_pci", "virtio_net", "e1000", ...own])];
  try {
    return await savedGuest({ ...guest, drivers, signal });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    for (const { id } of withGuest) state.failed.set(id, `no guest could be made: ${words}`);
    return null;
  }
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
  const saved = await guestFor(wish, state);
  let left: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < rows.length; at++) {
      const row = rows[(round + at) % rows.length];
      if (signal.aborted || left.length > 0 || row === undefined || state.failed.has(row.id)) {
        continue;
      }
      try {
        await measureRow(row, round, { wish, state, undoing, saved });
      } finally {
        left = await undoing.takeBack();
      }
    }
  }
  const { samples, notes, failed, problems, idle } = state;
  return { samples, notes, failed, problems: [...problems], idleProcessorsBusy: idle, left };
}
