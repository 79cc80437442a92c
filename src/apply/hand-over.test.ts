// A PF is resized while VMs have its VFs: each has the VF of the same index again, with its MAC, VLAN and lease,
// or everything is as it was. Killed at every single step, as in attach-crash.test.ts, and refused where a VM
// cannot let go. The same for an apply that attaches what its spec assigns.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  applyTo,
  detachFrom,
  diesIn,
  guestWords,
  mortalSession,
  openAttachBench,
  recoverAll,
  stepsUntil,
  type AttachBench,
} from "../../test/lease/attach-bench.ts";
import { pf, vfsOf, vfWords, words } from "../../test/lease/lease-bench.ts";
import type { Fault } from "../host/emulated/faults.ts";
import { SriovError } from "../model/errors.ts";
import { handOverWord } from "../model/plan.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { Spec } from "../model/spec.ts";
import { isOpen } from "./journal.ts";
import { readOwnJournals } from "./session.ts";

const macs = ["02:00:5e:10:00:01", "02:00:5e:10:00:02"] as const;

const consumers = ["libvirt:web1/net1", "libvirt:web2/net1"] as const;

/** Two consumers of the PF's VFs 0 and 1. */
function specWith(numVfs: number, to: readonly string[] = consumers): Spec {
  const document = {
    apiVersion: "sriovctl/v1",
    adapters: [{ physicalFunctions: [{ name: "p0", match: { address: pf }, numVfs }] }],
    virtualFunctions: numVfs > 2 ? [{ vfs: "p0/2", driver: "vfio-pci" }] : [],
    assign: to.slice(0, numVfs).map((name, index) => ({
      to: name,
      vf: `p0/${index}`,
      mac: macs[index],
      vlan: 120 + index,
    })),
  };
  const { spec, problems } = parseSpec(JSON.stringify(document), "spec.json");
  assert.deepEqual(problems, []);
  assert(spec !== null);
  return spec;
}

const held = [
  `web1 holds 0000:10:10.0 as net1, ${macs[0]}`,
  `web2 holds 0000:10:10.2 as net1, ${macs[1]}`,
];

const leased = [
  /^0000:10:00.0\/vf0 attached \d+ libvirt:web1\/net1$/,
  /^0000:10:00.0\/vf1 attached \d+ libvirt:web2\/net1$/,
];

async function assertAllAttached(bench: AttachBench, story: string): Promise<number> {
  assert.equal((await readOwnJournals(bench.session)).some(isOpen), false, `${story}: open`);
  assert.deepEqual(guestWords(bench), held, story);
  const leases = words(bench);
  for (const [index, pattern] of leased.entries())
    assert.match(leases[index] ?? "", pattern, story);
  const vfs = await vfsOf(bench.host);
  const seen = vfs.slice(0, 2).map((vf) => vfWords(vf).replace(/ trust.*/, ""));
  const wanted = macs.map((mac, index) => `vfio-pci vfio-pci ${mac} vlan ${120 + index}`);
  assert.deepEqual(seen, wanted, story);
  return vfs.length;
}

/** Nobody has a VF that is not leased to them, whatever the state. */
function nobodyWithoutLease(bench: AttachBench, story: string): void {
  const leases = bench.leasing.store.leases().filter(({ state }) => state !== "free");
  for (const line of guestWords(bench)) {
    const [guest = "", , address] = line.split(" ");
    const own = leases.find(({ vf, holder }) => {
      return vf.address === address && holder?.name.includes(guest) === true;
    });
    assert(own !== undefined, `${story}: ${line}`);
  }
}

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

type Story = {
  readonly faults?: readonly Fault[];
  readonly keepsDevices?: boolean;
  readonly numVfs?: number;
  readonly consent?: readonly string[];
  /** Of the error, or of the report's actions. */
  readonly says: RegExp;
};

const stories: Readonly<Record<string, Story>> = {
  "nobody agreed to it": { consent: [], says: /disrupts vm:web1 on 0000:10:00.0\/vf0/ },
  "a VM without a port that takes hot-plug": {
    keepsDevices: true,
    says: /Cannot hand over VF 0 of p0, which libvirt:web1\/net1 has: .*no port that takes hot-plug/,
  },
  "too few VFs for all": { numVfs: 1, says: /VF 1 of p0.* is to have 1 VFs, so it would not/ },
  "a guest that does not let go": {
    faults: [{ on: { verb: "unplug", skip: 1 }, effect: { kind: "hang" } }],
    says: /the guest has not let go of it/,
  },
  "a guest that does not take it again": {
    faults: [{ on: { verb: "plug", skip: 3 }, effect: { kind: "refuse", errno: "EBUSY" } }],
    says: /EBUSY/,
  },
  "a VF that does not come back": {
    faults: [
      { on: { verb: "setVf", vfIndex: 1, skip: 2 }, effect: { kind: "refuse", errno: "EINVAL" } },
    ],
    says: /EINVAL|Invalid argument/i,
  },
};

async function saidBy(work: () => ReturnType<typeof applyTo>): Promise<string> {
  try {
    const { outcome, actions } = await work();
    return [outcome, ...actions.map(({ error }) => error?.message)].join("\n");
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return error.message;
  }
}

test("a hand-over that cannot be is refused or undone, and all have what they had", async (context) => {
  for (const [story, { faults = [], keepsDevices = false, says, ...wish }] of Object.entries(
    stories,
  )) {
    const { numVfs = 4, consent = [handOverWord] } = wish;
    const guests = [
      { name: "web1", holds: [], keepsDevices },
      { name: "web2", holds: [] },
    ];
    const bench = await openAttachBench(context, { spec: specWith(3), faults, guests });
    assert.equal((await applyTo(bench.session, specWith(3))).outcome, "done", story);
    const said = await saidBy(async () => await applyTo(bench.session, specWith(numVfs), consent));
    assert.match(said, says, story);
    assert.equal(await assertAllAttached(bench, `${story}: ${said}`), 3);
  }
});
