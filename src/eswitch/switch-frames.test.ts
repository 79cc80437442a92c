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
  frameWord,
  portOf as portOfDelivery,
  setDestination,
  setFrameValue,
  setSource,
  startAt,
  tagAt,
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
    setFrameValue(batch, at, frameWord.from, numberOf(state, from));
    setDestination(batch, at, frame.destination);
    setSource(batch, at, frame.source);
    const tag = frame.tag === null ? untagged : tagCode(frame.tag);
    setFrameValue(batch, at, frameWord.tag, tag);
    setFrameValue(batch, at, frameWord.etherType, frame.etherType);
    setFrameValue(batch, at, frameWord.sizeBytes, frame.sizeBytes);
  });
  const result = run.run(batch);
  const answers = sent.map((_, at) => ({
    fate: fates[fateAt(result, at)],
    tag: tagAt(result, at),
    deliveries: Array.from(
      result.deliveries.subarray(startAt(result, at), startAt(result, at + 1)),
      (delivery) => [portOfDelivery(delivery), certainties[certaintyOf(delivery)]],
    ),
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

test("a table of many addresses finds each of them", () => {
  const macOf = (vfIndex: number): string =>
    `52:54:00:${[16, 8, 0].map((by) => ((vfIndex >> by) & 0xff).toString(16).padStart(2, "0")).join(":")}`;
  const [drawn] = fc.sample(switchStates, { numRuns: 1, seed: 1 });
  assert.ok(drawn !== undefined);
  const state: SwitchState = {
    ...drawn,
    mode: "legacy",
    isVeb: { value: true, why: "as set" },
    pfPort: { ...drawn.pfPort, mac: null, filter: [] },
    uplink: { certainty: "yes", why: "as set" },
    vfs: Array.from({ length: 4096 }, (_, vfIndex) => ({
      vfIndex,
      address: "0000:3b:02.0",
      mac: macOf(vfIndex),
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
  const run = new SwitchRun(compileSwitch(state));
  const batch = emptyBatch(4096);
  for (let at = 0; at < 4096; at++) {
    setFrameValue(batch, at, frameWord.from, 4097);
    setDestination(batch, at, macOf(at));
  }
  const result = run.run(batch);
  const found = Array.from({ length: 4096 }, (_, at) => [
    fateAt(result, at),
    portOfDelivery(result.deliveries[startAt(result, at)] ?? -1),
  ]);
  assert.deepEqual(
    found,
    Array.from({ length: 4096 }, (_, at) => [0, at]),
  );
});
