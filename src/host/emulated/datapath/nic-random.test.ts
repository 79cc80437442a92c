// The emulated card against the slow form of the switch, on random switches, memberships and frames:
// every frame ends once and as it should, and each receiver gets the bytes that it must see.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decide, type Delivery, type Decision } from "../../../eswitch/decide.ts";
import { classOf, type Frame, type Port, type Tag } from "../../../eswitch/frame.ts";
import { frames, portOf, switchStates } from "../../../eswitch/switch-state.arbitrary.ts";
import type { SwitchState } from "../../../eswitch/switch-state.ts";
import { isPortVlan } from "../../../eswitch/vf-checks.ts";
import { frameEnds, type FrameEnd } from "./frame-ends.ts";
import { cardWith } from "./nic.arbitrary.ts";
import { letter, letterYes } from "./pf-driver.ts";

type Member = { readonly vlans: readonly number[]; readonly isInGroup: boolean };

const tagBytes = ({ id, qos, protocol }: Tag): number[] => {
  const tci = (qos << 13) | id;
  return [...(protocol === "802.1q" ? [0x81, 0] : [0x88, 0xa8]), tci >> 8, tci & 0xff];
};

/** The frame with these tags, outermost first. */
function bytesOf(frame: Frame, source: string, tags: readonly Tag[]): Uint8Array {
  const macs = [...frame.destination.split(":"), ...source.split(":")];
  const head = [
    ...macs.map((byte) => Number.parseInt(byte, 16)),
    ...tags.flatMap(tagBytes),
    frame.etherType >> 8,
    frame.etherType & 0xff,
  ];
  const length = frame.sizeBytes + tags.length * 4;
  // The payload counts from its own start, wherever the tags have moved it.
  return Uint8Array.from({ length }, (_, at) => head[at] ?? (at - head.length) & 0xff);
}

const isOpen = (state: SwitchState, { port }: Delivery, asked: Asked): boolean => {
  const { decision, frame, members } = asked;
  const id = decision.tags[0]?.id ?? 0;
  const isGroup = classOf(frame.destination) === "multicast";
  if (port.kind === "uplink") return true;
  if (port.kind === "pf") return id === 0 && (!isGroup || state.pfPort.bridge !== null);
  const vf = state.vfs[port.vfIndex];
  const isUnicast = classOf(frame.destination) === "unicast";
  // Guests here are not promiscuous.
  if (isUnicast && vf?.mac !== frame.destination) return false;
  const member = members[port.vfIndex];
  const isTrunk = vf?.vlan !== null && vf !== undefined && !isPortVlan(vf.vlan);
  const isInVlan = !isTrunk || id === 0 || member?.vlans.includes(id) === true;
  return isInVlan && (!isGroup || member?.isInGroup === true);
};

type Asked = {
  readonly decision: Decision;
  readonly frame: Frame;
  readonly from: Port;
  readonly members: readonly Member[];
};

/** What only a guest knows stops the frame at its sender. */
function refusalOf(state: SwitchState, { decision, frame, from, members }: Asked): FrameEnd | null {
  const isIf = (name: string): boolean =>
    decision.stages.some((stage) => stage.name === name && stage.certainty === "if");
  if (isIf("mac-check")) return "spoofed-mac";
  const own = from.kind === "vf" ? (members[from.vfIndex]?.vlans ?? []) : [];
  if (isIf("vlan-check") && !own.includes(frame.tag?.id ?? 0)) return "refused-tag";
  if (isIf("size")) return state.mtu === null ? "not-known" : "too-long";
  return null;
}

const ends: Readonly<Partial<Record<Decision["fate"], FrameEnd>>> = {
  lost: "nobody-takes-it",
  undecided: "not-known",
};

function expected(state: SwitchState, asked: Asked) {
  const { fate, deliveries } = asked.decision;
  if (fate !== "forwarded") return { end: ends[fate] ?? (fate as FrameEnd), takers: [] };
  const refusal = refusalOf(state, asked);
  const results = deliveries.map((delivery): [FrameEnd, Delivery] => {
    if (delivery.certainty === "yes") return ["delivered", delivery];
    if (delivery.certainty === "unknown") return ["not-known", delivery];
    if (refusal !== null) return [refusal, delivery];
    return [isOpen(state, delivery, asked) ? "delivered" : "nobody-takes-it", delivery];
  });
  const takers = results.flatMap(([end, taker]) => (end === "delivered" ? [taker] : []));
  const all = new Set(
    results.map(([end, { port }]) =>
      end === "delivered" && port.kind === "uplink" ? "to-wire" : end,
    ),
  );
  const end = frameEnds.find((each) => all.has(each));
  assert.ok(end !== undefined);
  return { end, takers };
}

const member = fc.record({
  vlans: fc.subarray([100, 200]),
  isInGroup: fc.boolean(),
});

const runs = fc.record({
  state: switchStates,
  members: fc.array(member, { minLength: 6, maxLength: 6 }),
  drawn: fc.array(fc.tuple(frames, fc.nat()), { maxLength: 12 }),
});

const stranger = "02:11:22:33:44:55";

type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never;

function send({ state: given, members: drawnMembers, drawn }: Run): FrameEnd[] {
  const card = cardWith(given, { ringLength: 16, bufferBytes: 12_288 });
  const { nic, wire, driverOf } = card;
  const members = given.vfs.map((_, port) => {
    const { vlans = [], isInGroup = false } = drawnMembers[port] ?? {};
    const driver = driverOf(port);
    const joined = vlans.filter((id) => {
      driver.ask([letter.setVlan, id, 1]);
      nic.run();
      return ((driver.answer()[0] ?? 0) & letterYes) !== 0;
    });
    if (isInGroup) driver.ask([letter.joinGroup, 0x3333, 1]);
    nic.run();
    return { vlans: joined, isInGroup };
  });
  const { state } = card.pfDriver;
  const numberOf = (port: Port): number =>
    port.kind === "vf" ? port.vfIndex : state.vfs.length + (port.kind === "pf" ? 0 : 1);
  return drawn.map(([drawnFrame, nth]) => {
    const from = portOf(state, nth);
    const own = from.kind === "vf" ? state.vfs[from.vfIndex]?.mac : null;
    const source = drawnFrame.source ?? own ?? stranger;
    const frame = { ...drawnFrame, source };
    const decision = decide(state, frame, from);
    const { end, takers } = expected(state, { decision, frame, from, members });
    const before = [...nic.ends];
    wire.length = 0;
    const sent = bytesOf(frame, source, frame.tag === null ? [] : [frame.tag]);
    if (from.kind === "uplink") nic.receiveFromWire([sent]);
    else {
      driverOf(numberOf(from)).post(sent);
      driverOf(numberOf(from)).kick();
      nic.run();
    }
    const changed = frameEnds.filter((_, at) => nic.ends[at] !== before[at]);
    assert.deepEqual(changed, [end]);
    assert.equal(
      nic.ends.reduce((sum, count) => sum + count),
      before.reduce((sum, count) => sum + count) + 1,
    );
    for (let port = 0; port <= state.vfs.length; port++) {
      const seen: Uint8Array[] = [];
      const driver = driverOf(port);
      driver.receive(({ address, length }) => seen.push(driver.memory.read(address, length)));
      const mine = takers.filter((taker) => numberOf(taker.port) === port);
      assert.deepEqual(
        seen,
        mine.map(({ tags }) => bytesOf(frame, source, tags)),
      );
    }
    const out = takers.filter(({ port }) => port.kind === "uplink");
    assert.deepEqual(
      wire,
      out.map(({ tags }) => bytesOf(frame, source, tags)),
    );
    return end;
  });
}

test("the card does what the slow switch says, byte by byte, and each frame ends once", () => {
  fc.assert(
    fc.property(runs, (run) => {
      send(run);
    }),
    { numRuns: 150 },
  );
});

test("random traffic on the card meets the ends that a switch gives", () => {
  const seen = new Set(fc.sample(runs, { numRuns: 200, seed: 3 }).flatMap(send));
  const others = new Set([
    "no-buffer",
    "receiver-stopped",
    "receiver-faulted",
    "faulted",
    "malformed",
  ]);
  assert.deepEqual(
    frameEnds.filter((end) => !seen.has(end)),
    frameEnds.filter((end) => others.has(end)),
  );
});
