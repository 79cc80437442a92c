// Each address has a place of its own, whatever the addresses; and those that nothing keeps apart are
// told.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressTableOf, numberOf } from "./address-table.ts";

const parts = fc.tuple(fc.nat(0xffff), fc.integer());

test("each address has a place of its own, where its number leads", () => {
  const addresses = fc.uniqueArray(parts, { maxLength: 200, selector: String });
  fc.assert(
    fc.property(addresses, (drawn) => {
      const table = addressTableOf(drawn);
      const { seed, multipliers, groupShift, placeShift, numPlaces, places } = table;
      assert.ok(places !== null);
      assert.equal(new Set(places).size, drawn.length);
      drawn.forEach(([high, low], at) => {
        const number = numberOf(seed, high, low);
        const multiplier = multipliers[number >>> groupShift] ?? 0;
        assert.equal(places[at], Math.imul(number, multiplier) >>> placeShift);
      });
      assert.ok(places.every((place) => place < numPlaces));
    }),
    { numRuns: 50 },
  );
});

test("addresses with the same number get another seed, and none where no seed helps", () => {
  const addresses: (readonly [number, number])[] = [];
  const seeds = new Set<number>();
  for (let { seed, places } = addressTableOf([]); places !== null;) {
    seeds.add(seed);
    const [one, other] = [seeds.size * 2, seeds.size * 2 + 1];
    addresses.push([one, 0], [other, Math.imul(one, seed) ^ Math.imul(other, seed)]);
    ({ seed, places } = addressTableOf(addresses));
  }
  assert.equal(seeds.size, 4);
});
