// The program as people start it: a process, with a pipe that may close. Few, because each start
// costs; everything else runs main() in-process.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { stateIn, temporaryDirectory } from "./run-program.ts";

const bin = join(import.meta.dirname, "..", "bin", "sriovctl.js");

test("bin/sriovctl.js prints one JSON document and passes the exit code on", (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const argv = [bin, "--host", "emulated:igb-lab", "list", "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { env, encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  assert.equal(JSON.parse(stdout).host, "emulated:igb-lab");
  const wrong = spawnSync(process.execPath, [bin, "lits"], { env, encoding: "utf8" });
  assert.deepEqual([wrong.status, wrong.stdout], [2, ""]);
});

test("a reader that leaves early is no error", async (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const argv = [bin, "schema"];
  const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  assert.deepEqual([exitCode, stderr], [0, ""]);
});
