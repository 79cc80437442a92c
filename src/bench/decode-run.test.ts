// Files of measured runs: what was written reads back, and hostile ones are refused in words.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeRun } from "./decode-run.ts";
import { htmlReport } from "./html-report.ts";
import { runOf } from "./measured-run.arbitrary.ts";

const run = runOf([
  { id: "ns-vf-vf", latencyUs: 10, framesPerSecond: 1e6, tcpGbits: 9, cpu: 1 },
  { id: "ns-veth-bridge", latencyUs: 20, framesPerSecond: 5e5, tcpGbits: 20, cpu: 1.5 },
]);
const text = JSON.stringify(run);

const refusals: readonly (readonly [what: string, text: string, says: RegExp])[] = [
  ["no JSON", "{", /not JSON/],
  ["another document", '{"format":"sriovctl-plan/1"}', /no format sriovctl-bench\/1/],
  ["a list", "[]", /no format/],
  ["a newer one", text.replace("sriovctl-bench/1", "sriovctl-bench/2"), /newer/],
  [
    "a negative figure",
    text.replace('"lostShare":0.1', '"lostShare":-1'),
    /^at samples\.\d+\.lostShare/,
  ],
  ["a key too many", text.replace('"problems":[]', '"problems":[],"more":1'), /more/],
  ["a key missing", text.replace('"isInterrupted":false,', ""), /^at isInterrupted/],
  [
    "a number too large for one",
    text.replace('"processors":4', '"processors":1e999'),
    /processors/,
  ],
];

suite("a measured run", () => {
  test("reads back as it was written", () => assert.deepEqual(decodeRun(text).run, run));

  for (const [what, hostile, says] of refusals) {
    test(`${what} is refused`, () => {
      const { run: read, problem } = decodeRun(hostile);
      assert.equal(read, null);
      assert.match(problem ?? "", says);
    });
  }
});

test("property: anything in a file ends in a run or in words", () => {
  const damaged = fc
    .tuple(fc.nat(text.length - 1), fc.string({ maxLength: 8 }))
    .map(([at, piece]) => text.slice(0, at) + piece + text.slice(at + piece.length));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.json()), (source) => {
      const decoded = decodeRun(source);
      if (decoded.run === null) assert.notEqual(decoded.problem, "");
      else assert.ok(htmlReport(decoded.run).startsWith("<!doctype html>"));
    }),
    { numRuns: 100 },
  );
});
