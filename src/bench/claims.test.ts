// Which verdict a run leads to, and that no path that was not measured gets one.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { claimGroups, claimResults, summariesOf } from "./claims.ts";
import { runOf, type PathFigures } from "./measured-run.arbitrary.ts";
import type { MeasuredRun } from "./measured-run.ts";

const vf: PathFigures = {
  id: "guest-vf",
  latencyUs: 10,
  framesPerSecond: 1e6,
  tcpGbits: 9,
  cpu: 0.5,
};
const software = (changes: Partial<PathFigures>): PathFigures => ({
  ...vf,
  id: "guest-virtio-bridge",
  ...changes,
});

/** `claim metric: verdict` of one claim. */
const verdicts = (run: MeasuredRun, wanted: string): string[] =>
  claimResults(run)
    .filter(({ claim }) => claim === wanted)
    .map(({ metric, verdict }) => `${metric}: ${verdict}`);

const rows: readonly (readonly [
  what: string,
  changes: Partial<PathFigures>,
  claim: string,
  first: string,
])[] = [
  ["a fifth of the latency", { latencyUs: 50 }, "latency", "median: met"],
  ["half of the latency", { latencyUs: 20 }, "latency", "median: not met"],
  [
    "0.4 of it, give or take",
    { latencyUs: 25, spread: 0.3 },
    "latency",
    "median: too noisy to tell",
  ],
  ["four times the throughput", { tcpGbits: 2.25 }, "throughput", "TCP: met"],
  ["equal throughput", {}, "throughput", "TCP: not met"],
  ["a fifth of the CPU", { cpu: 2.5 }, "cpu", "TCP: met"],
  ["equal CPU", {}, "cpu", "TCP: not met"],
];

suite("a verdict", () => {
  for (const [what, changes, claim, first] of rows) {
    test(`${what}: ${first}`, () => {
      assert.equal(verdicts(runOf([vf, software(changes)]), claim)[0], first);
    });
  }

  test("stands for each frame size", () => {
    const run = runOf([vf, software({ framesPerSecond: 2e5 })]);
    assert.deepEqual(verdicts(run, "throughput"), [
      "TCP: not met",
      "64-byte frames: met",
      "512-byte frames: met",
      "1518-byte frames: met",
    ]);
  });

  test("is summed up over the figures of a claim", () => {
    const [group] = claimGroups(runOf([vf, software({ framesPerSecond: 2e5 })]));
    assert.ok(group !== undefined);
    const [latency, throughput] = summariesOf(group);
    assert.deepEqual([latency?.verdict, latency?.counts], ["not met", "not met"]);
    assert.deepEqual([throughput?.verdict, throughput?.counts], [null, "1 not met, 3 met"]);
    assert.deepEqual(throughput?.ratios?.map(Math.round), [1, 5]);
  });

  test("needs three rounds", () => {
    const [result] = claimResults(runOf([vf, software({ latencyUs: 50 })], 2));
    assert.deepEqual(
      [result?.verdict, result?.because],
      ["too noisy to tell", "2 rounds, wanted at least 3"],
    );
  });

  test("is not given where a path could not be measured, and says why", () => {
    const run = runOf([vf], 5, { "guest-virtio-bridge": "QEMU is not installed" });
    const results = claimResults(run);
    assert.equal(results.length, 3);
    for (const { verdict, because, ratio } of results) {
      assert.equal(verdict, "not measurable here");
      assert.equal(because, "guest-virtio-bridge: QEMU is not installed");
      assert.equal(ratio, null);
    }
  });

  test("is held against testpmd for what it has", () => {
    const polled = { ...vf, id: "testpmd-vf-vf", framesPerSecond: 1e7 };
    const run = runOf([polled, software({ id: "ns-veth-bridge" })]);
    const samples = run.samples.filter(
      ({ path, traffic }) => path !== "testpmd-vf-vf" || traffic === "udp",
    );
    const [group] = claimGroups({ ...run, samples });
    assert.match(group?.title ?? "", /\(no guest, no kernel: what polling does\)$/);
    const [latency, throughput] = group === undefined ? [] : summariesOf(group);
    assert.deepEqual([latency?.counts, throughput?.counts], ["not measurable here", "met"]);
  });

  test("is not given where a path moved nothing", () => {
    const run = runOf([vf, software({ tcpGbits: 0 })]);
    assert.ok(!verdicts(run, "throughput").some((line) => line.startsWith("TCP")));
  });
});
