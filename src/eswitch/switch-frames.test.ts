// The fast switch gives the answers and the counters of the slow one, on random switches and frames.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { certainties, compileSwitch, tagCode, untagged } from "./compiled-switch.ts";
import { decide } from "./decide.ts";
import {
  certaintyOf,
  emptyBatch,
  fateAt,
  portOf as portOfDelivery,
  setDestination,
  setFrom,
  setSource,
  setTag,
  setTypeAndSize,
  tagAt,
  takerAt,
  takersAt,
} from "./frame-batch.ts";
import type { Frame, Port } from "./frame.ts";
import { frames, portOf, switchStates } from "./switch-state.arbitrary.ts";
import type { SwitchState } from "./switch-state.ts";
import { fates, SwitchRun } from "./switch-frames.ts";

type Sent = { readonly frame: Frame; readonly from: Port };

const numberOf = ({ vfs }: SwitchState, port: Port): number =>
  port.kind === "vf"
    ? vfs.findIndex(({ vfIndex }) => vfIndex === port.vfIndex)
    : vfs.length + (port.kind === "pf" ? 0 : 1);

function quickly(state: SwitchState, sent: readonly Sent[]) {
  const run = new SwitchRun(compileSwitch(state));
  const batch = emptyBatch(sent.length);
  sent.forEach(({ frame, from }, at) => {
    setFrom(batch, at, numberOf(state, from));
    setTypeAndSize(batch, at, frame);
    setDestination(batch, at, frame.destination);
    setSource(batch, at, frame.source);
    setTag(batch, at, frame.tag === null ? untagged : tagCode(frame.tag));
  });
  const result = run.run(batch);
  const answers = sent.map((_, at) => ({
    fate: fates[fateAt(result, at)],
    tag: tagAt(result, at),
    deliveries: Array.from({ length: takersAt(result, at) }, (_unused, nth) => {
      const delivery = takerAt(result, at, nth);
      return [portOfDelivery(delivery), certainties[certaintyOf(delivery)]];
    }),
  }));
  const counters = Object.entries(run.counters).map(([name, column]) => [name, [...column]]);
  return { answers, counters: Object.fromEntries(counters) };
}

function slowly(state: SwitchState, sent: readonly Sent[]) {
  const ports = state.vfs.length + 2;
  const names = ["sent", "dropped", "spoofed", "received", "perhaps"] as const;
  const counters = Object.fromEntries(
    names.map((name) => [name, Array.from({ length: ports }, () => 0)]),
  );
  const count = (name: (typeof names)[number], port: number): void => {
    const column = counters[name] ?? [];
    column[port] = (column[port] ?? 0) + 1;
  };
  const answers = sent.map(({ frame, from }) => {
    const { fate, tags, deliveries } = decide(state, frame, from);
    const sender = numberOf(state, from);
    count("sent", sender);
    if (fate !== "forwarded" && fate !== "undecided") count("dropped", sender);
    if (fate === "spoofed-mac") count("spoofed", sender);
    for (const { port, certainty } of deliveries) {
      count(certainty === "yes" ? "received" : "perhaps", numberOf(state, port));
    }
    const [outer] = tags;
    return {
      fate,
      tag: outer === undefined ? untagged : tagCode(outer),
      deliveries: deliveries.map(({ port, certainty }) => [numberOf(state, port), certainty]),
    };
  });
  return { answers, counters };
}

const traffic = fc
  .tuple(switchStates, fc.array(fc.tuple(frames, fc.nat()), { maxLength: 30 }))
  .map(([state, drawn]) => ({
    state,
    sent: drawn.map(([frame, nth]) => ({ frame, from: portOf(state, nth) })),
  }));

test("typed arrays decide and count as the slow form does", () => {
  fc.assert(
    fc.property(traffic, ({ state, sent }) => {
      assert.deepEqual(quickly(state, sent), slowly(state, sent));
    }),
    { numRuns: 2000 },
  );
});

test("random traffic meets every fate", () => {
  const seen = new Set<string>();
  for (const { state, sent } of fc.sample(traffic, { numRuns: 1000, seed: 1 })) {
    for (const { frame, from } of sent) seen.add(decide(state, frame, from).fate);
  }
  assert.deepEqual(seen, new Set(fates));
});

/** VFs without anything that would need a closer look. */
function plainSwitch(macs: readonly string[]): SwitchState {
  const [drawn] = fc.sample(switchStates, { numRuns: 1, seed: 1 });
  assert.ok(drawn !== undefined);
  return {
    ...drawn,
    mode: "legacy",
    mtu: 1500,
    isVeb: { value: true, why: "as set" },
    pfPort: { ...drawn.pfPort, mac: null, filter: [], bridge: null },
    uplink: { certainty: "yes", why: "as set" },
    vfs: macs.map((mac, vfIndex) => ({
      vfIndex,
      address: "0000:3b:02.0",
      mac,
      mayHaveMac: false,
      hasReportedMac: true,
      sendMac: null,
      vlan: { id: 0, qos: 0, protocol: "802.1q" },
      spoofCheck: true,
      trust: false,
      link: { certainty: "yes", why: "as set" },
      owners: [],
      driver: null,
      netdev: null,
    })),
  };
}

const macText = (high: number, low: number): string =>
  [high >> 8, high, low >> 24, low >> 16, low >> 8, low]
    .map((byte) => (byte & 0xff).toString(16).padStart(2, "0"))
    .join(":");

function assertEachIsFound(macs: readonly string[]): void {
  const state = plainSwitch(macs);
  const sent = macs.map((destination, at): Sent => {
    const from: Port = { kind: "vf", vfIndex: (at + 1) % macs.length };
    const source = macs[(at + 1) % macs.length] ?? null;
    return { frame: { destination, source, tag: null, etherType: 0x0800, sizeBytes: 64 }, from };
  });
  const { answers } = quickly(state, sent);
  const lost = macs.filter((_, at) => String(answers[at]?.deliveries) !== `${at},yes`);
  assert.deepEqual(lost, []);
}

test("a table of many addresses finds each of them", () => {
  assertEachIsFound(Array.from({ length: 4096 }, (_, at) => macText(0x5254, at)));
});

test("addresses that no table keeps apart are found too", () => {
  const seeds = [0x9e3779b1, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1];
  const macs = seeds.flatMap((seed, at) => {
    const [one, other] = [0x5200 + at, 0x5600 + at];
    return [macText(one, 0), macText(other, Math.imul(one, seed) ^ Math.imul(other, seed))];
  });
  assertEachIsFound(macs);
});
