// Guesses: near words are found, far ones are not guessed at, and distances are distances.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";

const keys = ["name", "match", "numVfs", "spoofCheck", "physicalFunctions", "mtu", "vlan"];

test("nearest() finds what was meant and does not guess further", () => {
  const rows: readonly (readonly [word: string, expected: string | null])[] = [
    ["nmae", "name"],
    ["num_vfs", "numVfs"],
    ["spoofchk", "spoofCheck"],
    ["physical-functions", "physicalFunctions"],
    ["MTU", "mtu"],
    ["vlans", "vlan"],
    ["colour", null],
    ["", null],
    ["x".repeat(1_000_000), null],
  ];
  for (const [word, expected] of rows)
    assert.equal(nearest(word, keys), expected, word.slice(0, 9));
});

test("editDistance() is symmetric, and zero only between equals", () => {
  const word = fc.string({ maxLength: 12 });
  const property = fc.property(word, word, (left, right) => {
    const distance = editDistance(left, right);
    assert.equal(distance, editDistance(right, left));
    assert.equal(distance === 0, left === right);
    assert.ok(distance >= Math.abs(left.length - right.length));
    assert.ok(distance <= Math.max(left.length, right.length));
  });
  fc.assert(property);
});
