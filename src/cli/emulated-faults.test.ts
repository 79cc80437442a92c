// What goes wrong on demand, seen by people: the example fault plans with the program's own commands
// on `emulated:demo`, and guests that are in the way of a write until they are shut down.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const root = join(import.meta.dirname, "..", "..");
const host = ["--host", "emulated:demo"];
const specOf = (name: string): string => join(root, "examples", `${name}.yaml`);
const planOf = (name: string): string => join(root, "examples", "faults", `${name}.yaml`);

function machine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const env = stateIn(directory);
  const run = (...argv: readonly string[]) => runProgram([...host, ...argv], { env });
  const json = async (...argv: readonly string[]) => {
    const { exitCode, stdout, stderr } = await run(...argv, "--json");
    return { exitCode, stderr, document: JSON.parse(stdout) };
  };
  const apply = (spec: string, ...rest: readonly string[]) =>
    json("apply", "-f", specOf(spec), "--yes", ...rest);
  /** Number of VFs by PF. */
  const counts = async (): Promise<Record<string, number>> => {
    const { document } = await json("list");
    const pfs: { address: string; numVfs: number }[] = document.physicalFunctions;
    return Object.fromEntries(pfs.map(({ address, numVfs }) => [address, numVfs]));
  };
  return { directory, env, run, json, apply, counts };
}

type Machine = ReturnType<typeof machine>;

type Result = { readonly kind: string; readonly target: string; readonly result: string };

const failedOf = (actions: readonly Result[]): Result[] =>
  actions.filter(({ result }) => result === "failed");

const resultsOf = (actions: readonly Result[], wanted: string): string[] =>
  actions.filter(({ result }) => result === wanted).map(({ kind, target }) => `${kind} ${target}`);

const [port0, port1, crossing, drive] = [
  "0000:3b:00.0",
  "0000:3b:00.1",
  "0000:5e:00.0",
  "0000:41:00.0",
] as const;

const atStart = {
  "0000:01:00.0": 0,
  [port0]: 0,
  [port1]: 0,
  [drive]: 0,
  [crossing]: 4,
  "0000:87:00.0": 0,
};

async function setUp({ json }: Machine, ...argv: readonly string[]) {
  const { exitCode, stderr, document } = await json("demo", ...argv);
  assert.equal(exitCode, 0, stderr);
  return document;
}

for (const [lockModel, stuck] of [
  ["global", [`create-vfs ${port0}`, `create-vfs ${drive}`]],
  ["per-pf", [`create-vfs ${port0}`]],
] as const) {
  test(`a hung write is stuck, with a ${lockModel} lock, until the machine is booted`, async (context) => {
    const demo = machine(context);
    const faults = ["--faults", planOf("hung-write"), "--lock-model", lockModel];
    assert.equal((await setUp(demo, ...faults)).lockModel, lockModel);
    const { exitCode, document } = await demo.apply("demo");
    assert.deepEqual([exitCode, document.outcome], [1, "stuck"]);
    // The other port has more to do before: the virtual clock may be at the deadline by then.
    const seen = resultsOf(document.actions, "stuck");
    const ofOther = (words: string): boolean => words.endsWith(port1);
    assert.deepEqual(seen.filter((words) => !ofOther(words)).toSorted(), stuck.toSorted());
    const done = resultsOf(document.actions, "done");
    if (lockModel === "global") assert.ok(!done.includes(`create-vfs ${port1}`));
    const status = await demo.json("demo", "--status");
    assert.partialDeepStrictEqual(status.document, {
      inFlight: [{ request: `set 16 VFs on PF ${port0}` }],
      faults: [{ effect: "hang", operation: "setNumVfs", target: port0, toHit: 0 }],
    });
    // Nobody knows what the kernel will still do: neither undone nor finished, nor begun again.
    const recovery = await demo.run("recover", "--undo", "--yes");
    assert.equal(recovery.exitCode, 1);
    assert.match(recovery.stderr, /Cannot recover 0000:3b:00\.0: the kernel still works on its/);
    const again = await demo.run("apply", "-f", specOf("demo"), "--yes");
    assert.equal(again.exitCode, 2);
    assert.match(again.stdout, /Cannot plan p0 .*: a change of its VF count is still in flight/);
    assert.deepEqual((await setUp(demo, "--reboot")).inFlight, []);
    assert.equal((await demo.run("recover", "--yes")).exitCode, 0);
    assert.deepEqual(await demo.counts(), atStart);
    assert.equal((await demo.apply("demo")).document.outcome, "done");
  });
}

type Failed = { kind: string; result: string; error: { code: string } };

test("fewer VFs than asked fail the apply, and it is undone", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--faults", planOf("fewer-vfs"));
  const { exitCode, stderr, document } = await demo.apply("demo");
  assert.deepEqual([exitCode, document.outcome], [1, "undone"]);
  assert.match(stderr, /Cannot create 16 VFs on 0000:3b:00\.0: the driver made 12/);
  const failed = document.actions.filter(
    (action: { error?: unknown }) => action.error !== undefined,
  );
  assert.deepEqual(
    failed.map(({ kind, result, error }: Failed) => [kind, result, error.code]),
    [["create-vfs", "undone", "short-count"]],
  );
  assert.deepEqual(await demo.counts(), atStart);
  assert.equal((await demo.apply("demo")).document.outcome, "done");
});

test("a VF whose netdev never comes is named", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--faults", planOf("vf-without-netdev"));
  const { stderr, document } = await demo.apply("demo");
  assert.match(stderr, /0000:3b:00\.1\/vf5 has a network driver but no netdev came in time/);
  const { document: list } = await demo.json("list");
  const pf = list.physicalFunctions.find(({ address }: { address: string }) => address === port1);
  const netdevs: number[] = pf.virtualFunctions.map(
    (vf: { netdevs: unknown[] }) => vf.netdevs.length,
  );
  assert.deepEqual(netdevs, [0, 0, 0, 0, 1, 0, 1, 1]);
  assert.equal(document.outcome, "done");
});

test("an attribute that the driver has not fails its VF alone", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--faults", planOf("unsupported-attribute"));
  const { exitCode, document } = await demo.apply("demo");
  assert.deepEqual([exitCode, document.outcome], [1, "partial"]);
  const failed = failedOf(document.actions);
  assert.partialDeepStrictEqual(failed, [
    { target: `${port0}/vf8`, error: { errno: "EOPNOTSUPP" } },
  ]);
  // Not handed out half configured.
  assert.deepEqual(resultsOf(document.actions, "not-run"), [`bind-driver ${port0}/vf8`]);
});

test("a truncated VF list is never called verified", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--faults", planOf("truncated-list"));
  const { exitCode, stderr, document } = await demo.apply("demo");
  assert.notEqual(document.outcome, "done");
  assert.equal(exitCode, 1);
  assert.match(stderr, /Cannot compare the VF policy of p0 .* attributes are not known/);
  await setUp(demo, "--faults", "none");
  assert.equal((await demo.run("drift", "-f", specOf("demo"))).exitCode, 0);
});

test("a PF that vanishes takes no other card down", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--faults", planOf("pf-vanishes"));
  const { exitCode, document } = await demo.apply("demo");
  assert.deepEqual([exitCode, document.outcome], [1, "partial"]);
  const failed = failedOf(document.actions);
  assert(failed.length > 0);
  for (const { target } of failed) assert.match(target, /^0000:3b:00\.1\/vf\d$/);
  const { [port1]: gone, ...others } = await demo.counts();
  assert.deepEqual([gone, others[port0], others[drive]], [undefined, 16, 4]);
});

test("a VM that grabs a VF between plan and write is waited for, and not killed", async (context) => {
  const demo = machine(context);
  const grab = ["--stop-guest", "web1", "--faults", planOf("guest-grabs-vf")];
  assert.deepEqual((await setUp(demo, ...grab)).guests[0], {
    name: "web1",
    running: false,
    vfs: ["0000:5e:18.0"],
  });
  const { document } = await demo.apply("demo-resize");
  assert.equal(document.outcome, "stuck");
  const { guests, inFlight } = await setUp(demo, "--status");
  assert.equal(guests[0].running, true);
  const waitsFor = "VF 0000:5e:18.0, which web1 has open";
  assert.deepEqual(inFlight, [{ request: `set 0 VFs on PF ${crossing}`, waitsFor }]);
});

test("a VM that grabs a VF before the last look is seen, and the apply undone", async (context) => {
  const demo = machine(context);
  const read = (path: string): string => readFileSync(path, "utf8");
  const [plan, spec] = [join(demo.directory, "plan.yaml"), join(demo.directory, "spec.yaml")];
  // A step of the same PF comes before the removal and the look that goes with it.
  writeFileSync(
    spec,
    read(specOf("demo-resize")).replace(
      "numVfs: 8\n  - name: drive",
      "numVfs: 8\n        mtu: 9000\n  - name: drive",
    ),
  );
  writeFileSync(plan, read(planOf("guest-grabs-vf")).replace("setNumVfs", "setMtu"));
  await setUp(demo, "--stop-guest", "web1", "--faults", plan);
  const { exitCode, document } = await demo.json("apply", "-f", spec, "--yes");
  assert.deepEqual([exitCode, document.outcome], [1, "undone"]);
  const failed = failedOf(document.actions);
  assert.partialDeepStrictEqual(failed, [{ kind: "remove-vfs", error: { code: "would-disrupt" } }]);
  assert.deepEqual(await demo.counts(), atStart);
  assert.equal((await setUp(demo, "--status")).guests[0].running, true);
});

const consent = ["--allow-disruption", "vm:web1"];

test("a guest that blocks a forced removal is shut down, and recover goes on", async (context) => {
  const demo = machine(context);
  assert.equal((await demo.apply("demo-resize", ...consent)).document.outcome, "stuck");
  assert.equal((await demo.run("recover", "--yes")).exitCode, 1);
  assert.deepEqual((await setUp(demo, "--stop-guest", "web1")).inFlight, []);
  assert.equal((await demo.counts())[crossing], 0);
  const tooEarly = await demo.run("demo", "--start-guest", "web1");
  assert.equal(tooEarly.exitCode, 1);
  assert.match(
    tooEarly.stderr,
    /Cannot start guest web1: vfio cannot open 0000:5e:18\.0, wanted it/,
  );
  assert.equal((await demo.run("recover", "--finish", "--yes")).exitCode, 0);
  assert.equal((await demo.counts())[crossing], 8);
  const [web1] = (await setUp(demo, "--start-guest", "web1")).guests;
  assert.deepEqual(web1, { name: "web1", running: true, vfs: ["0000:5e:18.0"] });
});

test("an apply that waits for a guest goes on when another terminal shuts it down", async (context) => {
  const demo = machine(context);
  // A tenth of the kernel's time; the deadline of the write is a minute of it.
  const argv = [
    ...host,
    "--speed",
    "10",
    "apply",
    "-f",
    specOf("demo-resize"),
    "--yes",
    ...consent,
  ];
  const bin = join(root, "bin", "sriovctl.js");
  const env = { ...process.env, ...demo.env };
  const child = spawn(process.execPath, [bin, ...argv, "--json"], { env });
  context.after(() => child.kill());
  let stdout = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const isWaiting = async (): Promise<boolean> =>
    (await setUp(demo, "--status")).inFlight.some(
      ({ waitsFor }: { waitsFor: string | null }) => waitsFor?.includes("web1") === true,
    );
  while (child.exitCode === null && !(await isWaiting()));
  await setUp(demo, "--stop-guest", "web1");
  assert.equal(await ended, 0, stdout);
  assert.equal(JSON.parse(stdout).outcome, "done");
});

test("what cannot be set up is said, and changes nothing", async (context) => {
  const demo = machine(context);
  await setUp(demo, "--stop-guest", "web1");
  const plan = join(demo.directory, "wrong.yaml");
  writeFileSync(plan, "format: sriovctl-faults/1\nfaults:\n  - on: { operation: setNumVf }\n");
  const rows: readonly (readonly [argv: readonly string[], exitCode: number, message: RegExp])[] = [
    [["--reset", "--faults", plan], 2, /wrong\.yaml:3:22: operation is setNumVf: wanted one of /],
    [["--reset", "--faults", plan], 2, /Correct the fault plan where the problems point/],
    [["--faults", "missing.yaml"], 2, /Cannot read missing\.yaml: no such file/],
    [["--reset", "--lock-model", "mine"], 2, /Cannot use lock model mine: wanted global or per-pf/],
    [
      ["--reset", "--stop-guest", "web9"],
      1,
      /Cannot find guest web9 .*: its guests are web1, web2/,
    ],
  ];
  for (const [argv, exitCode, message] of rows) {
    const run = await demo.run("demo", ...argv);
    assert.deepEqual([run.exitCode, run.stdout], [exitCode, ""]);
    assert.match(run.stderr, message);
  }
  assert.equal(
    (await setUp(demo, "--status")).guests[0].running,
    false,
    "the machine is as it was",
  );
  const linux = await runProgram(["--host", "linux:/", "demo", "--status"], { env: demo.env });
  assert.match(linux.stderr, /Cannot set up linux:\/: wanted an emulated machine/);
});
