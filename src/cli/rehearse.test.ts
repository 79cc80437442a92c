// A rehearsal foretells what the apply then does: compared on emulated machines, action by action,
// also where the machine has VFs, users and policy already, and where the apply fails.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { hosts } from "../bin/hosts.ts";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const example = (name: string): string =>
  join(import.meta.dirname, "..", "..", "examples", `${name}.yaml`);

type Step = { readonly spec: string; readonly words?: readonly string[]; readonly ends: string };

const resize = `
apiVersion: sriovctl/v1
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "0000:01:00.0" }, numVfs: 6 }
virtualFunctions:
  - { vfs: p0/0-5, driver: kernel, mac: auto, vlan: 7 }
`;

/** Each on the same machine as the one before. */
const chains: Readonly<Record<string, readonly Step[]>> = {
  "demo": [
    { spec: "demo", ends: "done" },
    { spec: "demo-resize", words: ["--allow-disruption", "vm:web1"], ends: "stuck" },
  ],
  "igb-lab": [
    { spec: "igb-lab", ends: "done" },
    { spec: "nvme", ends: "done" },
    { spec: resize, ends: "done" },
  ],
};

async function judge(context: TestContext, machine: string, steps: readonly Step[]) {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  for (const [number, { spec, words = [], ends }] of steps.entries()) {
    const file = spec.includes("\n") ? join(directory, `${number}.yaml`) : example(spec);
    if (spec.includes("\n")) writeFileSync(file, spec);
    const argv = ["--json", "--host", `emulated:${machine}`];
    const run = async (...more: readonly string[]) =>
      JSON.parse((await runProgram([...argv, ...more, "-f", file, ...words], { env })).stdout);
    const { rehearsal } = await run("plan", "--rehearse");
    assert.equal(rehearsal.outcome, ends, `${machine}: ${spec}`);
    const applied = await run("apply", "--yes");
    assert.equal(applied.outcome, ends);
    assert.deepEqual(rehearsal.actions, applied.actions);
    assert.deepEqual(rehearsal.verify, applied.verify);
    assert.ok(rehearsal.durationMs > 0);
  }
}

for (const [machine, steps] of Object.entries(chains)) {
  test(`rehearsals on ${machine} come out as the applies do`, (context) =>
    judge(context, machine, steps));
}

test("a driver whose habits are not known is not foretold", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const openTwin: (typeof hosts)["openTwin"] = (inventory, facts) => {
    const physicalFunctions = inventory.physicalFunctions.map((pf) => ({ ...pf, driver: "sfc" }));
    return hosts.openTwin({ ...inventory, physicalFunctions }, facts);
  };
  const argv = ["--host", "emulated:demo", "plan", "--rehearse", "-f", example("demo")];
  const { exitCode, stdout } = await runProgram(argv, { env, openTwin });
  assert.equal(exitCode, 1);
  assert.match(stdout, /Cannot rehearse: what driver sfc of PF 0000:\S+ does is not known/);
});
