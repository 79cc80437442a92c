// What counts as a regression between two runs.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { compareRuns, resolutionOf } from "./compare-runs.ts";
import { runOf, type PathFigures } from "./measured-run.arbitrary.ts";

const vf: PathFigures = {
  id: "ns-vf-vf",
  latencyUs: 10,
  framesPerSecond: 1e6,
  tcpGbits: 9,
  cpu: 1,
};

const rows: readonly (readonly [
  what: string,
  changes: Partial<PathFigures>,
  metric: string,
  change: string,
])[] = [
  ["the same again", {}, "throughput-tcp", "same"],
  ["a third less", { tcpGbits: 6 }, "throughput-tcp", "worse"],
  ["a third more", { tcpGbits: 12 }, "throughput-tcp", "better"],
  ["slower answers", { latencyUs: 15 }, "latency-p50", "worse"],
  ["1 % less is below the tolerance", { tcpGbits: 8.91 }, "throughput-tcp", "same"],
  ["4 % less, give or take 3", { tcpGbits: 8.64 }, "throughput-tcp", "unclear"],
  ["a tenth less in rounds that differ", { tcpGbits: 8, spread: 0.4 }, "throughput-tcp", "unclear"],
  ["as many on average, in rounds that differ", { spread: 0.4 }, "throughput-tcp", "unclear"],
  ["more CPU", { cpu: 2 }, "cpu-tcp", "worse"],
];

suite("compared", () => {
  for (const [what, changes, id, change] of rows) {
    test(`${what}: ${change}`, () => {
      const { metrics } = compareRuns(runOf([vf]), runOf([{ ...vf, ...changes }]), 0.05);
      assert.equal(metrics.find(({ metric }) => metric.id === id)?.change, change);
    });
  }

  test("noisier runs show larger changes only", () => {
    const of = (spread: number): number =>
      resolutionOf(compareRuns(runOf([{ ...vf, spread }]), runOf([{ ...vf, spread }]), 0.05)) ?? 0;
    assert.ok(of(0.01) < of(0.1) && of(0.1) < of(0.4), `${of(0.01)} ${of(0.1)} ${of(0.4)}`);
  });

  test("paths of one run only are named, and so is what else changed", () => {
    const now = runOf([{ ...vf, id: "ns-macvlan" }]);
    const upgraded = { ...now, host: { ...now.host, kernelRelease: "6.18.1" } };
    const { metrics, onlyOld, onlyNew, surroundings } = compareRuns(runOf([vf]), upgraded, 0.05);
    assert.deepEqual([metrics, onlyOld, onlyNew], [[], ["ns-vf-vf"], ["ns-macvlan"]]);
    assert.deepEqual(surroundings, ["kernel: 6.12.0, now 6.18.1"]);
  });
});
