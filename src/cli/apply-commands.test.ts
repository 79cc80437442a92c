// The commands that change a host, on the emulated machine: apply in its forms, what is refused,
// and the ways back. What happens when a run is really killed is test/sim's and apply/'s.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const examples = join(import.meta.dirname, "..", "..", "examples");
const spec = join(examples, "demo.yaml");
const resized = join(examples, "demo-resize.yaml");

/** Runs command lines on one emulated machine of the test's own. */
function machine(context: TestContext, name = "demo") {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const run = (argv: readonly string[], answers?: readonly string[]) =>
    runProgram(["--host", `emulated:${name}`, ...argv], {
      env,
      ...(answers === undefined ? {} : { answers }),
    });
  const json = async (...argv: readonly string[]) => {
    const { exitCode, stdout } = await run([...argv, "--json"]);
    return { exitCode, document: JSON.parse(stdout) };
  };
  return { directory, run, json };
}

test("apply makes the host so, verifies, and a second apply has nothing to do", async (context) => {
  const { run, json } = machine(context);
  const { exitCode, stdout, stderr } = await run(["apply", "-f", spec, "--yes"]);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /^\d+ actions on 4 PFs, disrupting nobody\nDone and verified: /);
  assert.match(stderr, /^✔ 0000:3b:00\.0 {2}create 16 VFs$/m);
  assert.match(stderr, /^✔ 0000:3b:00\.0 {2}VF 0-7,12-15: set rate at most 2000 Mbit\/s$/m);
  const { document } = await json("apply", "-f", spec, "--yes");
  assert.deepEqual(document, {
    format: "sriovctl-apply/1",
    outcome: "done",
    journal: null,
    actions: [],
    verify: { empty: true, unverifiable: [], remaining: [] },
    warnings: [],
    notRestored: null,
    confirm: null,
  });
  const list = await json("list");
  const pf = list.document.physicalFunctions.find(
    ({ address }: { address: string }) => address === "0000:3b:00.0",
  );
  assert.equal(pf.virtualFunctions.length, 16);
  assert.equal(pf.virtualFunctions[0].driver, "vfio-pci");
});

test("apply --json lists every action with its result", async (context) => {
  const { json } = machine(context);
  const { exitCode, document } = await json("apply", "-f", spec, "--yes");
  assert.deepEqual([exitCode, document.outcome, document.verify.empty], [0, "done", true]);
  for (const { kind, target, result } of document.actions) {
    assert.match(kind, /^[a-z-]+$/);
    assert.ok(target.length > 0);
    assert.equal(result, "done");
  }
});

test("apply asks at a terminal, and refuses where nobody can be asked", async (context) => {
  const { run } = machine(context);
  const alone = await run(["apply", "-f", spec]);
  assert.equal(alone.exitCode, 3);
  assert.match(
    alone.stderr,
    /^error: Apply \d+ actions to emulated:demo\? Nobody is at a terminal/,
  );
  const refused = await run(["apply", "-f", spec], ["n"]);
  assert.equal(refused.exitCode, 3);
  assert.match(refused.stderr, /^Nothing was changed$/m);
  const agreed = await run(["apply", "-f", spec], ["y"]);
  assert.equal(agreed.exitCode, 0);
  assert.match(agreed.stdout, /create 16 VFs[^]*Done and verified/);
});

test("a resize under a running VM is refused with exit code 3, and changes nothing", async (context) => {
  const { run, json } = machine(context);
  const before = await run(["list"]);
  const { exitCode, document } = await json("apply", "-f", resized, "--yes");
  assert.deepEqual([exitCode, document.outcome], [3, "refused"]);
  assert.equal(document.problems[0].code, "would-disrupt");
  assert.ok(document.actions.every(({ result }: { result: string }) => result === "not-run"));
  const people = await run(["apply", "-f", resized, "--yes"]);
  assert.match(people.stderr, /^error: Nothing was changed: .*\n.*--allow-disruption vm:web1/);
  assert.equal((await run(["list"])).stdout, before.stdout);
});

test("--keep-going leaves the adapter with a problem alone and does the rest", async (context) => {
  const { run, json } = machine(context);
  const { document } = await json("apply", "-f", resized, "--yes", "--keep-going");
  const targets = new Set(document.actions.map(({ target }: { target: string }) => target));
  assert.ok(targets.has("0000:3b:00.0"));
  assert.ok(!targets.has("0000:5e:00.0"));
  const { stdout } = await run(["show", "0000:5e:00.0"]);
  assert.match(stdout, /VFs +4 /);
});

test("a saved plan is applied if the host is still the same", async (context) => {
  const { directory, run } = machine(context);
  const file = join(directory, "night.plan");
  assert.equal((await run(["plan", "-f", spec, "--out", file])).exitCode, 0);
  const applied = await run(["apply", file, "--yes"]);
  assert.equal(applied.exitCode, 0, applied.stderr);
  const again = await run(["apply", file, "--yes"]);
  assert.equal(again.exitCode, 2);
  assert.match(again.stderr, /^error: Cannot apply the saved plan: the host changed since\n/);
});

test("a saved plan that somebody edited is refused, and so is one with further flags", async (context) => {
  const { directory, run } = machine(context);
  const file = join(directory, "night.plan");
  await run(["plan", "-f", spec, "--out", file]);
  const mixed = await run(["apply", file, "-f", spec]);
  assert.deepEqual([mixed.exitCode, mixed.stdout], [2, ""]);
  writeFileSync(file, readFileSync(file, "utf8").replace('"numVfs": 16', '"numVfs": 17'));
  const edited = await run(["apply", file, "--yes"]);
  assert.equal(edited.exitCode, 2);
  assert.match(edited.stderr, /planning again gives other actions/);
});

test("rollback returns to the state before the last apply, and history tells", async (context) => {
  const { run, json } = machine(context);
  const none = await run(["rollback", "--yes"]);
  assert.equal(none.exitCode, 1);
  const before = await run(["import"]);
  await run(["apply", "-f", spec, "--yes"]);
  const unasked = await run(["rollback"]);
  assert.equal(unasked.exitCode, 3, "nobody confirmed");
  const { exitCode, stdout } = await run(["rollback"], ["y"]);
  assert.equal(exitCode, 0);
  assert.match(stdout, /\nUndone: the host is as it was before\n$/);
  assert.equal((await run(["import"])).stdout, before.stdout);
  const { document } = await json("history");
  assert.equal(document.format, "sriovctl-history/1");
  const [{ outcome, command }] = document.applies;
  assert.equal(outcome, "undone");
  assert.equal(command, `sriovctl --host emulated:demo apply -f ${spec} --yes`);
  assert.match((await run(["history"])).stdout, /^# +BEGAN +ACTIONS +OUTCOME +COMMAND\n1 +2/);
});

/** Leaves the last apply as a crash would: its journal without the end. */
function forgetTheEnd(directory: string): void {
  const folder = join(directory, "state", "emulated", "demo", "journal");
  const path = join(folder, readdirSync(folder).toSorted().at(-1) ?? "");
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  writeFileSync(path, `${lines.slice(0, -3).join("\n")}\n`);
}

test("after a crash every command says so, and recover finishes or undoes", async (context) => {
  const { directory, run, json } = machine(context);
  const before = await run(["import"]);
  await run(["apply", "-f", spec, "--yes"]);
  forgetTheEnd(directory);
  for (const argv of [["list"], ["show", "ens5"], ["drift", "-f", spec], ["history"], ["schema"]]) {
    const { stderr } = await run(argv);
    assert.match(stderr, /^warning: An apply has not ended: .*\n {2}Run sriovctl recover/m);
  }
  const blocked = await run(["apply", "-f", spec, "--yes"]);
  assert.equal(blocked.exitCode, 3);
  assert.match(blocked.stderr, /^error: Cannot begin: /m);
  const looked = await run(["recover"], [""]);
  assert.equal(looked.exitCode, 3);
  assert.match(looked.stdout, /--undo +\d+ actions?, hits nobody \(preferred\)\n {2}--finish/);
  const unasked = await run(["recover"]);
  assert.equal(unasked.exitCode, 3, "nobody chose");
  const both = await run(["recover", "--undo", "--finish"]);
  assert.equal(both.exitCode, 2);
  const undone = await json("recover", "--undo");
  assert.deepEqual([undone.exitCode, undone.document.outcome], [0, "undone"]);
  assert.equal((await run(["import"])).stdout, before.stdout);
  const nothing = await json("recover");
  assert.deepEqual([nothing.exitCode, nothing.document.outcome], [0, "nothing"]);
  await run(["apply", "-f", spec, "--yes"]);
  forgetTheEnd(directory);
  const finished = await json("recover", "--finish");
  assert.deepEqual([finished.exitCode, finished.document.outcome], [0, "done"]);
  assert.equal((await run(["drift", "-f", spec])).exitCode, 0);
});

test("demo runs every step as it says, on a machine of its own", async (context) => {
  const { directory, run } = machine(context);
  const { exitCode, stdout } = await run(["demo"]);
  assert.equal(exitCode, 0);
  assert.match(stdout, /Done and verified[^]*--allow-disruption vm:web1[^]*Undone: [^]*Your turn/);
  assert.throws(() => readdirSync(join(directory, "state")), /ENOENT/);
});

test("demo --reset puts the machine and its history back", async (context) => {
  const { run } = machine(context);
  const before = await run(["list"]);
  await run(["apply", "-f", spec, "--yes"]);
  assert.equal((await run(["demo", "--reset"])).exitCode, 0);
  assert.equal((await run(["list"])).stdout, before.stdout);
  assert.equal((await run(["history"])).stdout, "No apply yet.\n");
});
