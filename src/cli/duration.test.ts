// What people write for a length of time, and what they are told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { durationWords, parseDuration } from "./duration.ts";

const rows: readonly (readonly [text: string, durationMs: number | null, words: string])[] = [
  ["90s", 90_000, "90 s"],
  ["120s", 120_000, "2 min"],
  ["5m", 300_000, "5 min"],
  ["1h", 3_600_000, "1 h"],
  ["0s", 0, "0 s"],
  ["90", null, ""],
  ["1d", null, ""],
  ["-5s", null, ""],
  ["1.5m", null, ""],
  ["99999999s", null, ""],
];

for (const [text, durationMs, words] of rows) {
  test(`${text} is ${durationMs === null ? "no length of time" : words}`, () => {
    assert.equal(parseDuration(text), durationMs);
    if (durationMs !== null) assert.equal(durationWords(durationMs), words);
  });
}
