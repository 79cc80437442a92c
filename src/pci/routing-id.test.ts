// Routing-ID arithmetic against addresses measured on a kernel (igb and nvme in QEMU) and its
// own inverse.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseBdf } from "../model/bdf.ts";
import { busesOfVfs, vfAddresses, vfIndexAt, vfRoutingId } from "./routing-id.ts";

function check(pf: string, [firstVfOffset, vfStride]: [number, number], expected: string): void {
  const bdf = parseBdf(pf);
  assert(bdf !== null);
  const wanted = expected.split(" ");
  assert.deepEqual(vfAddresses(bdf, { firstVfOffset, vfStride }, wanted.length), wanted);
}

test("VFs of an igb behind a root port step by two functions into the next devices", () => {
  check(
    "0000:01:00.0",
    [0x80, 2],
    "0000:01:10.0 0000:01:10.2 0000:01:10.4 0000:01:10.6 0000:01:11.0",
  );
});

test("VFs of a PF on the root bus stay on that bus", () => {
  check("0000:00:04.0", [0x80, 2], "0000:00:14.0 0000:00:14.2");
});

test("VFs of an nvme directly follow their PF", () => {
  check("0000:02:00.0", [1, 1], "0000:02:00.1 0000:02:00.2");
});

test("an offset above 0xff puts all VFs on a higher bus", () => {
  check("0000:03:00.0", [0x180, 1], "0000:04:10.0 0000:04:10.1");
});

test("the function number carries into the bus between two VFs", () => {
  check("10000:03:1f.6", [1, 1], "10000:03:1f.7 10000:04:00.0 10000:04:00.1");
});

test("vfRoutingId() wraps at 16 bits where no bus is left", () => {
  const placement = { firstVfOffset: 0x180, vfStride: 1 };
  assert.equal(vfRoutingId(0xff00, placement, 0), 0x0080);
  assert.deepEqual(busesOfVfs(0xff00, placement, 1), { first: 0xff, last: 0x100 });
});

test("busesOfVfs() of no VFs is the PF's own bus, and grows with the count", () => {
  const placement = { firstVfOffset: 0x80, vfStride: 1 };
  assert.deepEqual(busesOfVfs(0x0300, placement, 0), { first: 3, last: 3 });
  assert.deepEqual(busesOfVfs(0x0300, placement, 128), { first: 3, last: 3 });
  assert.deepEqual(busesOfVfs(0x0300, placement, 129), { first: 3, last: 4 });
  assert.deepEqual(busesOfVfs(0x0300, placement, 65_535), { first: 3, last: 259 });
});

test("vfIndexAt() is the inverse of vfRoutingId()", () => {
  const uint16 = fc.integer({ min: 0, max: 0xffff });
  const places = fc.record({
    pf: uint16,
    firstVfOffset: uint16,
    vfStride: fc.integer({ min: 1, max: 0xff }),
    numVfs: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(places, fc.nat(255), ({ pf, firstVfOffset, vfStride, numVfs }, pick) => {
      const placement = { firstVfOffset, vfStride };
      const vfIndex = pick % numVfs;
      const routingId = vfRoutingId(pf, placement, vfIndex);
      assert.equal(vfIndexAt(pf, placement, numVfs, routingId), vfIndex);
      const past = vfRoutingId(pf, placement, numVfs);
      assert.equal(vfIndexAt(pf, placement, numVfs, past), null);
    }),
  );
});
