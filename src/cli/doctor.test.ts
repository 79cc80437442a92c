// `sriovctl doctor` on emulated machines: what people see is golden, what programs read is checked
// by its keys. UPDATE_GOLDEN=1 rewrites the golden files; review their diff.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const golden = join(import.meta.dirname, "golden");
const demo = ["--host", "emulated:demo"];

const rows: readonly (readonly [name: string, exitCode: number, argv: readonly string[]])[] = [
  ["demo-doctor", 4, [...demo, "doctor"]],
  ["demo-doctor-vf", 0, [...demo, "doctor", "-v", "0000:5e:00.0/vf2"]],
  ["demo-doctor-explain", 0, [...demo, "doctor", "--explain", "P10"]],
  ["igb-lab-doctor", 0, ["--host", "emulated:igb-lab", "doctor"]],
  ["dense-doctor", 0, ["--host", "emulated:dense", "doctor"]],
  ["limit-doctor", 0, ["--host", "emulated:limit", "doctor"]],
];

for (const [name, exitCode, argv] of rows) {
  test(`golden: sriovctl ${argv.join(" ")}`, async (context) => {
    const env = stateIn(temporaryDirectory(context));
    const ran = await runProgram(argv, { env });
    assert.deepEqual([ran.exitCode, ran.stderr], [exitCode, ""]);
    const path = join(golden, `${name}.txt`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, ran.stdout);
    assert.equal(ran.stdout, readFileSync(path, "utf8"), name);
  });
}

test("--json is one document with findings, gaps and capacity", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const { stdout } = await runProgram([...demo, "doctor", "--json"], { env });
  const document = JSON.parse(stdout);
  assert.equal(document.format, "sriovctl-doctor/1");
  const spoof = document.findings.find(({ rule }: { rule: string }) => rule === "spoof-check-off");
  assert.deepEqual([spoof.severity, spoof.targets], ["error", ["0000:5e:00.0/vf0"]]);
  assert.deepEqual(Object.keys(spoof.fix[0]), ["kind", "text"]);
  assert.ok(document.notChecked.length > 0);
  assert.equal(document.capacity.length, 6);
});

test("--severity decides the exit code, and a target what counts", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  const exitCodes: readonly (readonly [argv: readonly string[], exitCode: number])[] = [
    [["ens5"], 0],
    [["ens5", "--severity", "warning"], 4],
    [["eno1", "--severity", "info"], 0],
    [["web1"], 4],
    [["vm:web1"], 4],
    [["--explain", "iommu-off"], 0],
  ];
  for (const [argv, exitCode] of exitCodes) {
    const ran = await runProgram([...demo, "doctor", ...argv], { env });
    assert.equal(ran.exitCode, exitCode, argv.join(" "));
  }
});

test("a waiver in the spec accepts a point of security, until its day", async (context) => {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const file = join(directory, "host.yaml");
  for (const [until, exitCode, said] of [
    [
      "2999-12-31",
      0,
      /^Accepted in the spec\n {2}spoof-check-off {2}0000:5e:00.0 VF 0 {2}until 2999/m,
    ],
    ["2020-01-01", 4, /waive was accepted until 2020-01-01: bridges for web1/],
  ] as const) {
    const waive = `waive: { reason: bridges for web1, until: ${until} }`;
    writeFileSync(
      file,
      `apiVersion: sriovctl/v1
adapters:
  - name: card
    physicalFunctions: [{ name: p0, match: { address: "0000:5e:00.0" } }]
virtualFunctions: [{ vfs: p0/0, ${waive} }]
`,
    );
    const ran = await runProgram([...demo, "doctor", "-f", file], { env });
    assert.equal(ran.exitCode, exitCode, ran.stderr);
    assert.match(ran.stdout, said);
  }
});

test("what cannot be asked for is said", async (context) => {
  const env = stateIn(temporaryDirectory(context));
  for (const [argv, exitCode, message] of [
    [["--explain", "iommu-of"], 2, /there is no such rule\n {2}Did you mean iommu-off\?/],
    [["--severity", "fatal"], 2, /^error: Cannot compare with severity fatal: wanted error, /],
    [["web9"], 1, /^error: Cannot find web9/],
  ] as const) {
    const ran = await runProgram([...demo, "doctor", ...argv], { env });
    assert.equal(ran.exitCode, exitCode);
    assert.match(ran.stderr, message);
  }
});
