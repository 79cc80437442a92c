// One run of traffic on a copy of an emulated machine: the same frames through VFs, through virtio
// and through an emulated NIC, between the same guests.

import { SriovError } from "../../../model/errors.ts";
import { highOf, lowOf } from "../../../eswitch/compiled-switch.ts";
import { isPortVlan } from "../../../eswitch/vf-checks.ts";
import { findPf, type Machine } from "../machine.ts";
import { addTestGuests, copyOf, macOfPort, openCard, type EmulatedCard } from "./emulated-card.ts";
import { frameEnds } from "./frame-ends.ts";
import type { GuestDriver } from "./guest-driver.ts";
import { vectorOf } from "./msix.ts";
import { letter } from "./pf-driver.ts";
import { ringMost } from "./registers.ts";
import { SoftwarePath, type SoftwareKind } from "./software-path.ts";
import type { PathCounts, TrafficPair, TrafficReport, TrafficWish } from "./traffic-report.ts";

/** IEEE 802, local experimental: nobody takes it for something else. */
const testEtherType = 0x88b5;

type TestFrame = {
  readonly destination: string;
  readonly source: string;
  readonly tag: number | null;
  readonly sizeBytes: number;
};

const macBytes = (mac: string): number[] => mac.split(":").map((byte) => Number.parseInt(byte, 16));

/** `sizeBytes` without the tag; the payload counts up. */
export function frameBytes({ destination, source, tag, sizeBytes }: TestFrame): Uint8Array {
  const tagged = tag === null ? [] : [0x81, 0, tag >> 8, tag & 0xff];
  const type = [testEtherType >> 8, testEtherType & 0xff];
  const head = [...macBytes(destination), ...macBytes(source), ...tagged, ...type];
  const length = sizeBytes + tagged.length;
  return Uint8Array.from({ length }, (_, at) => head[at] ?? at & 0xff);
}

/** Buffers that hold the frame with a tag; rings with room for two bursts. */
export function shapeFor({ sizeBytes, burst }: { sizeBytes: number; burst: number }) {
  const bufferBytes = [2048, 4096].find((bytes) => sizeBytes + 4 <= bytes) ?? 12_288;
  const ringLength = Math.min(ringMost, Math.max(16, 2 ** Math.ceil(Math.log2(burst * 2))));
  return { ringLength, bufferBytes };
}

const nothingToDo = (pf: string, why: string): SriovError =>
  new SriovError("usage", `Cannot send traffic through ${pf}: ${why}`, {
    operation: "send traffic",
    target: pf,
    hint: "VFs are made with sriovctl enable or apply, on the same host",
  });

/** Copy with guests on all VFs that take part. Throws SriovError `usage` where there are too few. */
export function machineForRun(
  original: Machine,
  pfAddress: string,
  only: readonly number[] | null,
) {
  const machine = copyOf(original);
  const pf = findPf(machine, pfAddress);
  const there = pf?.vfs.flatMap((vf, vfIndex) => (vf === null ? [] : [vfIndex])) ?? [];
  if (there.length === 0) throw nothingToDo(pfAddress, "it has no VFs");
  const wanted = only ?? there;
  const before = new Set(machine.state.core.guests.map(({ name }) => name));
  const refused = addTestGuests(machine, pfAddress, wanted);
  const testGuests = machine.state.core.guests
    .filter(({ name }) => !before.has(name))
    .map(({ name }) => Number(name.slice("test-".length)));
  const leftOut = [...refused].map(([vfIndex, why]) => ({ vfIndex, why }));
  return { machine, testGuests, leftOut };
}

/** By port of the card. */
function pairsOf(card: EmulatedCard, pair: TrafficPair | null): TrafficPair[] {
  const portOf = (index: number): number | null =>
    card.devices.find(({ vfIndex }) => vfIndex === index)?.port ?? null;
  if (pair === null) {
    return card.devices.map(({ port }, at) => ({
      from: port,
      to: card.devices[(at + 1) % card.devices.length]?.port ?? port,
    }));
  }
  const [from, to] = [portOf(pair.from), portOf(pair.to)];
  return from === null || to === null ? [] : [{ from, to }];
}

type Sending = { readonly pairs: readonly TrafficPair[]; readonly wish: TrafficWish };

function frameOf(card: EmulatedCard, { from, to }: TrafficPair, wish: TrafficWish): Uint8Array {
  const nobody = "02:00:5e:ff:ff:ff";
  return frameBytes({
    destination: macOfPort(card, to) ?? nobody,
    source: macOfPort(card, from) ?? nobody,
    tag: wish.vlan,
    sizeBytes: wish.sizeBytes,
  });
}

type Way = {
  readonly drivers: readonly (GuestDriver | null | undefined)[];
  readonly run: () => void;
  /** After each burst of everybody. */
  readonly collect: () => void;
};

/** Every sender a burst, then the way runs, until all is sent. */
function sendAll(way: Way, frames: readonly Uint8Array[], { pairs, wish }: Sending): void {
  for (let left = wish.frames; left > 0; left -= wish.burst) {
    const burst = Math.min(left, wish.burst);
    pairs.forEach(({ from }, at) => {
      const driver = way.drivers[from];
      const frame = frames[at];
      if (!driver || frame === undefined) return;
      for (let nth = 0; nth < burst; nth++) driver.post(frame);
      driver.kick();
      // Receivers have room for the bursts of two senders.
      way.run();
      way.collect();
    });
  }
}

const endsOf = (counted: Float64Array): PathCounts["ends"] =>
  frameEnds.flatMap((end, at) => {
    const frames = counted[at] ?? 0;
    return frames === 0 ? [] : [{ end, frames }];
  });

const sumOf = (values: Iterable<number>): number =>
  [...values].reduce((sum, value) => sum + value, 0);

function throughVfs(card: EmulatedCard, frames: readonly Uint8Array[], sending: Sending) {
  const { nic, iommu, drivers } = card;
  const { msix, count } = nic.functions;
  const messagesNow = (): number =>
    sumOf(Array.from({ length: count }, (_, port) => msix.messagesOf(port, vectorOf.receive)));
  const before = { messages: messagesNow(), translations: iommu.translations };
  sendAll(
    {
      drivers,
      run: () => nic.run(),
      collect: () => drivers.forEach((driver) => driver?.receive()),
    },
    frames,
    sending,
  );
  const total = sending.pairs.length * sending.wish.frames;
  const counts: PathCounts = {
    path: "vf",
    frames: total,
    ends: endsOf(nic.ends),
    unsent: total - sumOf(nic.ends),
    exits: 0,
    copies: 0,
    bridgeLookups: 0,
    switchLookups: nic.lookups,
    translations: iommu.translations - before.translations,
    faults: iommu.faultCount,
    interrupts: messagesNow() - before.messages,
  };
  return counts;
}

function throughSoftware(
  kind: SoftwareKind,
  card: EmulatedCard,
  frames: readonly Uint8Array[],
  sending: Sending,
): PathCounts {
  const { vlan: ownTag } = sending.wish;
  const { vfs, mtu } = card.state();
  const guests = vfs.map(({ mac, vlan }) => ({
    mac: mac === null ? null : highOf(mac) * 2 ** 32 + (lowOf(mac) >>> 0),
    vlan: vlan !== null && isPortVlan(vlan) ? vlan.id : 0,
    tagged: ownTag === null || (vlan !== null && isPortVlan(vlan)) ? [] : [ownTag],
  }));
  const path = new SoftwarePath(kind, guests, { ...shapeFor(sending.wish), mtu });
  const { drivers } = path;
  sendAll({ drivers, run: () => path.run(), collect: () => undefined }, frames, sending);
  const total = sending.pairs.length * sending.wish.frames;
  return {
    path: kind,
    frames: total,
    ends: endsOf(path.ends),
    unsent: total - sumOf(path.ends),
    exits: path.exits,
    copies: path.copies,
    bridgeLookups: path.bridge.lookups,
    switchLookups: 0,
    translations: 0,
    faults: 0,
    interrupts: path.interrupts,
  };
}

/** Guests that tag by themselves have an interface in that VLAN. */
function joinVlan({ nic, drivers, devices }: EmulatedCard, vlan: number): void {
  for (const { port } of devices) drivers[port]?.ask([letter.setVlan, vlan, 1]);
  nic.run();
}

export function runTraffic(original: Machine, wish: TrafficWish): TrafficReport {
  const { pair } = wish;
  const only = pair === null ? null : [pair.from, pair.to];
  const { machine, testGuests, leftOut } = machineForRun(original, wish.pf, only);
  const card = openCard(machine, wish.pf, shapeFor(wish));
  const pairs = pairsOf(card, pair);
  if (pairs.length === 0 || (pair === null && pairs.length < 2)) {
    const [first] = leftOut;
    const why = first === undefined ? "" : `: VF ${first.vfIndex} is left out, ${first.why}`;
    throw nothingToDo(wish.pf, `it takes two VFs that guests can have${why}`);
  }
  if (wish.vlan !== null) joinVlan(card, wish.vlan);
  const frames = pairs.map((each) => frameOf(card, each, wish));
  const sending = { pairs, wish };
  return {
    kind: "traffic",
    pf: wish.pf,
    wish,
    pairs: pairs.length,
    testGuests,
    leftOut,
    paths: [
      throughVfs(card, frames, sending),
      throughSoftware("virtio", card, frames, sending),
      throughSoftware("emulated", card, frames, sending),
    ],
  };
}
