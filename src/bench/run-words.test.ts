// What is said of a run before its figures, and how wide a figure is said to be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runOf, type PathFigures } from "./measured-run.arbitrary.ts";
import type { MeasuredRun } from "./measured-run.ts";
import { metricsOf } from "./metrics.ts";
import { caveatsOf, figureText, metricText } from "./run-words.ts";

const vf: PathFigures = {
  id: "guest-vf",
  latencyUs: 10,
  framesPerSecond: 1e6,
  tcpGbits: 9,
  cpu: 0.5,
};
const run = runOf([vf], 3);
const withHost = (changes: Partial<MeasuredRun["host"]>): MeasuredRun => ({
  ...run,
  host: { ...run.host, ...changes },
});

const rows: readonly (readonly [what: string, run: MeasuredRun, caveats: readonly RegExp[]])[] = [
  ["of a quiet run on hardware: nothing", run, []],
  ["an emulated NIC", withHost({ emulation: ["QEMU emulates it"] }), [/need not hold on hardware/]],
  ["a busy machine", withHost({ idleProcessorsBusy: [0.1, 0.5] }), [/busy .*: 0\.300 processors/]],
  ["nobody looked whether it was busy", withHost({ idleProcessorsBusy: [] }), []],
  ["stopped half-way", { ...run, isInterrupted: true }, [/before the last round/]],
  ["testpmd", runOf([{ ...vf, id: "testpmd-vf-vf" }]), [/testpmd polls/]],
  ["testpmd that was not there", runOf([vf], 3, { "testpmd-vf-vf": "not installed" }), []],
];
for (const [what, measured, caveats] of rows) {
  test(`to be known first: ${what}`, () => {
    const found = caveatsOf(measured);
    assert.equal(found.length, caveats.length, found.join("\n"));
    caveats.forEach((caveat, at) => assert.match(found[at] ?? "", caveat));
  });
}

test("a guest's CPU has its rows where there was a guest", () => {
  const named = (each: MeasuredRun): string[] => metricsOf(each).map(metricText);
  assert.ok(!named(run).some((name) => name.startsWith("guest")));
  const samples = run.samples.map((sample) => ({ ...sample, guestCpuSeconds: 0.25 }));
  assert.ok(named({ ...run, samples }).includes("guest's CPU, TCP"));
  assert.ok(named({ ...run, samples }).includes("CPU, TCP"));
});

test("an interval beyond all bounds is no number", () => {
  const text = (spread: number): string => {
    const wide = runOf([{ ...vf, spread }], 2);
    const [median] = metricsOf(wide);
    return median === undefined ? "" : figureText(wide, "guest-vf", median);
  };
  assert.match(text(0.02), /^9\.\d+ ±\d+%$/);
  assert.match(text(0.9), /^\d\.\d+ ±>999%$/);
});
