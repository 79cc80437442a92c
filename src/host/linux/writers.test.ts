// Requests through the writer child, on a fake tree. A fifo without a reader stands for a write
// that the kernel does not let go: open() for writing waits until somebody reads.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SriovError } from "../../model/errors.ts";
import { linuxPaths } from "./paths.ts";
import { writerArgument } from "./writer-child.ts";
import { Writers, type WriterCommand } from "./writers.ts";
import { startTicksOf, writersInFlight } from "./writers-in-flight.ts";

const root = mkdtempSync(join(tmpdir(), "sriovctl-writers-"));
const runDirectory = join(root, "run");
const paths = linuxPaths(root, runDirectory);
const pf = "0000:01:00.0";
const stuckPf = "0000:02:00.0";
for (const address of [pf, stuckPf]) {
  mkdirSync(join(paths.pciFunctions, address), { recursive: true });
}
const numvfsFile = join(paths.pciFunctions, pf, "sriov_numvfs");
const stuckFile = join(paths.pciFunctions, stuckPf, "sriov_numvfs");
writeFileSync(numvfsFile, "0");
assert.equal(spawnSync("mkfifo", [stuckFile]).status, 0);

const main = join(import.meta.dirname, "writer-main.ts");
const command: WriterCommand = [process.execPath, main, writerArgument, root, runDirectory];
const writers = new Writers(command);
after(async () => {
  await writers.close();
  rmSync(root, { recursive: true, force: true });
});

const options = { deadlineMs: 5000, lockFd: null };

const readStuck = (): string => spawnSync("cat", [stuckFile], { encoding: "utf8" }).stdout;

async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !condition(); round++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(condition());
}

test("a request is one write of the whole value", async () => {
  const outcome = await writers.perform({ verb: "setNumVfs", pf, numVfs: 7 }, options);
  assert.deepEqual(outcome, { status: "done" });
  assert.equal(readFileSync(numvfsFile, "utf8"), "7");
  assert.deepEqual(readdirSync(paths.writers), [], "no marker stays");
});

test("a refusal carries the errno and says what was asked", async () => {
  const address = "0000:03:00.0";
  await assert.rejects(
    writers.perform({ verb: "setNumVfs", pf: address, numVfs: 4 }, options),
    (error) =>
      error instanceof SriovError &&
      error.code === "not-found" &&
      error.errno === "ENOENT" &&
      error.message === `Cannot set 4 VFs on PF ${address}: there is no sriov_numvfs`,
  );
  await assert.rejects(
    writers.perform({ verb: "unbind", address: pf }, options),
    (error) =>
      error instanceof SriovError && error.code === "kernel-refused" && error.errno === "ENODEV",
  );
});

test("a write that does not return is stuck, marked, holds the lock and ends later", async () => {
  const lockFile = join(root, "lock");
  const lockFd = openSync(lockFile, "w");
  assert.equal(spawnSync("flock", ["-n", "3"], { stdio: [0, 1, 2, lockFd] }).status, 0);
  const request = { verb: "setNumVfs", pf: stuckPf, numVfs: 0 } as const;
  const outcome = await writers.perform(request, { deadlineMs: 200, lockFd });
  assert.equal(outcome.status, "stuck");
  const pid = outcome.status === "stuck" ? outcome.pid : null;
  assert.ok(pid !== null);
  const [marker] = writersInFlight(paths.writers, paths.ownProc);
  assert.deepEqual([marker?.pf, marker?.pid, marker?.request], [stuckPf, pid, request]);

  closeSync(lockFd); // as the death of this process would
  const isFree = (): boolean => spawnSync("flock", ["-n", lockFile, "true"]).status === 0;
  assert.equal(isFree(), false, "the child holds the lock");

  const other = await writers.perform({ verb: "setNumVfs", pf, numVfs: 2 }, options);
  assert.deepEqual(other, { status: "done" }, "other PFs go on");
  assert.equal(readStuck(), "0", "the write is finished, not dropped");
  await until(() => startTicksOf(paths.ownProc, pid) === null);
  assert.equal(isFree(), true);
  assert.deepEqual(writersInFlight(paths.writers, paths.ownProc), []);
});

test("an idle child holds the lock until close() is done, and only its own lock", async () => {
  const lockFile = join(root, "lock2");
  const isFree = (): boolean => spawnSync("flock", ["-n", lockFile, "true"]).status === 0;
  const lock = (fd: number): void => {
    assert.equal(spawnSync("flock", ["-n", "3"], { stdio: [0, 1, 2, fd] }).status, 0);
  };
  const own = new Writers(command);
  const request = { verb: "setNumVfs", pf, numVfs: 1 } as const;
  const first = openSync(lockFile, "w");
  lock(first);
  await own.perform(request, { deadlineMs: 5000, lockFd: first });
  closeSync(first);
  assert.equal(isFree(), false, "the idle child holds it");
  await own.close();
  assert.equal(isFree(), true);

  const second = openSync(lockFile, "w");
  lock(second);
  await own.perform(request, { deadlineMs: 5000, lockFd: second });
  assert.equal(spawnSync("flock", ["-u", "3"], { stdio: [0, 1, 2, second] }).status, 0);
  closeSync(second);
  const third = openSync(lockFile, "w");
  assert.equal(third, second, "the number is used again");
  lock(third);
  await own.perform(request, { deadlineMs: 5000, lockFd: third });
  closeSync(third);
  assert.equal(isFree(), false, "the child that was started last holds the new lock");
  await own.close();
  assert.equal(isFree(), true);
});

test("a child whose parent is killed finishes its write and ends", async () => {
  const script = `
    const { Writers } = await import(${JSON.stringify(join(import.meta.dirname, "writers.ts"))});
    const writers = new Writers(${JSON.stringify(command)});
    const request = { verb: "setNumVfs", pf: ${JSON.stringify(stuckPf)}, numVfs: 3 };
    await writers.perform(request, { deadlineMs: 60000, lockFd: null });`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: "inherit",
  });
  await until(() => writersInFlight(paths.writers, paths.ownProc).length === 1);
  const [marker] = writersInFlight(paths.writers, paths.ownProc);
  parent.kill("SIGKILL");
  await new Promise((resolve) => parent.on("exit", resolve));
  assert.equal(
    writersInFlight(paths.writers, paths.ownProc).length,
    1,
    "the writer outlives its parent",
  );
  assert.equal(readStuck(), "3");
  await until(() => startTicksOf(paths.ownProc, marker?.pid ?? 0) === null);
});

test("a marker of a process that is gone does not count", () => {
  assert.ok(existsSync(paths.writers));
  const marker = { pf, pid: process.pid, startTicks: "1", request: { verb: "setNumVfs" } };
  writeFileSync(join(paths.writers, "1.json"), JSON.stringify(marker));
  writeFileSync(join(paths.writers, "2.json"), '{"pf":');
  assert.deepEqual(writersInFlight(paths.writers, paths.ownProc), []);
});
