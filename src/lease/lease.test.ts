// The state machine: every event in every state by enumeration, and what holds after any sequence.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  freeLease,
  leaseStates,
  stepLease,
  type Lease,
  type LeaseEvent,
  type LeaseState,
  type VfPlace,
} from "./lease.ts";

const vf: VfPlace = {
  pfKey: "mac:b4:96:91:00:00:10",
  vfIndex: 3,
  pf: "0000:3b:00.0",
  address: "0000:3b:10.6",
};
const moment = { nowMs: 1000, bootId: "boot", reason: "test" };
const holder = { name: "vm:web1", pid: null };
const claim: LeaseEvent = { kind: "claim", holder, pool: null, expiresAtMs: null, worker: 7 };

/** Every kind of event, each of this generation. */
const eventsOf = (generation: number): LeaseEvent[] => [
  claim,
  { kind: "prepared", generation },
  { kind: "attached", generation, plug: null },
  { kind: "renew", generation, expiresAtMs: 5000 },
  { kind: "release", generation, worker: 7 },
  { kind: "revoke", worker: 7 },
  { kind: "freed", generation },
  { kind: "quarantine", generation, evidence: ["reset: EIO"] },
  { kind: "vanished" },
  { kind: "moved", pf: "0000:5e:00.0", address: "0000:5e:10.6" },
];

const inState = (state: LeaseState): Lease => ({
  ...freeLease(vf),
  state,
  generation: 4,
  holder: state === "free" || state === "quarantined" ? null : holder,
});

test("every event in every state: what it leads to, or -", () => {
  const table = leaseStates.map((state) => {
    const cells = eventsOf(4).map((event) => {
      const step = stepLease(inState(state), event, moment);
      return "lease" in step ? `${event.kind}>${step.lease.state}/${step.lease.generation}` : "-";
    });
    return `${state}: ${cells.join(" ")}`;
  });
  assert.deepEqual(table, [
    "free: claim>claimed/5 - - - - - - quarantine>quarantined/5 - moved>free/4",
    "claimed: - prepared>prepared/4 - renew>claimed/4 release>releasing/4 revoke>releasing/5 - quarantine>quarantined/5 vanished>free/5 moved>claimed/4",
    "prepared: - - attached>attached/4 renew>prepared/4 release>releasing/4 revoke>releasing/5 - quarantine>quarantined/5 vanished>free/5 moved>prepared/4",
    "attached: - - attached>attached/4 renew>attached/4 release>releasing/4 revoke>releasing/5 - - vanished>free/5 moved>attached/4",
    "releasing: - - - - - revoke>releasing/5 freed>free/4 quarantine>quarantined/5 vanished>free/5 moved>releasing/4",
    "quarantined: - - - - - revoke>releasing/5 - - vanished>free/5 moved>quarantined/4",
  ]);
});

test("a holder of the past is refused, and told who has it", () => {
  const step = stepLease(
    inState("attached"),
    { kind: "release", generation: 2, worker: 7 },
    moment,
  );
  assert.deepEqual(step, {
    why: "stale",
    message:
      "Cannot release 0000:3b:00.0/vf3 in generation 2: it is attached for vm:web1 in generation 4",
  });
});

const anyEvent = fc
  .record({ index: fc.nat(eventsOf(0).length - 1), back: fc.nat(2) })
  .map(({ index, back }) => ({ index, back }));

test("after any events: generations never fall, whoever holds it is known, a free VF is nobody's", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (picks) => {
      let lease = freeLease(vf);
      const holders = new Map<number, string>();
      for (const [at, { index, back }] of picks.entries()) {
        const event = eventsOf(lease.generation - back)[index];
        assert(event !== undefined);
        const named =
          event.kind === "claim" ? { ...event, holder: { name: `vm:${at}`, pid: null } } : event;
        const step = stepLease(lease, named, { ...moment, nowMs: at });
        if (!("lease" in step)) continue;
        const { lease: next, entry } = step;
        assert(next.generation >= lease.generation);
        const isOwned = next.state !== "free" && next.state !== "quarantined";
        assert(isOwned || (next.holder === null && next.expiresAtMs === null));
        if (next.holder !== null && (next.state === "prepared" || next.state === "attached")) {
          const known = holders.get(next.generation) ?? next.holder.name;
          assert.equal(known, next.holder.name, "one holder a generation");
          holders.set(next.generation, known);
        }
        assert.equal(
          next.evidence.length > 0,
          next.state === "quarantined" || next.evidence.length > 0,
        );
        assert.deepEqual(
          [entry.from, entry.to, entry.generation],
          [lease.state, next.state, next.generation],
        );
        if ("generation" in event) assert.equal(event.generation, lease.generation);
        lease = next;
      }
    }),
    { seed: 20_261_121 },
  );
});
