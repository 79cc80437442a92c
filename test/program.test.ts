// The program as people start it: a process, with a pipe that may close. Few, because each start
// costs; everything else runs main() in-process.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
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

const demo = join(import.meta.dirname, "..", "examples", "demo.yaml");

const full = "/dev/full";
const skip = existsSync(full) ? false : `there is no ${full} here`;

test("output that finds no room is said, and is no success", { skip }, (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const fd = openSync(full, "w");
  context.after(() => closeSync(fd));
  const stdio = ["ignore", fd, "pipe"] as const;
  const argv = [bin, "schema"];
  const { status, stderr } = spawnSync(process.execPath, argv, { env, stdio: [...stdio] });
  assert.equal(status, 1);
  assert.match(String(stderr), /^error: Cannot write the output: ENOSPC[^\n]*\n$/);
});

const prlimit = spawnSync("prlimit", ["--version"]).error === undefined;
const skipLimit = prlimit ? false : "there is no prlimit(1) here (util-linux)";

test("a state folder without room is said with its code", { skip: skipLimit }, (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const sriovctl = [process.execPath, bin, "--host", "emulated:demo"];
  // No file may become larger, as on a full disk: the machine's first, then one that is there.
  for (const [numBytes, argv] of [
    [1000, ["list", "--json"]],
    [Infinity, ["list", "--json"]],
    [30_000, ["apply", "-f", demo, "--yes", "--json"]],
  ] as const) {
    const limit = numBytes === Infinity ? "unlimited" : `${numBytes}`;
    const args = [`--fsize=${limit}`, ...sriovctl, ...argv];
    const { status, stdout, stderr } = spawnSync("prlimit", args, { env, encoding: "utf8" });
    assert.equal(status, numBytes === Infinity ? 0 : 1, stderr);
    if (status !== 0) assert.equal(JSON.parse(stdout).error.code, "state-unwritable");
  }
});

test("messages that find no room stop nothing", { skip }, (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const fd = openSync(full, "w");
  context.after(() => closeSync(fd));
  // Saying that the message was lost would be lost as well, for ever.
  const options = { env, stdio: ["ignore", "pipe", fd] as const, timeout: 30_000 };
  const { status, signal } = spawnSync(process.execPath, [bin, "lits"], {
    ...options,
    stdio: [...options.stdio],
  });
  assert.deepEqual([status, signal], [2, null]);
});

test("a terminal that goes away ends an apply in order", async (context) => {
  const env = { ...process.env, ...stateIn(temporaryDirectory(context)) };
  const host = ["--host", "emulated:demo"];
  const argv = [bin, ...host, "--speed", "1", "apply", "-f", demo, "--yes"];
  const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  // The first line of progress: signals are listened for by then.
  child.stderr.once("data", () => child.kill("SIGHUP"));
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(exitCode, 1);
  assert.match(stdout, /the host is as it was before/);
});
