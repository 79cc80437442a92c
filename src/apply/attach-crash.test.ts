// Attaching and detaching, killed at every single step: a journal write, a host request, a lease
// transition, a plug, each lost or arrived. After recover the VF is attached and leased to its consumer, with
// its MAC and VLAN, or it is free, clean and nobody's; and nobody ever has a VF that is not leased to them.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  attachTo,
  detachFrom,
  diesIn,
  guestWords,
  mortalSession,
  openAttachBench,
  options,
  recoverAll,
  runWithout,
  stepsUntil,
  type AttachBench,
} from "../../test/lease/attach-bench.ts";
import { clean, vfsOf, vfWords, words } from "../../test/lease/lease-bench.ts";
import { isOpen } from "./journal.ts";
import type { Attaching } from "./plug-run.ts";
import { rollback } from "./recover.ts";
import { readOwnJournals } from "./session.ts";

const to = "libvirt:web1/net1";
const [vf, mac] = ["0000:10:10.0", "02:00:5e:10:00:01"];

/** `attached` or `free`; anything between them fails. */
async function wholeState(bench: AttachBench, story: string): Promise<"attached" | "free"> {
  const [first] = await vfsOf(bench.host);
  const guests = guestWords(bench);
  const [lease = ""] = words(bench);
  assert.equal((await readOwnJournals(bench.session)).some(isOpen), false, `${story}: open`);
  if (guests.length === 0) {
    assert.match(lease, /^$|vf0 free \d+$/, story);
    assert.equal(first === undefined ? "" : vfWords(first), clean, story);
    return "free";
  }
  assert.deepEqual(guests, [`web1 holds ${vf} as net1, ${mac}`], story);
  assert.match(lease, /vf0 attached \d+ libvirt:web1\/net1$/, story);
  const policy = first?.policy;
  assert.deepEqual([first?.driver, policy?.mac, policy?.vlan?.id], ["vfio-pci", mac, 120], story);
  return "attached";
}

/** While it is dead: whoever has a VF has it leased. */
function nobodyWithoutLease(bench: AttachBench, story: string): void {
  const leased = bench.leasing.store
    .leases()
    .filter(({ state, holder }) => state !== "free" && holder?.name === to);
  if (guestWords(bench).length > 0) assert.equal(leased.length, 1, story);
}

async function clearPool(bench: AttachBench): Promise<void> {
  await detachFrom(bench.session, to);
}

type Choice = Parameters<typeof recoverAll>[1];

type Work = "attach" | "detach" | "without" | "rollback";

const works: Readonly<
  Record<Work, (session: Attaching, bench: AttachBench) => () => Promise<unknown>>
> = {
  attach: (session) => async () => await attachTo(session, to),
  detach: (session) => async () => await detachFrom(session, to),
  without: (session, bench) => async () =>
    await runWithout(session, to, async () => {
      assert.deepEqual(guestWords(bench), [], "the VF is out while the command runs");
    }),
  rollback: (session) => async () => await rollback(session, options),
};

async function killedEverywhere(context: TestContext, work: Work, choice: Choice) {
  const bench = await openAttachBench(context);
  await attachTo(bench.session, to);
  const seen = { attached: 0, free: 0 };
  let at = 0;
  for (let died = true; died; at++) {
    const story = `${work} killed at step ${at}`;
    await clearPool(bench);
    if (work !== "attach") await attachTo(bench.session, to);
    if (work === "rollback") await clearPool(bench);
    const steps = stepsUntil(at);
    const session = mortalSession(bench, steps);
    died = await diesIn(works[work](session, bench));
    nobodyWithoutLease(bench, story);
    await recoverAll(bench.session, choice);
    const state = await wholeState(bench, story);
    seen[state]++;
    if (!died) assert.equal(state, work === "detach" ? "free" : "attached", story);
    if (work === "without") assert.equal(state, "attached", story);
  }
  context.diagnostic(`${at - 1} steps: ${seen.attached} attached, ${seen.free} free after recover`);
  return { steps: at, seen };
}

test("attach killed at every step is attached and leased, or free and clean", async (context) => {
  const { steps, seen } = await killedEverywhere(context, "attach", "preferred");
  assert(steps > 25, `${steps} steps were enough`);
  assert(seen.free > 20 && seen.attached > 0);
});

test("detach killed at every step is attached and leased, or free and clean", async (context) => {
  const { steps, seen } = await killedEverywhere(context, "detach", "preferred");
  assert(steps > 20, `${steps} steps were enough`);
  assert(seen.free > 0 && seen.attached > 0);
});

test("without-vfs killed at every step: the VF is back, with its lease, MAC and VLAN", async (context) => {
  const { steps } = await killedEverywhere(context, "without", "preferred");
  assert(steps > 15, `${steps} steps were enough`);
});

test("rollback of a detach killed at every step: attached with its terms, or free and clean", async (context) => {
  const { steps, seen } = await killedEverywhere(context, "rollback", "preferred");
  assert(steps > 20, `${steps} steps were enough`);
  assert(seen.free > 0 && seen.attached > 0);
});

test("what was killed half-way can be finished instead, or undone", async (context) => {
  await killedEverywhere(context, "attach", "finish");
  await killedEverywhere(context, "detach", "finish");
  await killedEverywhere(context, "detach", "undo");
});
