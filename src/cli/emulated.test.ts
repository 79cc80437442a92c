// Commands that read, on emulated machines: what people see is golden, what programs read is
// checked by its keys. UPDATE_GOLDEN=1 rewrites the golden files; review their diff.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const golden = join(import.meta.dirname, "golden");

function checkGolden(name: string, text: string): void {
  const path = join(golden, `${name}.txt`);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
  assert.equal(text, readFileSync(path, "utf8"), name);
}

const rows: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ["demo-list", ["--host", "emulated:demo", "list"]],
  ["demo-list-wide", ["--host", "emulated", "list", "--wide"]],
  ["demo-show-pf", ["--host", "emulated:demo", "show", "ens3np0"]],
  ["demo-show-vf", ["--host", "emulated:demo", "show", "0000:5e:00.0/vf0"]],
  ["demo-import", ["--host", "emulated:demo", "import"]],
  ["demo-plan", ["--host", "emulated:demo", "plan", "-f", "examples/demo.yaml"]],
  ["igb-lab-list", ["--host", "emulated:igb-lab", "list"]],
];

const environment = (context: TestContext) => ({ env: stateIn(temporaryDirectory(context)) });

for (const [name, argv] of rows) {
  test(`golden: sriovctl ${argv.join(" ")}`, async (context) => {
    process.chdir(join(import.meta.dirname, "..", ".."));
    const { exitCode, stdout, stderr } = await runProgram(argv, environment(context));
    assert.deepEqual([exitCode, stderr], [0, ""]);
    checkGolden(name, stdout);
  });
}

test("importing a machine and planning is empty", async (context) => {
  const directory = temporaryDirectory(context);
  const setting = { env: stateIn(directory) };
  for (const machine of ["demo", "igb-lab", "dense"]) {
    const host = ["--host", `emulated:${machine}`];
    const file = join(directory, `${machine}.yaml`);
    const written = await runProgram([...host, "import", "--out", file], setting);
    assert.equal(written.exitCode, 0);
    const { stdout } = await runProgram([...host, "plan", "-f", file, "--json"], setting);
    assert.equal(JSON.parse(stdout).empty, true, stdout);
    const again = await runProgram([...host, "import", "--out", file], setting);
    assert.deepEqual([again.exitCode, again.stdout], [2, ""]);
    assert.match(again.stderr, /it exists already/);
  }
});

test("plan --json has the keys that programs rely on", async (context) => {
  const argv = ["--host", "emulated:demo", "plan", "--json", "-f", "examples/demo.yaml"];
  const { exitCode, stdout } = await runProgram(argv, environment(context));
  const { format, empty, actions, problems } = JSON.parse(stdout);
  assert.deepEqual([exitCode, format, empty, problems], [0, "sriovctl-plan-result/1", false, []]);
  for (const { kind, target, because, disrupts, removes } of actions) {
    assert.match(kind, /^[a-z-]+$/);
    assert.match(target, /^(host|[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](\/vf\d+)?)$/);
    assert.ok(because.length > 0);
    assert.deepEqual([disrupts, removes], [[], []]);
  }
});

test("a plan that would harm a guest is refused, unless the guest is named", async (context) => {
  const directory = temporaryDirectory(context);
  const setting = { env: stateIn(directory) };
  const spec = join(directory, "resize.yaml");
  const text = readFileSync("examples/demo.yaml", "utf8");
  writeFileSync(spec, text.replace(/(name: cx[^]*?numVfs: )4/, "$18"));
  const argv = ["--host", "emulated:demo", "plan", "-f", spec];
  const refused = await runProgram([...argv, "--json"], setting);
  assert.equal(refused.exitCode, 3);
  const { actions, problems } = JSON.parse(refused.stdout);
  const removals = actions.filter(({ removes }: { removes: string[] }) => removes.length > 0);
  assert.deepEqual(
    removals.map(({ kind, removes }: { kind: string; removes: string[] }) => [kind, removes]),
    [["remove-vfs", [0, 1, 2, 3].map((vfIndex) => `0000:5e:00.0/vf${vfIndex}`)]],
  );
  const codes = problems.map(({ code }: { code: string }) => code);
  assert.deepEqual(new Set(codes), new Set(["would-disrupt"]));
  const out = ["--out", join(directory, "saved.plan")];
  const unsaved = await runProgram([...argv, ...out], setting);
  assert.equal(unsaved.exitCode, 3);
  assert.match(unsaved.stderr, /was not written: a plan with problems cannot be applied/);
  const agreed = await runProgram([...argv, ...out, "--allow-disruption", "vm:web1"], setting);
  assert.equal(agreed.exitCode, 0, agreed.stderr);
  assert.match(agreed.stderr, /^Saved in /);
});

test("drift compares without changing anything", async (context) => {
  const directory = temporaryDirectory(context);
  const setting = { env: stateIn(directory) };
  const host = ["--host", "emulated:demo"];
  const drifted = await runProgram([...host, "drift", "-f", "examples/demo.yaml"], setting);
  assert.equal(drifted.exitCode, 4);
  assert.match(drifted.stderr, /^error: The host differs from the spec\n {2}Run sriovctl apply/);
  const file = join(directory, "host.yaml");
  await runProgram([...host, "import", "-o", file], setting);
  const same = await runProgram([...host, "drift", "-f", file, "--json"], setting);
  assert.equal(same.exitCode, 0);
  const { format, drift } = JSON.parse(same.stdout);
  assert.deepEqual([format, drift], ["sriovctl-drift/1", false]);
});

test("drift of a spec that means another host is a problem of the spec", async (context) => {
  const directory = temporaryDirectory(context);
  const file = join(directory, "other.yaml");
  const pf = `{ name: p0, match: { address: "0000:99:00.0" }, numVfs: 2 }`;
  const adapters = `[{ name: x, physicalFunctions: [${pf}] }]`;
  writeFileSync(file, `apiVersion: sriovctl/v1\nadapters: ${adapters}\n`);
  const argv = ["--host", "emulated:demo", "drift", "-f", file, "--json"];
  const { exitCode, stdout, stderr } = await runProgram(argv, { env: stateIn(directory) });
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: The spec does not fit the host: 1 problem\n {2}See sriovctl list/);
  assert.equal(JSON.parse(stdout).problems[0].code, "pf-not-found");
});

test("--host of no kind, no machine and at no speed is said", async (context) => {
  const setting = environment(context);
  const messages: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
    [["--host", "mars"], /^error: Cannot open host mars: there is no such kind\n {2}Name linux/],
    [["--host", "emulated:mars"], /^error: Cannot open emulated machine mars: wanted demo, /],
    [
      ["--host", "linux:package.json"],
      /^error: Cannot open host linux:package.json: no such folder/,
    ],
    [["--host", "linux:src"], /^error: Cannot open host linux:src: it has no sys\/\n/],
    [
      ["--host", `linux:${"x".repeat(5000)}`],
      /^error: Cannot open host .*: the name is too long\n/,
    ],
    [["--host", "emulated", "--speed", "0"], /^error: Cannot run at speed 0: wanted a number/],
  ];
  for (const [argv, message] of messages) {
    const { exitCode, stderr } = await runProgram([...argv, "list"], setting);
    assert.equal(exitCode, 2);
    assert.match(stderr, message);
  }
});
