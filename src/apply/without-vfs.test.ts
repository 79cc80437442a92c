// `without-vfs` where the VF does not come back at once, or at all: whose it is then, and what is left to do.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  attachTo,
  guestWords,
  openAttachBench,
  recoverAll,
  runWithout,
  type AttachBench,
} from "../../test/lease/attach-bench.ts";
import { clean, vfsOf, vfWords, words } from "../../test/lease/lease-bench.ts";
import { acquireVfs } from "./leasing.ts";
import { wishFor } from "../../test/lease/pool-bench.ts";

const to = "libvirt:web1/net1";
const isBack = ["web1 holds 0000:10:10.0 as net1, 02:00:5e:10:00:01"];

/** Attached, and then plugged in again in vain this often. */
async function refusedPlug(context: TestContext, times: number): Promise<AttachBench> {
  const on = { verb: "plug", skip: 1, times } as const;
  const faults = [{ on, effect: { kind: "refuse", errno: "EIO" } }] as const;
  const bench = await openAttachBench(context, { faults });
  await attachTo(bench.session, to);
  const back = await runWithout(bench.session, to, async () => {});
  assert.equal(back?.outcome, "interrupted");
  assert.deepEqual(guestWords(bench), []);
  assert.match(words(bench)[0] ?? "", /vf0 attached 1 libvirt:web1\/net1$/, "it is kept for it");
  return bench;
}

test("a VF that cannot be plugged in again stays its consumer's until recover does it", async (context) => {
  const bench = await refusedPlug(context, 2);
  const { session, leasing } = bench;
  const thief = { holder: { name: "vm:thief", pid: null }, expiresAtMs: null, reason: "" };
  const [first] = await vfsOf(bench.host);
  const wish = wishFor("vm:thief", { vfs: [first?.address ?? ""] });
  assert.equal((await acquireVfs(leasing, wish, thief)).kind, "nothing-fits");
  assert.equal((await recoverAll(session, "preferred"))?.outcome, "interrupted");
  assert.equal((await recoverAll(session, "preferred"))?.outcome, "undone");
  assert.deepEqual(guestWords(bench), isBack);
  assert.match(words(bench)[0] ?? "", /vf0 attached 1 libvirt:web1\/net1$/);
});

test("recover --finish gives up what does not come back: it is free and clean", async (context) => {
  const bench = await refusedPlug(context, 1);
  assert.equal((await recoverAll(bench.session, "finish"))?.outcome, "done");
  const [first] = await vfsOf(bench.host);
  assert.equal(first === undefined ? "" : vfWords(first), clean);
  assert.match(words(bench)[0] ?? "", /vf0 free 1$/);
});

test("a consumer that is gone when its VF is to come back leaves nothing open", async (context) => {
  const bench = await openAttachBench(context);
  await attachTo(bench.session, to);
  const back = await runWithout(bench.session, to, async () => {
    bench.host.store.transact(({ state }) => {
      state.core.guests = state.core.guests.filter(({ name }) => name !== "web1");
    });
  });
  assert.equal(back?.outcome, "undo-failed");
  assert.match(words(bench)[0] ?? "", /vf0 free 1$/);
});
