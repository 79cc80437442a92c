// The rounds: each path is set up, measured and taken back, in an order that moves on by one each
// round, so that no path is always the one after the noisy one. Whatever happens, the last thing is
// that everything is taken back.

import type { Sample } from "../measured-run.ts";
import { nicWords, type Accel } from "../guest-machine.ts";
import { largestFrame, switchNetns } from "../path-table.ts";
import type { BuiltPath, End, PathRow, Site } from "../path-table.ts";
import { savedGuest, startGuest, type SavedGuest } from "./guest.ts";
import type { GuestKernel } from "./guest-initramfs.ts";
import {
  measureTraffic,
  machineCpu,
  serversOf,
  startServers,
  type Servers,
  type Traffic,
} from "./traffic.ts";
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

const offloads = ["tcp-segmentation-offload", "generic-receive-offload", "rx-checksumming"];

/** `sender: driver igbvf, MTU 1500, tcp-segmentation-offload on`. */
async function notesOf({ sender, receiver, guest }: BuiltPath, site: Site): Promise<string[]> {
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
  const far =
    receiver === null
      ? `receiver: a guest, ${guest === null ? "no NIC" : nicWords(guest)}`
      : await describe("receiver", receiver);
  return [await describe("sender", sender), far];
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

const endsOf = ({ sender, receiver }: BuiltPath): End[] =>
  receiver === null ? [sender] : [sender, receiver];

type Ready =
  | { readonly servers: Servers; readonly refused: null }
  | { readonly servers: null; readonly refused: string };

const refuse = (refused: string): Ready => ({ servers: null, refused });

async function startFarEnd(
  { guest, receiver }: BuiltPath,
  { wish, saved }: Measuring,
  trafficWish: Parameters<typeof startServers>[1],
): Promise<Ready> {
  if (receiver !== null) {
    return { servers: await startServers(receiver, trafficWish), refused: null };
  }
  if (guest === null || saved === null) return refuse("no guest");
  const pin = wish.pinning === null ? [] : ["taskset", "-c", String(wish.pinning[1])];
  const place = ["ip", "netns", "exec", switchNetns, ...pin];
  const { running, words } = await startGuest(saved, { place, nic: guest, signal: wish.signal });
  return running === null ? refuse(words) : { servers: serversOf(running), refused: null };
}

async function setUp(
  built: BuiltPath,
  measuring: Measuring,
  trafficWish: Parameters<typeof startServers>[1],
): Promise<Ready> {
  for (const step of built.steps) {
    if (trafficWish.signal.aborted) return refuse("stopped");
    const refused = await measuring.undoing.make(step);
    if (refused !== null) return refuse(refused);
  }
  const far = await startFarEnd(built, measuring, trafficWish);
  if (far.servers === null) return far;
  const refused = await awaitLinks(endsOf(built), linkTimeoutMs);
  if (refused === null) return far;
  await far.servers.stop();
  return refuse(refused);
}

type Measuring = {
  readonly wish: MeasureWish;
  readonly state: State;
  readonly undoing: Undoing;
  readonly saved: SavedGuest | null;
};

/** What the smallest MTU of the path carries; of others the report says so. */
async function trafficFor(
  row: PathRow,
  built: BuiltPath,
  { wish: { frameSizes }, state }: Measuring,
): Promise<readonly Traffic[]> {
  const mtu = Math.min(
    ...(await Promise.all(endsOf(built).map(linkState))).map((each) => each.mtu),
  );
  const sizes = frameSizes.filter((size) => size <= largestFrame(mtu));
  for (const size of frameSizes.filter((each) => !sizes.includes(each))) {
    state.problems.add(`${row.title}: no ${size}-byte frames, as its MTU is ${mtu}`);
  }
  const frames = sizes.map((frameBytes) => ({ kind: "udp", frameBytes }) as const);
  return [{ kind: "latency" }, { kind: "tcp" }, ...frames];
}

async function measureRow(row: PathRow, round: number, measuring: Measuring): Promise<void> {
  const { wish, state } = measuring;
  const { site, signal, seconds, pinning } = wish;
  const built = row.build(site);
  const trafficWish = { ...built, programs: site.programs, seconds, pinning, signal };
  const ready = await setUp(built, measuring, trafficWish);
  if (ready.servers === null) {
    if (!signal.aborted) state.failed.set(row.id, ready.refused);
    return;
  }
  const { servers } = ready;
  if (!state.notes.has(row.id)) state.notes.set(row.id, await notesOf(built, site));
  const idle = await idleBusy();
  if (idle !== null) state.idle.push(idle);
  const got: Sample[] = [];
  for (const traffic of await trafficFor(row, built, measuring)) {
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

const isGuestRow = (row: PathRow, site: Site): boolean => row.build(site).guest !== null;

/** Once for all rounds; where it cannot be made, the rows with guests say why. */
async function guestFor(wish: MeasureWish, state: State): Promise<SavedGuest | null> {
  const { rows, site, guest, signal } = wish;
  const withGuest = rows.filter((row) => isGuestRow(row, site));
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
