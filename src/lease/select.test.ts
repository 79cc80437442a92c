// The choice of VFs on a machine of two cards with two PFs each, one card a NUMA node: which are
// taken, in words, and what speaks against the others. Random wishes are held to what they ask.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inventoryOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import { candidatesOf } from "./candidates.ts";
import { freeLease, stepLease, targetOf, type Lease } from "./lease.ts";
import { selectVfs, type Wish } from "./select.ts";

const [a0, a1, b0, b1] = ["0000:3b:00.0", "0000:3b:00.1", "0000:af:00.0", "0000:af:00.1"] as const;

/** Groups are their own but for VFs 2 and 3 of b1, which share one. */
const groupOf = (pf: string, vfIndex: number): number => {
  const base = [a0, a1, b0, b1].indexOf(pf as typeof a0) * 100;
  return base + (pf === b1 && vfIndex === 3 ? 2 : vfIndex) + 20;
};

const vfs = (pf: string, part: Partial<Vf> = {}): Vf[] =>
  Array.from({ length: 4 }, (_, vfIndex) =>
    vfOf(pf, vfIndex, { iommuGroup: groupOf(pf, vfIndex), ...(vfIndex === 0 ? part : {}) }),
  );

const inventory = inventoryOf([
  pfOf(a0, 4, { numaNode: 0, permanentMac: "b4:96:91:00:00:10", virtualFunctions: vfs(a0) }),
  pfOf(a1, 4, {
    numaNode: 0,
    permanentMac: "b4:96:91:00:00:11",
    iommuGroup: 11,
    virtualFunctions: vfs(a1, { owners: [vmOwner("db1")] }),
  }),
  pfOf(b0, 4, {
    numaNode: 1,
    permanentMac: "b4:96:91:00:00:12",
    iommuGroup: 12,
    virtualFunctions: vfs(b0),
  }),
  pfOf(b1, 4, {
    numaNode: 1,
    permanentMac: "b4:96:91:00:00:13",
    iommuGroup: 13,
    virtualFunctions: vfs(b1),
  }),
]);

const claims = new Map(
  inventory.physicalFunctions.flatMap(({ address: pf, virtualFunctions }) =>
    virtualFunctions
      .filter(({ vfIndex }) => vfIndex < 3)
      .map(({ address, vfIndex }) => {
        const consumer = pf === a0 && vfIndex === 2 ? "libvirt:router/net1" : null;
        return [address, { pool: consumer === null ? "tenants" : null, consumer }] as const;
      }),
  ),
);

const candidates = candidatesOf(inventory, claims);

function leased(target: string, holderName = "vm:web9"): Lease {
  const place = candidates.find(({ vf }) => targetOf(vf) === target);
  assert(place !== undefined, target);
  const holder = { name: holderName, pid: null };
  const step = stepLease(
    freeLease(place.vf),
    { kind: "claim", holder, pool: null, expiresAtMs: null, worker: 1 },
    { nowMs: 0, bootId: null, reason: "" },
  );
  assert("lease" in step);
  return step.lease;
}

const wishFor = (part: Partial<Wish>): Wish => ({
  holder: "vm:web1",
  count: 1,
  pool: null,
  pfs: [],
  vfs: [],
  numa: null,
  isAloneInGroup: false,
  placement: "pack",
  apart: null,
  ...part,
});

const chosen = (part: Partial<Wish>, leases: readonly Lease[] = []): string =>
  selectVfs(wishFor(part), candidates, leases)
    .choices.map(({ candidate }) => targetOf(candidate.vf))
    .join(" ") || "none";

test("a PF is known by its own MAC, else by serial and port, else by its address", () => {
  const own = { permanentMac: "02:00:00:00:00:01" };
  const keysOf = (...parts: readonly Partial<Pf>[]): string[] => {
    const pfs = parts.map((part, at) => pfOf([a0, a1, b0, b1][at] ?? a0, 1, part));
    return candidatesOf(inventoryOf(pfs), new Map()).map(({ vf }) => vf.pfKey);
  };
  const none = { permanentMac: null };
  assert.deepEqual(
    [keysOf(own, { ...none, serial: "s" }, none), keysOf(own, own)],
    [
      ["mac:02:00:00:00:00:01", "serial:s/1", `at:${b0}`],
      [`at:${a0}`, `at:${a1}`],
    ],
  );
});

const rows: readonly (readonly [
  name: string,
  part: Partial<Wish>,
  leases: readonly string[],
  is: string,
])[] = [
  ["pack fills the PF that has most in use", {}, [], `${a1}/vf1`],
  ["spread takes from the emptiest", { placement: "spread" }, [], `${a0}/vf0`],
  [
    "spread goes round",
    { placement: "spread", count: 4 },
    [],
    `${a0}/vf0 ${b0}/vf0 ${b1}/vf0 ${a0}/vf1`,
  ],
  ["pack stays", { count: 3 }, [`${b0}/vf0`, `${b0}/vf2`], `${b0}/vf1 ${b0}/vf3 ${a1}/vf1`],
  ["a pool", { pool: "tenants", pfs: [b1], count: 3 }, [], `${b1}/vf0 ${b1}/vf1 ${b1}/vf2`],
  ["all or none", { pfs: [a1], count: 4 }, [], "none"],
  ["a leased VF is not to be had", { vfs: ["0000:3b:10.2"] }, [`${a0}/vf1`], "none"],
  ["a node, strictly", { numa: { node: 1, isStrict: true } }, [], `${b0}/vf0`],
  ["a node that is not there", { numa: { node: 7, isStrict: true } }, [], "none"],
  ["a node that would be better", { numa: { node: 7, isStrict: false } }, [], `${a1}/vf1`],
  ["two PFs", { apart: "pf", count: 2, pfs: [a0, a1] }, [], `${a1}/vf1 ${a0}/vf0`],
  ["two cards", { apart: "card", count: 2 }, [], `${a1}/vf1 ${b0}/vf0`],
  ["three cards of two", { apart: "card", count: 3 }, [], "none"],
  ["what the spec gives to another", { pfs: [a0], vfs: ["0000:3b:10.4"] }, [], "none"],
  [
    "what the spec gives to this one",
    { holder: "libvirt:router", vfs: ["0000:3b:10.4"] },
    [],
    `${a0}/vf2`,
  ],
  ["a group of its own", { isAloneInGroup: true, pfs: [b1], count: 2 }, [], `${b1}/vf0 ${b1}/vf1`],
  ["no group of its own", { isAloneInGroup: true, pfs: [b1], count: 3 }, [], "none"],
  ["a group whose other VF is somebody's", { pfs: [b1], count: 3 }, [`${b1}/vf2`], "none"],
];

for (const [name, part, targets, is] of rows) {
  test(`selectVfs(): ${name}`, () => {
    assert.equal(
      chosen(
        part,
        targets.map((target) => leased(target)),
      ),
      is,
    );
  });
}

test("selectVfs() lets a holder have both VFs of a group", () => {
  assert.equal(chosen({ vfs: ["0000:af:10.7"] }, [leased(`${b1}/vf2`, "vm:web1")]), `${b1}/vf3`);
});

test("selectVfs() says why these, and why not those", () => {
  const wish = wishFor({
    pool: "tenants",
    count: 2,
    apart: "card",
    numa: { node: 1, isStrict: false },
  });
  const { choices } = selectVfs(wish, candidates, []);
  assert.deepEqual(
    choices.map(({ candidate, because }) => `${targetOf(candidate.vf)}: ${because.join(", ")}`),
    [
      `${b0}/vf0: in pool tenants, on NUMA node 1 as asked, its PF has the most in use (0)`,
      `${a1}/vf1: in pool tenants, on NUMA node 0: node 1 has none that fits, its PF has the most in use (1), on another card than ${b0}/vf0`,
    ],
  );
  const strict = { ...wish, pfs: [a1, b1], count: 3, numa: { node: 1, isStrict: true } };
  const { rejections } = selectVfs(strict, candidates, [leased(`${b1}/vf1`)]);
  assert.deepEqual(
    rejections
      .filter(({ candidate }) => [a1, b1].some((pf) => pf === candidate.vf.pf))
      .map(({ candidate, because }) => `${targetOf(candidate.vf)}: ${because}`),
    [
      `${b1}/vf0: fits, but it takes 3 of them`,
      `${a1}/vf0: in use by vm:db1 (QEMU db1 has it open)`,
      `${a1}/vf1: on NUMA node 0, wanted 1`,
      `${a1}/vf2: on NUMA node 0, wanted 1`,
      `${a1}/vf3: in no pool`,
      `${b1}/vf1: leased to vm:web9`,
      `${b1}/vf3: in no pool`,
      `${b1}/vf2: on the same card as ${b1}/vf0`,
    ],
  );
});

const wishes = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  pool: fc.constantFrom(null, "tenants"),
  pfs: fc.subarray([a0, a1, b0, b1]),
  numa: fc.option(fc.record({ node: fc.nat(1), isStrict: fc.boolean() })),
  isAloneInGroup: fc.boolean(),
  placement: fc.constantFrom("pack" as const, "spread" as const),
  apart: fc.constantFrom(null, "pf" as const, "card" as const),
});
const taken = fc.subarray(candidates.map(({ vf }) => targetOf(vf)));

test("whatever is wished: the choice keeps every rule, and is missed only when there is none", () => {
  fc.assert(
    fc.property(wishes, taken, (part, targets) => {
      const leases = targets.map((target) => leased(target));
      const wish = wishFor(part);
      const { choices, rejections } = selectVfs(wish, candidates, leases);
      const own = choices.map(({ candidate }) => candidate);
      assert.equal(new Set(own).size, own.length, "no VF twice");
      for (const { vf, claim, owners, numaNode, groupMembers } of own) {
        assert(!targets.includes(targetOf(vf)) && owners.length === 0);
        assert(wish.pool === null || claim.pool === wish.pool);
        assert(wish.pfs.length === 0 || wish.pfs.includes(vf.pf));
        assert(wish.numa?.isStrict !== true || numaNode === wish.numa.node);
        assert(!wish.isAloneInGroup || groupMembers.length < 2);
      }
      const places = own.map(({ vf, adapter }) => (wish.apart === "card" ? adapter : vf.pf));
      assert(wish.apart === null || new Set(places).size === places.length);
      if (own.length > 0) return assert.equal(own.length, wish.count);
      assert.equal(rejections.length, candidates.length, "every candidate is told why");
      // One at a time there would have been as many places as VFs that fit alone.
      const single = candidates.filter(
        ({ vf }) => chosen({ ...part, count: 1, vfs: [vf.address] }, leases) !== "none",
      );
      const spots = new Set(
        single.map(({ vf, adapter }) =>
          wish.apart === null ? vf.address : wish.apart === "card" ? adapter : vf.pf,
        ),
      );
      assert(spots.size < wish.count, `${spots.size} would do`);
    }),
    { seed: 20_261_121 },
  );
});
