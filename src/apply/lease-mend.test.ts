// Leases that a kill or a changed host left behind: found, and mended without losing a VF.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  acquire,
  clean,
  codeOf,
  openPool,
  perform,
  pf,
  place,
  proofOf,
  soil,
  terms,
  vfsOf,
  vfWords,
  words,
  type Bench,
} from "../../test/lease/lease-bench.ts";
import { plugTo } from "../../test/plug-to.ts";
import { emulatedConsumers } from "../host/emulated/consumers.ts";
import { Killed, killedAt, wishFor } from "../../test/lease/pool-bench.ts";
import { askConsumers, findingsOf, mend } from "./lease-mend.ts";
import { releaseVf, renewLease } from "./lease-release.ts";
import { acquireVfs, lookAtVfs, momentOf } from "./leasing.ts";
import { noConsumers } from "./request.ts";

/** Finds and mends until nothing is left to mend. */
async function mendAll(bench: Bench): Promise<string[]> {
  const { candidates } = await lookAtVfs(bench.leasing);
  const leases = bench.leasing.store.leases();
  const findings = findingsOf(bench.host, bench.leasing.nowMs(), { leases, candidates });
  for (const finding of findings) await mend(bench.leasing, finding, candidates);
  return findings.map(({ kind }) => kind);
}

const deadPid = 2 ** 22 + 1; // above every kernel's pid_max

for (const arrives of [false, true]) {
  const words = arrives ? "which arrives" : "which is lost";
  test(`killed at any request of acquire and release, ${words}: nothing is lost`, async (context) => {
    const bench = await openPool(context);
    let at = 0;
    for (let died = true; died; at++) {
      await soil(bench.host, 0);
      const host = killedAt(bench.host, at, arrives);
      const dying = { ...bench.leasing, host, worker: deadPid };
      died = false;
      try {
        const acquired = await acquireVfs(dying, wishFor("vm:web1"), terms("vm:web1"));
        assert(acquired.kind === "granted");
        await releaseVf(dying, await place(bench), { proof: proofOf("vm:web1"), reason: "" });
      } catch (error) {
        assert(error instanceof Killed, String(error));
        died = true;
      }
      const expected = died ? ["interrupted"] : [];
      assert.deepEqual(await mendAll(bench), expected, `killed at request ${at}`);
      assert.equal(bench.leasing.store.leases()[0]?.state, "free", `killed at request ${at}`);
      assert.equal((await vfsOf(bench.host)).map(vfWords)[0], clean, `killed at request ${at}`);
    }
    assert(at > 12, `${at} requests were enough`);
  });
}

test("a lease whose VF is gone, and one whose process is gone, are mended as found", async (context) => {
  const bench = await openPool(context);
  const [first] = await acquire(bench, "vm:web1");
  const holder = { name: "vm:web2", pid: deadPid };
  await acquireVfs(bench.leasing, wishFor("vm:web2"), { ...terms("vm:web2"), holder });
  assert.deepEqual(await mendAll(bench), ["holder-gone"]);
  assert.deepEqual(words(bench), [`${pf}/vf0 prepared 1 vm:web1`, `${pf}/vf1 free 2`]);
  await perform(bench.host, { verb: "setNumVfs", pf, numVfs: 0 });
  assert.deepEqual(await mendAll(bench), ["vanished"]);
  assert.deepEqual(words(bench), [`${pf}/vf0 free 2`, `${pf}/vf1 free 2`]);
  assert(first !== undefined);
  const late = () =>
    renewLease(bench.leasing, first.vf, { proof: proofOf("vm:web1", 1), terms: terms("") });
  assert.match(await codeOf(late), /^lease-refused: .*nobody has it$/);
});

test("what is attached is nobody's to take while its consumer may have it", async (context) => {
  const bench = await openPool(context);
  const { leasing, host } = bench;
  const to = "libvirt:web1/net1";
  const [prepared] = await acquire(bench, to);
  assert(prepared !== undefined);
  const { vf, generation } = prepared;
  const plug = plugTo(to, { pf, vf: vf.address });
  const attached = { kind: "attached", generation, plug } as const;
  const renewed = { kind: "renew", generation, expiresAtMs: 1 } as const;
  leasing.store.transact((table) => {
    for (const event of [attached, renewed]) table.step(vf, event, momentOf(leasing, ""));
  });
  const release = { proof: proofOf(to), reason: "" };
  assert.match(
    await codeOf(releaseVf(leasing, vf, release)),
    /^would-disrupt: .* it is attached for libvirt:web1\/net1/,
  );
  const web1HasNone = emulatedConsumers((change) => host.store.transact(change));
  const remedies = async () => {
    const { candidates } = await lookAtVfs(leasing);
    const held = { leases: leasing.store.leases(), candidates };
    const found = findingsOf(host, leasing.nowMs(), held);
    const asked = await Promise.all(
      [noConsumers, web1HasNone].map((consumers) => askConsumers(found, held, consumers)),
    );
    return asked.map((findings) => findings.map(({ kind, remedy }) => `${kind} ${remedy}`));
  };
  assert.deepEqual(await remedies(), [["expired detach"], ["expired clean"]]);
  await perform(host, { verb: "setNumVfs", pf, numVfs: 0 });
  assert.deepEqual(await remedies(), [["vanished null"], ["vanished forget"]]);
  await perform(host, { verb: "setNumVfs", pf, numVfs: 3 });
  const released = await releaseVf(leasing, vf, { ...release, consumers: web1HasNone });
  assert.equal(released.lease.state, "free");
});
