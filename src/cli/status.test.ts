// `status` on the emulated machine as its day goes on, and whether systemd would apply at boot.

import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "../../test/run-program.ts";
import { readBootUnit } from "./boot-unit.ts";
import { cut, styleFor, widthOf } from "./style.ts";

const spec = join(import.meta.dirname, "..", "..", "examples", "demo.yaml");

function machine(context: TestContext) {
  const directory = temporaryDirectory(context);
  const config = join(directory, "config");
  mkdirSync(config);
  const run = (...argv: readonly string[]) =>
    runProgram(["--host", "emulated:demo", ...argv], { env: stateIn(directory) });
  return { config, run };
}

/** Lines by their label. */
const labelled = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split("\n")
      .filter((line) => /^\S/.test(line))
      .map((line) => [line.slice(0, 13).trim(), line.slice(14)]),
  );

test("status tells what is wanted, what differs and what the next boot brings", async (context) => {
  const { config, run } = machine(context);
  const empty = await run("status");
  assert.equal(empty.exitCode, 0);
  assert.match(labelled(empty.stdout)["Wanted"] ?? "", /^nothing: no spec in the config/);
  cpSync(spec, join(config, "host.yaml"));
  const before = await run("status");
  assert.equal(before.exitCode, 4);
  assert.equal(labelled(before.stdout)["Drift"], "differs from what is wanted");
  assert.match(before.stdout, /89 actions on 4 PFs, disrupting nobody/);
  assert.match(before.stdout, /^ +nvme +0000:41:00\.0 +4 VFs +4 vfio-pci$/m);
  assert.ok(before.stdout.split("\n").every((line) => widthOf(line) <= 100));
  await run("apply", "-f", spec, "--yes");
  const after = await run("status");
  assert.equal(after.exitCode, 0);
  assert.equal(labelled(after.stdout)["Drift"], "none: the host is as wanted");
  assert.match(labelled(after.stdout)["Last applies"] ?? "", /^1 .* 89 +done +sriovctl/);
});

test("status shows the rest where leases cannot be read, and says so", async (context) => {
  const { config, run } = machine(context);
  cpSync(spec, join(config, "host.yaml"));
  await run("lease", "acquire", "0000:5e:00.0/vf1", "--for", "vm:db");
  chmodSync(join(config, "..", "state", "emulated", "demo", "leases.sqlite"), 0o666);
  const { exitCode, stdout } = await run("status");
  assert.equal(exitCode, 4);
  assert.match(labelled(stdout)["Drift"] ?? "", /^not known: Cannot trust leases/);
  assert.match(labelled(stdout)["Host"] ?? "", /6 PFs/);
  const { uncompared } = JSON.parse((await run("status", "--json")).stdout);
  assert.equal(uncompared.code, "unsafe-file");
});

test("status --json is one document, and a spec that cannot be used is in it", async (context) => {
  const { config, run } = machine(context);
  writeFileSync(join(config, "broken.yaml"), "apiVersion: sriovctl/v9\n");
  const { exitCode, stdout } = await run("status", "--json");
  const document = JSON.parse(stdout);
  assert.equal(exitCode, 4);
  assert.equal(document.format, "sriovctl-status/1");
  assert.equal(document.needsAttention, true);
  assert.deepEqual(document.has, { numPfs: 6, numVfs: 4, numVfsInUse: 1 });
  assert.equal(document.specs[0].usable, false);
  assert.ok(document.specs[0].problems.length > 0);
  assert.deepEqual([document.comparisons, document.unconfirmed, document.boot], [[], null, null]);
});

test("the unit counts as enabled where it is there and a target wants it", (context) => {
  const root = temporaryDirectory(context);
  const units = join(root, "usr", "lib", "systemd", "system");
  const wants = join(root, "etc", "systemd", "system", "multi-user.target.wants");
  assert.deepEqual(readBootUnit(root), { file: null, isEnabled: false });
  mkdirSync(units, { recursive: true });
  const file = join(units, "sriovctl-apply.service");
  writeFileSync(file, "");
  assert.deepEqual(readBootUnit(root), { file, isEnabled: false });
  mkdirSync(wants, { recursive: true });
  symlinkSync(
    "/usr/lib/systemd/system/sriovctl-apply.service",
    join(wants, "sriovctl-apply.service"),
  );
  assert.deepEqual(readBootUnit(root), { file, isEnabled: true });
});

test("a line is cut at the terminal's width, its colours closed", () => {
  const style = styleFor({ isTerminal: true, isForbidden: false, env: {} });
  const line = `${style("bad", "one two")} three`;
  assert.equal(cut(line, 13), line);
  for (let columns = 1; columns < 13; columns++) {
    assert.equal(widthOf(cut(line, columns)), columns);
    assert.ok(cut(line, columns).includes("\u001B[39m"));
  }
});
