// A PF is resized while two VMs have its VFs, by a manager that is killed at every single step: a journal
// write, a host request, a lease transition, a plug, each lost or arrived. Whichever way recover goes, both have the
// VF of the same index, MAC and VLAN again. The same for an apply that attaches what its spec assigns.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { handOverWord } from "../../src/model/plan.ts";
import {
  applyTo,
  detachFrom,
  diesIn,
  guestWords,
  mortalSession,
  openAttachBench,
  recoverAll,
  stepsUntil,
} from "../lease/attach-bench.ts";
import { words } from "../lease/lease-bench.ts";
import {
  assertAllAttached,
  consumers,
  nobodyWithoutLease,
  specWith,
} from "../lease/two-consumers.ts";

async function resizedEverywhere(context: TestContext, choice: "undo" | "finish") {
  const bench = await openAttachBench(context, { spec: specWith(3) });
  const consent = [handOverWord];
  assert.equal((await applyTo(bench.session, specWith(3))).outcome, "done");
  let numVfs = await assertAllAttached(bench, "at first");
  const counts = new Map<number, number>();
  let at = 0;
  for (let died = true; died; at++) {
    const story = `resize from ${numVfs} killed at step ${at}, ${choice}`;
    const spec = specWith(numVfs === 3 ? 4 : 3);
    const session = mortalSession(bench, stepsUntil(at));
    died = await diesIn(async () => await applyTo(session, spec, consent));
    nobodyWithoutLease(bench, story);
    await recoverAll(bench.session, choice);
    const before = numVfs;
    numVfs = await assertAllAttached(bench, story);
    counts.set(numVfs, (counts.get(numVfs) ?? 0) + 1);
    if (!died) assert.notEqual(numVfs, before, story);
  }
  context.diagnostic(`${at - 1} steps, ${JSON.stringify([...counts])}`);
  assert(at > 30, `${at} steps were enough`);
}

test("a hand-over killed at every step is taken back: everybody has the VF again", async (context) => {
  await resizedEverywhere(context, "undo");
});

test("a hand-over killed at every step is finished: everybody has the VF again", async (context) => {
  await resizedEverywhere(context, "finish");
});

test("an apply that assigns, killed at every step, attaches all or nothing", async (context) => {
  const none = specWith(3, []);
  const bench = await openAttachBench(context, { spec: specWith(3) });
  const seen = { attached: 0, free: 0 };
  let at = 0;
  for (let died = true; died; at++) {
    const choice = at % 2 === 0 ? "preferred" : "finish";
    const story = `apply killed at step ${at}, ${choice}`;
    const session = mortalSession(bench, stepsUntil(at));
    died = await diesIn(async () => await applyTo(session, specWith(3)));
    nobodyWithoutLease(bench, story);
    await recoverAll(bench.session, choice);
    nobodyWithoutLease(bench, story);
    const isFree = guestWords(bench).length === 0;
    seen[isFree ? "free" : "attached"]++;
    if (isFree) assert.doesNotMatch(words(bench).join(), /attached|prepared|quarantined/, story);
    else await assertAllAttached(bench, story);
    for (const to of consumers) await detachFrom(bench.session, to);
    assert.equal((await applyTo(bench.session, none)).outcome, "done", story);
  }
  context.diagnostic(`${at - 1} steps: ${seen.attached} attached, ${seen.free} free after recover`);
  assert(seen.attached > 5 && seen.free > 5, JSON.stringify(seen));
});
