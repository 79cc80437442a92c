// Unattended applies of hosts that do not stay as they were made, on emulated machines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openBench, stateOf, type TestBench } from "../../test/sim/bench.ts";
import { specOf, type SpecKeys } from "../../test/sim/specs.ts";
import type { MachineEvent } from "../host/emulated/events.ts";
import type { Fault } from "../host/emulated/faults.ts";
import type { Spec } from "../model/spec.ts";
import { applyUnattended } from "./unattended.ts";
import { applyUntilStill } from "./until-still.ts";

const [pf0, pf1] = ["0000:10:00.0", "0000:20:00.0"];
const both: SpecKeys = {
  unassigned: "kernel",
  pfs: [{ numVfs: 2 }, { numVfs: 1, vfs: { "0": { vlan: 7 } } }],
};
const asWanted = [`${pf0} 2`, "  0 igbvf", "  1 igbvf", `${pf1} 1`, "  0 igbvf vlan 7"];

const open = (faults: readonly Fault[] = []): Promise<TestBench> =>
  openBench({ pfs: [{ card: "intel-82576" }, { card: "intel-82576" }] }, faults);

/** A driver that is loaded again, as far as the PF shows it. */
const reloaded: readonly MachineEvent[] = [{ event: "pf-vanishes", pf: pf1 }, { event: "rescan" }];

async function run({ host, session }: TestBench, afterRuns: readonly (readonly MachineEvent[])[]) {
  const labels: string[][] = [];
  const apply = async (spec: Spec) => {
    const pfs = spec.adapters.flatMap(({ physicalFunctions }) => physicalFunctions);
    labels.push(pfs.map(({ name }) => name));
    const report = await applyUnattended(session, { spec, command: "sriovctl", signal: null });
    return { ...report, error: null };
  };
  const ran = await applyUntilStill(session, specOf(both), {
    apply,
    settle: () => afterRuns[labels.length - 1]?.forEach((event) => host.happen(event)),
    beforeAgain: async () => {},
  });
  const states = ran.physicalFunctions.map(({ name, state }) => `${name} ${state}`);
  return { labels, states, ran };
}

test("applyUntilStill() applies once where everything stays", async () => {
  const bench = await open();
  const { labels, states } = await run(bench, []);
  assert.deepEqual([labels, states], [[["p0", "p1"]], ["p0 applied", "p1 applied"]]);
});

test("applyUntilStill() applies again what was taken back meanwhile, and that alone", async () => {
  const bench = await open();
  const { labels, states, ran } = await run(bench, [reloaded]);
  assert.deepEqual(
    [labels, states],
    [
      [["p0", "p1"], ["p1"]],
      ["p0 applied", "p1 applied"],
    ],
  );
  assert.deepEqual(await stateOf(bench), asWanted);
  const [first, second] = (await open().then((other) => run(other, []))).ran.physicalFunctions;
  assert.equal(ran.physicalFunctions[0]?.numActions, first?.numActions);
  assert.equal(ran.physicalFunctions[1]?.numActions, 2 * (second?.numActions ?? 0));
});

test("applyUntilStill() does again what the kernel only said it did", async () => {
  const bench = await open([{ on: { verb: "setVf", target: pf1 }, effect: { kind: "ignore" } }]);
  const { labels, states, ran } = await run(bench, []);
  assert.deepEqual(
    [labels, states],
    [
      [["p0", "p1"], ["p1"]],
      ["p0 applied", "p1 applied"],
    ],
  );
  assert.deepEqual(ran.physicalFunctions[1]?.reasons, []);
  assert.deepEqual(await stateOf(bench), asWanted);
});

test("applyUntilStill() gives up on a host that does not stay so, and tries no refusal again", async () => {
  const restless = await run(await open(), [reloaded, reloaded, reloaded, reloaded]);
  assert.deepEqual(restless.labels, [["p0", "p1"], ["p1"], ["p1"]]);
  const refused = await open([
    { on: { verb: "setNumVfs", target: pf1 }, effect: { kind: "refuse", errno: "ENOMEM" } },
  ]);
  const { labels, states } = await run(refused, []);
  assert.deepEqual([labels, states], [[["p0", "p1"]], ["p0 applied", "p1 failed"]]);
});

test("applyUntilStill() says what a PF that went away meanwhile became", async () => {
  const { labels, states } = await run(await open(), [[{ event: "pf-vanishes", pf: pf1 }]]);
  assert.deepEqual(
    [labels, states],
    [
      [["p0", "p1"], ["p1"]],
      ["p0 applied", "p1 missing"],
    ],
  );
});
