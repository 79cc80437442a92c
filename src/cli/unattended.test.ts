// `apply --unattended` as the unit runs it, on the emulated machine: what it reads, what it says to
// the journal of the system, and what it leaves for whoever looks later.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";
import { readUnattended } from "./unattended-json.ts";

const version = "apiVersion: sriovctl/v1\n";

const card = (name: string, label: string, address: string): string =>
  `${version}adapters: [{ name: ${name}, physicalFunctions: [{ name: ${label}, match: { address: "${address}" }, numVfs: 2 }] }]\n`;

const xl710 = card("xl710", "x0", "0000:87:00.0");
const i350 = card("i350", "bridge", "0000:01:00.0");

function machine(context: TestContext, files: Readonly<Record<string, string>>) {
  const directory = temporaryDirectory(context);
  const config = join(directory, "config");
  mkdirSync(config);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text);
  const run = async (argv: readonly string[] = [], more: Readonly<Record<string, string>> = {}) => {
    const env = { ...stateIn(directory), ...more };
    const args = ["--host", "emulated:demo", "apply", "--unattended", ...argv];
    return await runProgram(args, { env });
  };
  const status = async (...argv: readonly string[]) =>
    await runProgram(["--host", "emulated:demo", "status", ...argv], { env: stateIn(directory) });
  const file = join(directory, "state", "emulated", "demo", "unattended.json");
  const result = () => readUnattended(file) ?? assert.fail("there is no result");
  const states = () => result().physicalFunctions.map(({ name, state }) => `${name} ${state}`);
  return { config, run, status, file, result, states };
}

test("an unattended apply leaves a result, and a second one finds all as wanted", async (context) => {
  const { run, result, states } = machine(context, { "10-nic.yaml": xl710 });
  const { exitCode, stderr } = await run(["--wait", "5"]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stderr, /^x0 \(0000:87:00\.0\): applied, \d+ actions?\n$/);
  const { outcome, error, files, problems, bootId, journal } = result();
  assert.deepEqual([outcome, error, problems], ["done", null, []]);
  assert.match(files[0]?.path ?? "", /config\/10-nic\.yaml$/);
  assert.match(files[0]?.sha256 ?? "", /^[0-9a-f]{64}$/);
  assert.ok(bootId !== null && journal !== null);
  assert.deepEqual(states(), ["x0 applied"]);
  const again = await run();
  assert.deepEqual([again.exitCode, again.stderr], [0, "x0 (0000:87:00.0): already as wanted\n"]);
});

test("a broken file, a conflict and a missing PF stop nobody else, and fail the unit", async (context) => {
  const { run, states, result } = machine(context, {
    "10-nic.yaml": xl710,
    "20-broken.yaml": `${version}pools: [{ name: t, vfs: b0/0, trsut: on }]\n`,
    "30-one.yaml": card("one", "twice", "0000:3b:00.0"),
    "31-other.yaml": card("other", "twice", "0000:3b:00.1"),
    "40-gone.yaml": card("gone", "g0", "0000:aa:00.0"),
    ".hidden.yaml": "no spec",
    "notes.txt": "no spec",
  });
  const { exitCode, stderr } = await run([], { JOURNAL_STREAM: "8:1234" });
  assert.equal(exitCode, 1);
  assert.deepEqual(states(), ["x0 applied", "g0 missing", "twice skipped", "twice skipped"]);
  assert.equal(result().outcome, "failed");
  assert.match(stderr, /^<3>error: .*20-broken\.yaml:2:31: Unknown key trsut/m);
  assert.match(
    stderr,
    /^<3>error: .*31-other\.yaml:\d+:\d+: PF twice is named twice: first at .*30-one/m,
  );
  assert.match(stderr, /^<6>x0 \(0000:87:00\.0\): applied/m);
  assert.match(stderr, /^<3>error: g0: missing: Cannot find g0/m);
  assert.deepEqual(stderr.match(/^(?!<[3467]>).+$/gm), null);
});

test("users stand in the way: what a reboot would bring is said, and fails nothing", async (context) => {
  const { run, states } = machine(context, { "10.yaml": i350 });
  const { exitCode, stderr } = await run();
  assert.equal(exitCode, 0);
  assert.deepEqual(states(), ["bridge pending-reboot"]);
  assert.match(stderr, /^warning: bridge \(0000:01:00\.0\): pending reboot: .*upper:br0/);
});

test("--pf applies the adapter of one PF and leaves what is said of others", async (context) => {
  const { run, states, config } = machine(context, { "10.yaml": xl710 });
  await run();
  writeFileSync(join(config, "20.yaml"), card("gone", "g0", "0000:aa:00.0"));
  const late = await run(["--pf", "87:00.0"]);
  assert.deepEqual([late.exitCode, states()], [0, ["x0 unchanged"]]);
  const nobodys = await run(["--pf", "0000:5e:00.0"]);
  assert.deepEqual([nobodys.exitCode, nobodys.stderr, states()], [0, "", ["x0 unchanged"]]);
});

test("no spec is nothing to do, and a file that cannot be read stops everybody", async (context) => {
  const { run, states, config } = machine(context, {});
  const empty = await run();
  assert.equal(empty.exitCode, 0);
  assert.match(empty.stderr, /^Nothing to apply: no \*\.yaml in /);
  writeFileSync(join(config, "10.yaml"), xl710);
  symlinkSync("nowhere", join(config, "20.yaml"));
  const blind = await run();
  assert.deepEqual([blind.exitCode, states()], [1, ["x0 skipped"]]);
});

test("what does not go together with --unattended is refused", async (context) => {
  const { run } = machine(context, {});
  for (const argv of [
    ["-f", "x.yaml"],
    ["night.plan"],
    ["--allow-disruption", "vm:web1"],
    ["--confirm-within", "90s"],
    ["--wait", "soon"],
    ["--wait", "3601"],
    ["--pf", "eth0"],
  ]) {
    assert.equal((await run(argv)).exitCode, 2, argv.join(" "));
  }
  const { exitCode } = await runProgram(["apply", "--wait", "5"]);
  assert.equal(exitCode, 2);
});

test("the result of version 1 is read, and nothing else is", (context) => {
  const fixture = join(import.meta.dirname, "fixtures", "unattended-1.json");
  assert.equal(readUnattended(fixture)?.physicalFunctions[0]?.state, "applied");
  const path = join(temporaryDirectory(context), "other.json");
  const text = readFileSync(fixture, "utf8");
  for (const other of [text.replace("unattended/1", "unattended/2"), "{", "[]", "{}", "null"]) {
    writeFileSync(path, other);
    assert.equal(readUnattended(path), null);
  }
  assert.equal(readUnattended(join(path, "none")), null);
});

test("status compares what the files want together, and shows what the last run came to", async (context) => {
  const { run, status } = machine(context, {
    "10-nic.yaml": xl710,
    "20-pool.yaml": `${version}pools: [{ name: t, vfs: x0/0-1, driver: vfio-pci }]\n`,
    "40-gone.yaml": card("gone", "g0", "0000:aa:00.0"),
  });
  await run();
  const { stdout } = await status();
  assert.match(stdout, /10-nic\.yaml: 1 PF, 2 VFs$/m);
  assert.match(stdout, /^Unattended +failed at 20/m);
  assert.match(stdout, /^ +g0: missing: Cannot find g0/m);
  const { stdout: json } = await status("--json");
  const { specs, comparisons, unattended } = JSON.parse(json);
  assert.deepEqual(
    specs.map(({ usable }: { usable: boolean }) => usable),
    [true, true, true],
  );
  assert.deepEqual([comparisons.length, unattended.outcome], [1, "failed"]);
});
