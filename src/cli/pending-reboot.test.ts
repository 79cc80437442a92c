// More VFs than a card can have now, and enough stored in its firmware: every command says that a
// reboot is missing and nothing else, and after the reboot nothing is.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";

const card = "0000:5e:00.0";
const other = "0000:3b:00.0";

const pfEntry = (name: string, address: string, numVfs: number): string =>
  `  - physicalFunctions:\n      - { name: ${name}, match: { address: "${address}" }, numVfs: ${numVfs} }\n`;

function machine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const setting = { env: stateIn(directory) };
  const specOf = (name: string, ...entries: readonly string[]): string => {
    const file = join(directory, `${name}.yaml`);
    writeFileSync(file, `apiVersion: sriovctl/v1\nadapters:\n${entries.join("")}`);
    return file;
  };
  const run = (...argv: readonly string[]) =>
    runProgram(["--host", "emulated:demo", ...argv], setting);
  const json = async (...argv: readonly string[]) => {
    const { exitCode, stdout } = await run(...argv, "--json");
    return { exitCode, document: JSON.parse(stdout) };
  };
  return { directory, specOf, run, json };
}

test("a count that only a reboot brings is pending, and is there after it", async (context) => {
  const { directory, specOf, run, json } = machine(context);
  const one = specOf("one", pfEntry("cx", card, 16));
  const two = specOf("two", pfEntry("cx", card, 16), pfEntry("p0", other, 2));
  await run("demo", "--firmware-vfs", `${card}=8`);
  await run("demo", "--reboot");
  await run("demo", "--stop-guest", "web1");

  const tooMany = await json("plan", "-f", one);
  assert.deepEqual([tooMany.exitCode, tooMany.document.outcome], [2, "problems"]);

  const stored = await json("demo", "--firmware-vfs", `${card}=64`);
  assert.deepEqual(stored.document.firmware, [{ pf: card, now: 8, nextBoot: 64 }]);

  const planned = await json("plan", "-f", one);
  assert.deepEqual([planned.exitCode, planned.document.outcome], [5, "pending-reboot"]);
  const refused = await json("apply", "-f", one, "--yes");
  assert.deepEqual([refused.exitCode, refused.document.outcome], [5, "pending-reboot"]);
  assert.equal((await run("drift", "-f", one)).exitCode, 5);

  const partly = await json("apply", "-f", two, "--yes", "--keep-going");
  assert.deepEqual([partly.exitCode, partly.document.outcome], [5, "pending-reboot"]);
  assert.equal((await json("list")).document.physicalFunctions[1].numVfs, 2);

  const { document } = await json("status", "-f", two);
  const [{ outcome, nextBoot }] = document.comparisons;
  assert.equal(outcome, "pending-reboot");
  assert.deepEqual(
    nextBoot.physicalFunctions.map(({ numVfs }: { numVfs: number }) => numVfs),
    [16, 2],
  );
  const seen = await run("status", "-f", one);
  assert.match(seen.stdout, /differs from what is wanted until the next boot/);

  const capture = join(directory, "host.capture");
  await run("capture", "--raw", "-o", capture);
  const elsewhere = await runProgram(["--host", `snapshot:${capture}`, "plan", "-f", one], {
    env: stateIn(directory),
  });
  assert.equal(elsewhere.exitCode, 5, elsewhere.stdout);
  const doctor = await json("doctor");
  assert.ok(
    doctor.document.findings.some(
      ({ rule }: { rule: string }) => rule === "firmware-waits-for-boot",
    ),
  );

  await run("demo", "--reboot");
  const after = await json("plan", "-f", one, "--allow-disruption", "vm:web1");
  assert.deepEqual([after.exitCode, after.document.outcome], [0, "ready"]);
});

test("only a card with such a setting stores a count, within its bounds", async (context) => {
  const { run } = machine(context);
  for (const [text, why] of [
    [`${other}=8`, /its card has no such setting, wanted a ConnectX/],
    [`${card}=200`, /wanted 4 to 127/],
    [`${card}=1`, /wanted 4 to 127/],
    ["0000:99:00.0=8", /there is no such PF/],
    [`${card}`, /wanted PF=COUNT/],
  ] as const) {
    const { exitCode, stderr } = await run("demo", "--firmware-vfs", text);
    assert.equal(exitCode, 2);
    assert.match(stderr, why);
  }
});
