// Estimates against examples worked out by hand, and what must hold of any rounds.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { centerOf, pairedRatio, unpairedRatio } from "./statistics.ts";

const near = (actual: number | undefined, expected: number, what: string): void =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-3 * expected, `${what}: ${actual}`);

suite("estimates", () => {
  // By Python's statistics module, with the tabled quantile 2.776 of 4 degrees of freedom.
  test("the interval of five values is Student's on logarithms", () => {
    const found = centerOf([10, 11, 12, 13, 14]);
    near(found?.value, 11.91596, "value");
    near(found?.interval?.[0], 10.1026, "low");
    near(found?.interval?.[1], 14.0549, "high");
  });

  test("pairs cancel what hit both", () => {
    const found = pairedRatio([10, 100, 1000], [5, 50, 500]);
    assert.deepEqual(
      found?.interval?.map((each) => Math.round(each * 1e6)),
      [2e6, 2e6],
    );
  });

  // By Python's statistics module: 3.08 degrees of freedom, whose quantile is tabled for 3 as 3.182.
  test("runs that share no rounds are compared after Welch", () => {
    const found = unpairedRatio([20, 22, 24, 26], [10, 10.2, 10.1, 10.3]);
    near(found?.value, 2.25538, "value");
    assert.ok(found?.interval !== null && found !== null);
    assert.ok(found.interval[0] > 1.8823 && found.interval[0] < 1.9, String(found.interval));
    assert.ok(found.interval[1] < 2.7024 && found.interval[1] > 2.68, String(found.interval));
  });

  test("one round has no interval, and a round of nothing no ratio", () => {
    assert.equal(centerOf([3])?.interval, null);
    assert.equal(centerOf([]), null);
    assert.equal(pairedRatio([1, 2], [1, 0]), null);
    assert.equal(unpairedRatio([1, 0], [1, 1]), null);
  });
});

const values = fc.array(fc.double({ min: 1e-6, max: 1e12, noNaN: true }), {
  minLength: 2,
  maxLength: 20,
});

test("property: an interval holds its value, and turns with the ratio", () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      for (const ratio of [unpairedRatio, pairedRatio]) {
        const [one, other] = [ratio(a, b), ratio(b, a)];
        assert.ok(one?.interval && other?.interval);
        const [low, high] = one.interval;
        assert.ok(low <= one.value * (1 + 1e-9) && one.value <= high * (1 + 1e-9));
        assert.ok(Math.abs(Math.log(one.value) + Math.log(other.value)) < 1e-6);
      }
    }),
    { numRuns: 50 },
  );
});

test("property: two values have wider intervals than the same values often", () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 2, noNaN: true }), (value) => {
      const widthOf = (given: readonly number[]): number => {
        const [low, high] = centerOf(given)?.interval ?? [0, 0];
        return high / low;
      };
      const few = widthOf([value, value * 1.5]);
      const many = widthOf(Array.from({ length: 20 }, (_, at) => value * (at % 2 === 0 ? 1 : 1.5)));
      assert.ok(few > many);
    }),
    { numRuns: 20 },
  );
});
