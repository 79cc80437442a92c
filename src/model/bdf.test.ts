// Addresses as text and numbers.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareAddresses, formatBdf, parseBdf, slotOf } from "./bdf.ts";

const rows: readonly (readonly [text: string, canonical: string | null])[] = [
  ["0000:3b:00.0", "0000:3b:00.0"],
  ["3B:1f.7", "0000:3b:1f.7"],
  ["10001:e1:00.0", "10001:e1:00.0"],
  ["0000:3b:20.0", null],
  ["0000:3b:00.8", null],
  ["3b:00", null],
  ["000:3b:00.0", null],
  ["0000:3b:00.0 ", null],
];

test("parseBdf() reads what lspci and sysfs write, and nothing else", () => {
  for (const [text, canonical] of rows) {
    const bdf = parseBdf(text);
    assert.equal(bdf === null ? null : formatBdf(bdf), canonical, text);
  }
});

const domains = fc.integer({ min: 0, max: 0xffffffff });
const routingIds = fc.integer({ min: 0, max: 0xffff });

test("formatBdf() and parseBdf() undo each other", () => {
  fc.assert(
    fc.property(domains, routingIds, (domain, routingId) => {
      assert.deepEqual(parseBdf(formatBdf({ domain, routingId })), { domain, routingId });
    }),
  );
});

test("compareAddresses() puts 32-bit domains last", () => {
  const sorted = ["10000:00:00.0", "0000:03:00.1", "ffff:00:00.0", "0000:03:00.0"].toSorted(
    compareAddresses,
  );
  assert.deepEqual(sorted, ["0000:03:00.0", "0000:03:00.1", "ffff:00:00.0", "10000:00:00.0"]);
});

test("slotOf() drops the function", () => assert.equal(slotOf("0000:3b:00.1"), "0000:3b:00"));
