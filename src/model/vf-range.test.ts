// VF sets: text and ranges undo each other, expansion and intersection agree with plain sets.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  commonRanges,
  countOf,
  expandRanges,
  formatVfRanges,
  parseVfRanges,
  rangesOfIndexes,
  vfRangesPattern,
} from "./vf-range.ts";

const indexes = fc.uniqueArray(fc.nat(40), { minLength: 1 });

test("formatVfRanges() and parseVfRanges() undo each other", () => {
  const property = fc.property(indexes, (vfIndexes) => {
    const ranges = { pf: "p0", ranges: rangesOfIndexes(vfIndexes) };
    const text = formatVfRanges(ranges);
    assert.match(text, vfRangesPattern);
    assert.deepEqual(parseVfRanges(text), ranges);
    assert.deepEqual(
      expandRanges(ranges),
      vfIndexes.toSorted((left, right) => left - right),
    );
    assert.equal(countOf(ranges), vfIndexes.length);
  });
  fc.assert(property);
});

test("parseVfRanges() sorts and joins what touches", () => {
  const ranges = [
    [0, 7],
    [9, 9],
  ];
  assert.deepEqual(parseVfRanges("p0/9,4-7,0-3"), { pf: "p0", ranges });
});

test("commonRanges() is the intersection", () => {
  const property = fc.property(indexes, indexes, (left, right) => {
    const common = commonRanges(
      { pf: "p0", ranges: rangesOfIndexes(left) },
      { pf: "p0", ranges: rangesOfIndexes(right) },
    );
    const both = left.filter((vfIndex) => right.includes(vfIndex));
    assert.deepEqual(
      expandRanges({ pf: "p0", ranges: common }),
      both.sort((a, b) => a - b),
    );
  });
  fc.assert(property);
});

test("vfRangesPattern refuses what is not LABEL/INDEXES", () => {
  for (const text of ["p0", "p0/", "/1", "0p/1", "p0/1,", "p0/-1", "p0/1--2", "p0/01", "p0/1 ,2"]) {
    assert.doesNotMatch(text, vfRangesPattern);
  }
});
