// A PF is resized while VMs have its VFs: refused where one of them cannot let go, and undone where anything fails,
// so that everybody has the VF that they had. Killed at every step: test/sim/hand-over-kill.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyTo, openAttachBench } from "../../test/lease/attach-bench.ts";
import { assertAllAttached, specWith } from "../../test/lease/two-consumers.ts";
import type { Fault } from "../host/emulated/faults.ts";
import { SriovError } from "../model/errors.ts";
import { handOverWord } from "../model/plan.ts";

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
