// What becomes of a VF whose consumer has let go and still holds it open, for a moment or for good.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { vmOwner } from "../../test/inventory-of.ts";
import { attachTo, detachFrom, openAttachBench } from "../../test/lease/attach-bench.ts";
import type { Host } from "../host/host.ts";
import type { Owner } from "../model/inventory.ts";
import { notPlugged, type Consumers } from "../vmm/consumer.ts";
import type { Leasing } from "./leasing.ts";

const to = "libvirt:web1/net1";

/** Of any VF: this owner, as often as it is asked for, and nobody after that. */
function heldBy(host: Host, owner: Owner, times: number): Host {
  let left = times;
  const owners: Host["owners"] = async (addresses) =>
    left-- > 0 ? new Map(addresses.map((address) => [address, [owner]])) : new Map();
  return new Proxy(host, {
    get: (target, name) => {
      if (name === "owners") return owners;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The lease after a detach, and how long the machine waited. */
async function detachedWhile(context: TestContext, owner: Owner, times: number) {
  const { session, leasing, host } = await openAttachBench(context);
  await attachTo(session, to);
  const held = { ...leasing, host: heldBy(host, owner, times) };
  const startedAt = host.now();
  const report = await detachFrom({ ...session, leasing: async () => held }, to);
  const [lease] = leasing.store.leases();
  const problems = report?.warnings.map(({ code }) => code) ?? [];
  return { state: lease?.state, waitedMs: host.now() - startedAt, problems };
}

test("a consumer that closes its VF a moment after it let go is waited for", async (context) => {
  const { state, problems } = await detachedWhile(context, vmOwner("web1"), 4);
  assert.deepEqual([state, problems], ["free", []]);
});

test("one that never closes it is told after a while, and the VF is not free", async (context) => {
  const always = Number.POSITIVE_INFINITY;
  const { state, waitedMs } = await detachedWhile(context, vmOwner("web1"), always);
  assert.equal(state, "releasing");
  assert.ok(waitedMs >= 10_000 && waitedMs < 30_000, `${waitedMs} ms`);
});

test("somebody else who has it meanwhile is not waited for", async (context) => {
  const always = Number.POSITIVE_INFINITY;
  const { state, waitedMs } = await detachedWhile(context, vmOwner("web2"), always);
  assert.equal(state, "releasing");
  assert.ok(waitedMs < 10_000, `${waitedMs} ms`);
});

test("a VF set aside for an application is free after a detach, unless it has the VF open", async (context) => {
  const { session, leasing, host } = await openAttachBench(context);
  const { consumers = async () => null } = session;
  // As on a real host: the VF's driver and node tell nothing of the lease.
  const alwaysThere: Consumers = async (kind) => {
    const adapter = await consumers(kind);
    return adapter && { ...adapter, look: async () => ({ ...notPlugged, isLive: true }) };
  };
  const traceless = { ...session, consumers: alwaysThere };
  const app = "dpdk:upf";
  const stateAfter = async (its: Leasing) => {
    await detachFrom({ ...traceless, leasing: async () => its }, app);
    return leasing.store.leases()[0]?.state;
  };
  await attachTo(traceless, app);
  const owner = { ...vmOwner("upf"), kind: "process" } as const;
  assert.equal(await stateAfter({ ...leasing, host: heldBy(host, owner, 1) }), "attached");
  assert.equal(await stateAfter(leasing), "free");
});
