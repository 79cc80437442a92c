// `sriovctl traffic` on emulated machines: what people see is golden, what programs read is checked
// by its keys. UPDATE_GOLDEN=1 rewrites the golden files.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const golden = join(import.meta.dirname, "golden");
const demo = ["--host", "emulated:demo", "traffic"];

const rows: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ["demo-traffic", demo],
  [
    "demo-traffic-pair",
    [...demo, "--from", "vf:ens3np0/1", "--to", "vf:ens3np0/2", "--burst", "1"],
  ],
  ["demo-traffic-check", [...demo, "ens3np0", "--check"]],
];

for (const [name, argv] of rows) {
  test(`golden: sriovctl ${argv.join(" ")}`, async (context) => {
    const ran = await runProgram(argv, { env: stateIn(temporaryDirectory(context)) });
    assert.deepEqual([ran.exitCode, ran.stderr], [0, ""]);
    const path = join(golden, `${name}.txt`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, ran.stdout);
    assert.equal(ran.stdout, readFileSync(path, "utf8"), name);
  });
}

test("--json is one document", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const document = JSON.parse((await runProgram([...demo, "--json"], { env })).stdout);
  assert.equal(document.format, "sriovctl-traffic/1");
  assert.deepEqual(
    document.paths.map((path: { path: string; exits: number }) => [path.path, path.exits]),
    [
      ["vf", 0],
      ["virtio", 32],
      ["emulated", 160],
    ],
  );
  const checks = JSON.parse((await runProgram([...demo, "--check", "--json"], { env })).stdout);
  assert.equal(checks.format, "sriovctl-traffic-checks/1");
  assert.equal(checks.checks.length, 24);
});

const refusals: readonly (readonly [argv: readonly string[], says: RegExp])[] = [
  [["traffic"], /wanted an emulated machine/],
  [["--host", "emulated:limit", "traffic"], /no network PF has VFs/],
  [[...demo, "ens5"], /it has no VFs/],
  [[...demo, "0000:41:00.0"], /it has no VFs|no network function/],
  [[...demo, "--from", "vf:ens3np0/0"], /wanted --from VF with --to VF/],
  [[...demo, "--from", "vf:ens3np0/0", "--to", "vf:ens3np0/0"], /wanted two VFs/],
  [[...demo, "--from", "pf:ens3np0", "--to", "vf:ens3np0/0"], /wanted a VF/],
  [[...demo, "--frames", "0"], /--frames 0: wanted 1 to 100000/],
  [[...demo, "--burst", "129"], /--burst 129: wanted 1 to 128/],
];

for (const [argv, says] of refusals) {
  test(`refused: sriovctl ${argv.join(" ")}`, async (context) => {
    const ran = await runProgram(argv, { env: stateIn(temporaryDirectory(context)) });
    assert.notEqual(ran.exitCode, 0);
    assert.match(ran.stderr, says);
  });
}
