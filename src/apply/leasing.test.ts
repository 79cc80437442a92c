// Leases on emulated machines: VFs are clean when they are given and when they come back, whatever
// the last owner or a fault left of them; and nobody's VF is given to somebody else.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  acquire,
  clean,
  codeOf,
  openPool,
  pf,
  place,
  proofOf,
  soil,
  terms,
  vfsOf,
  vfWords,
  words,
} from "../../test/lease/lease-bench.ts";
import { poolSpec, wishFor } from "../../test/lease/pool-bench.ts";
import type { MachinePlan } from "../../test/sim/machines.ts";
import type { Fault } from "../host/emulated/faults.ts";
import { targetOf } from "../lease/lease.ts";
import { quarantineVf, releaseVf, renewLease, type HolderProof } from "./lease-release.ts";
import { acquireVfs } from "./leasing.ts";

test("a VF is clean when it is given, and clean when it comes back", async (context) => {
  const bench = await openPool(context);
  await soil(bench.host, 0);
  const [lease] = await acquire(bench, "vm:web1");
  assert.deepEqual(words(bench), [`${pf}/vf0 prepared 1 vm:web1`]);
  assert.deepEqual((await vfsOf(bench.host)).map(vfWords)[0], clean);
  assert.match(bench.host.print(), /VF 0 .*reset 1 times/);
  await soil(bench.host, 0);
  const proof = proofOf(null, lease?.generation ?? 0);
  const { hygiene } = await releaseVf(bench.leasing, await place(bench), { proof, reason: "done" });
  assert.deepEqual(hygiene, {
    kind: "clean",
    changes: [
      "reset",
      "set mac unset",
      "set vlan none",
      "set spoofCheck on",
      "set trust off",
      "bind to vfio-pci",
    ],
    unverifiable: [],
  });
  assert.deepEqual(words(bench), [`${pf}/vf0 free 1`]);
  assert.deepEqual((await vfsOf(bench.host)).map(vfWords)[0], clean);
});

test("what the pool's policy says is what its VFs have, before and after", async (context) => {
  const bench = await openPool(context);
  const spec = poolSpec([pf], 2, { vlan: 120, trust: true, driver: "kernel" });
  const leasing = { ...bench.leasing, spec };
  await soil(bench.host, 0);
  await acquireVfs(leasing, wishFor("vm:web1"), terms("vm:web1"));
  const [vf] = await vfsOf(bench.host);
  assert.equal(vf?.driver, "igbvf");
  assert.equal(vf?.policy?.vlan?.id, 120);
  assert.deepEqual([vf?.policy?.trust, vf?.policy?.spoofCheck], [true, true]);
});

test("a VF that a guest has is not given, nor one that it opens at the last moment", async (context) => {
  const opens = { event: "guest-opens", guest: "web1", vf: "0000:10:10.2" } as const;
  const faults: readonly Fault[] = [
    { on: { verb: "unbind", target: "0000:10:10.2" }, effect: { kind: "event", event: opens } },
  ];
  const plan: MachinePlan = {
    pfs: [{ card: "intel-82576", numVfs: 3, vfDrivers: { 0: "vfio-pci", 1: "vfio-pci" } }],
    guests: [
      { name: "db1", holds: [[0, 0]] },
      { name: "web1", holds: [] },
    ],
    isVfioLoaded: true,
  };
  const bench = await openPool(context, faults, plan);
  const [, vf1] = await vfsOf(bench.host);
  assert.equal(vf1?.address, "0000:10:10.2");
  const two = { count: 2 };
  const acquired = await acquireVfs(bench.leasing, wishFor("vm:web2", two), terms("vm:web2"));
  assert(acquired.kind === "nothing-fits");
  assert.deepEqual(
    acquired.failed.map(({ lease, evidence }) => `${targetOf(lease.vf)}: ${evidence.join()}`),
    [`${pf}/vf1: in use by vm:web1 (/proc/4001/fd -> /dev/vfio/3)`],
  );
  assert.deepEqual(
    acquired.rejections.map(({ because }) => because.replace(/ \(.*/, "")),
    ["in use by vm:db1", "in use by vm:web1", "a change of its PF or of a VF of it has not ended"],
  );
  bench.host.happen({ event: "guest-ends", guest: "web1" });
  await bench.host.sleep(1000);
  const leases = await acquire(bench, "vm:web2", two);
  assert.deepEqual(
    leases.map(({ vf }) => targetOf(vf)),
    [`${pf}/vf1`, `${pf}/vf2`],
  );
  assert.doesNotMatch(words(bench).join("\n"), /quarantined/);
});

const badFaults: readonly (readonly [name: string, fault: Fault, evidence: RegExp])[] = [
  [
    "refuses its reset",
    { on: { verb: "reset" }, effect: { kind: "refuse", errno: "EIO" } },
    /^Cannot reset 0000:10:10\.0: .*EIO/,
  ],
  [
    "keeps its VLAN",
    { on: { verb: "setVf", attribute: "vlan", skip: 1 }, effect: { kind: "ignore" } },
    /^Not so after all that was done: set vlan none$/,
  ],
  [
    "does not take its driver",
    { on: { verb: "probe" }, effect: { kind: "probe-fails", vfIndexes: [0] } },
    /^Cannot bind 0000:10:00\.0\/vf0: its driver is none, wanted vfio-pci$/,
  ],
];

for (const [name, fault, evidence] of badFaults) {
  test(`a VF that ${name} is quarantined with its evidence, and another one given`, async (context) => {
    const bench = await openPool(context, [fault]);
    await soil(bench.host, 0);
    const acquired = await acquireVfs(bench.leasing, wishFor("vm:web1"), terms("vm:web1"));
    assert(acquired.kind === "granted");
    assert.deepEqual(
      acquired.failed.map(({ lease }) => targetOf(lease.vf)),
      [`${pf}/vf0`],
    );
    assert.match(acquired.failed[0]?.evidence.join("\n") ?? "", evidence);
    assert.deepEqual(words(bench), [`${pf}/vf0 quarantined 2`, `${pf}/vf1 prepared 1 vm:web1`]);
    const freed = await releaseVf(bench.leasing, await place(bench), {
      proof: proofOf(null),
      reason: "mended",
    });
    assert.equal(freed.lease.state, "free", "the fault was a passing one");
  });
}

test("after a reset that never ends no other VF is tried: the bridge above is locked", async (context) => {
  const bench = await openPool(context, [{ on: { verb: "reset" }, effect: { kind: "hang" } }]);
  const acquired = await acquireVfs(bench.leasing, wishFor("vm:web1"), terms("vm:web1"));
  assert.deepEqual(
    acquired.failed.map(({ evidence }) => evidence),
    [["Cannot reset 0000:10:10.0: the kernel is still at it after the deadline"]],
  );
  assert.deepEqual([acquired.kind, words(bench)], ["nothing-fits", [`${pf}/vf0 quarantined 2`]]);
});

test("no more of a pool is quarantined for one request than its rounds", async (context) => {
  const fault: Fault = {
    on: { verb: "reset", times: 99 },
    effect: { kind: "refuse", errno: "EIO" },
  };
  const plan: MachinePlan = { pfs: [{ card: "intel-82576", numVfs: 7 }] };
  const bench = await openPool(context, [fault], plan);
  const leasing = { ...bench.leasing, spec: poolSpec([pf], 6) };
  const acquired = await acquireVfs(leasing, wishFor("vm:web1"), terms("vm:web1"));
  assert.equal(acquired.kind, "nothing-fits");
  assert.equal(acquired.failed.length, 3);
});

test("whoever is not the holder is refused, and told who it is", async (context) => {
  const bench = await openPool(context);
  await acquire(bench, "vm:web1");
  const [vf, other] = [await place(bench), await place(bench, 1)];
  const { leasing } = bench;
  const release = (proof: HolderProof) => codeOf(releaseVf(leasing, vf, { proof, reason: "" }));
  const is = "it is prepared for vm:web1 in generation 1";
  assert.deepEqual(
    [
      await release(proofOf(null)),
      await release(proofOf("vm:web2")),
      await release(proofOf("vm:web1", 7)),
      await codeOf(() =>
        renewLease(leasing, other, { proof: proofOf("vm:web1"), terms: terms("") }),
      ),
      await codeOf(() => quarantineVf(leasing, vf, { proof: proofOf(null), reason: "" })),
    ],
    [
      `lease-refused: Cannot release ${pf}/vf0: ${is}`,
      `lease-refused: Cannot release ${pf}/vf0: ${is}, not for vm:web2`,
      `lease-refused: Cannot release ${pf}/vf0: generation 7 is over, ${is}`,
      `lease-refused: Cannot renew ${pf}/vf1: nobody has it`,
      `lease-refused: Cannot quarantine ${pf}/vf0: ${is}`,
    ],
  );
  bench.host.happen({ event: "guest-opens", guest: "web1", vf: vf.address });
  assert.match(await release(proofOf("vm:web1")), /^would-disrupt: .* it is in use by vm:web1/);
  assert.match(await release(proofOf("vm:web1", 7)), /generation 7 is over/, "told before that");
  bench.host.happen({ event: "guest-ends", guest: "web1" });
  const { lease } = await releaseVf(leasing, vf, { proof: proofOf("vm:web1"), reason: "" });
  assert.equal(lease.state, "free");
  assert.equal(
    quarantineVf(leasing, vf, { proof: proofOf(null), reason: "odd" }).state,
    "quarantined",
  );
});
