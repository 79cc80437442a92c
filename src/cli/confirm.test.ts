// apply --confirm-within and confirm as people use them, with the real watchdog process where one
// is started. That it survives what kills us is test/sim's.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const examples = join(import.meta.dirname, "..", "..", "examples");
const spec = join(examples, "demo.yaml");

function machine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const env = { ...stateIn(directory), SRIOVCTL_CONFIRM_WITHIN: "" };
  const run = (argv: readonly string[], answers?: readonly string[]) =>
    runProgram(["--host", "emulated:demo", ...argv], {
      env,
      ...(answers === undefined ? {} : { answers }),
    });
  const log = join(directory, "state", "emulated", "demo", "watchdog.log");
  /** The watchdog looks once a second, and must be gone before the folder is. */
  const watchdogEnds = async (): Promise<string> => {
    const presence = join(directory, "run", "emulated", "demo", "watchdog.json");
    for (let waits = 0; existsSync(presence) && waits < 300; waits++) await sleep(50);
    return readFileSync(log, "utf8");
  };
  const journals = join(directory, "state", "emulated", "demo", "journal");
  return { run, watchdogEnds, journals };
}

test("a change of a protected PF is on trial unless told otherwise, and confirm keeps it", async (context) => {
  const { run, watchdogEnds } = machine(context);
  const applied = await run(["apply", "-f", spec, "--yes", "--json"]);
  assert.equal(applied.exitCode, 0, applied.stderr);
  const { confirm } = JSON.parse(applied.stdout);
  assert.deepEqual([confirm.state, confirm.withinSeconds], ["armed", 90]);
  assert.deepEqual(confirm.because, ["PF 0000:41:00.0 is protected as storage"]);
  const listed = await run(["list"]);
  assert.match(listed.stderr, /^warning: Unconfirmed: .* reverts at \d\d:\d\d:\d\d\n.*confirm$/m);
  const refused = await run(["apply", "-f", join(examples, "demo-resize.yaml"), "--yes"]);
  assert.equal(refused.exitCode, 3);
  const confirmed = await run(["confirm", "--json"]);
  assert.equal(confirmed.stderr, "");
  assert.equal(JSON.parse(confirmed.stdout).outcome, "confirmed");
  const again = await run(["confirm"]);
  assert.match(again.stdout, /^Nothing to confirm: .* was confirmed at /);
  assert.match(await watchdogEnds(), /watching\n.*over: confirmed\n$/);
  assert.equal((await run(["list"])).stderr, "");
});

test("on a terminal the answer decides: n goes back at once", async (context) => {
  const { run, watchdogEnds } = machine(context);
  const { exitCode, stdout, stderr } = await run(["apply", "-f", spec], ["y", "what?", "n"]);
  assert.equal(exitCode, 1);
  assert.match(stdout, /^Reverts unless confirmed within 90 s of its end: PF 0000:41/m);
  assert.match(stderr, /^error: Not confirmed: taken back/m);
  assert.match((await run(["history"])).stdout, / undone +sriovctl/);
  assert.match(await watchdogEnds(), /over: reverted\n$/);
});

test("the watchdog ends when its journal is gone", async (context) => {
  const { run, watchdogEnds, journals } = machine(context);
  assert.equal((await run(["apply", "-f", spec, "--yes"])).exitCode, 0);
  rmSync(journals, { recursive: true });
  assert.match(await watchdogEnds(), /over: its journal is gone\n$/);
});

test("confirm has nothing to do where nothing waits, and says so", async (context) => {
  const { run } = machine(context);
  const { exitCode, stdout } = await run(["confirm"]);
  assert.deepEqual(
    [exitCode, stdout],
    [0, "Nothing to confirm: the last apply waits for nobody\n"],
  );
});

for (const text of ["90", "0s", "25h", "soon"]) {
  test(`--confirm-within ${text} is refused`, async (context) => {
    const { run } = machine(context);
    const { exitCode, stderr } = await run(["apply", "-f", spec, "--confirm-within", text]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /wanted 1s to 24h, or off/);
  });
}
