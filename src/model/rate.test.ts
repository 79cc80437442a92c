// Rates: exact in Mbit/s or refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRate, ratePattern } from "./rate.ts";

test("parseRate() gives whole Mbit/s or the reason why it cannot", () => {
  const rows: readonly (readonly [text: string, expected: number | RegExp])[] = [
    ["500Mbit", 500],
    ["2Gbit", 2000],
    ["2.3Gbit", 2300],
    ["0.001gbit/s", 1],
    ["1Tbit", 1_000_000],
    ["0Mbit", 0],
    ["0.0005Gbit", /not a whole number/],
    ["1.5Mbit", /not a whole number/],
    ["4294967295Mbit", 4_294_967_295],
    ["4294967296Mbit", /above 4294967295/],
    ["5000Tbit", /above 4294967295/],
  ];
  for (const [text, expected] of rows) {
    assert.match(text, ratePattern);
    const mbps = parseRate(text);
    if (typeof expected === "number") assert.equal(mbps, expected, text);
    else assert.match(String(mbps), expected);
  }
});

test("ratePattern refuses bytes, bare units and signs", () => {
  for (const text of ["2GB", "2Gbps", "Gbit", "-1Mbit", "1e3Mbit", "01Mbit", "1.Mbit", "100kbit"]) {
    assert.doesNotMatch(text, ratePattern);
  }
});
