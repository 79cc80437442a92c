// The lock against other processes: who holds it is told, and only the kernel ever releases it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { refused } from "../../test/sim/refused.ts";
import { acquireLock } from "./lock.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-lock-"));
after(() => rmSync(folder, { recursive: true }));

const wish = (command: string, waitMs = 0) => ({
  holder: { pid: process.pid, command, since: "2026-01-01T00:00:00.000Z" },
  waitMs,
});

/** Takes the lock in another process, whose first output means that it has it. */
async function lockElsewhere(path: string) {
  const module = JSON.stringify(join(import.meta.dirname, "lock.ts"));
  const program = `
    import { acquireLock } from ${module};
    const holder = { pid: process.pid, command: "sriovctl apply", since: "2026-01-01" };
    await acquireLock(${JSON.stringify(path)}, { holder, waitMs: 0 });
    console.log("locked");
    setInterval(() => {}, 1000);
  `;
  const args = ["--input-type=module-typescript", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

test("acquireLock() names the holder to whoever comes second, and lets go with it", async () => {
  const path = join(folder, "a", "lock");
  const child = await lockElsewhere(path);
  const error = await refused("locked", acquireLock(path, wish("second")));
  assert.match(error.message, new RegExp(`process ${child.pid} holds it.*sriovctl apply`));
  child.kill("SIGKILL");
  const lock = await acquireLock(path, wish("second", 5_000));
  assert.match(readFileSync(path, "utf8"), /"second"/);
  lock.release();
});

test("acquireLock() says no more of the holder than the file does", async () => {
  const path = join(folder, "strange");
  const lock = await acquireLock(path, wish("first"));
  const strange = [
    "",
    "[]",
    "null",
    '{"pid":"1","command":"x","since":"y"}',
    '{"pid":1,"since":"y"}',
  ];
  for (const text of strange) {
    writeFileSync(path, text);
    const { message } = await refused("locked", acquireLock(path, wish("second")));
    assert.equal(message, `Cannot lock ${path}: another apply holds it`, text);
  }
  lock.release();
});

test("a child that inherited the lock keeps it when its parent is gone", async () => {
  const path = join(folder, "b");
  const lock = await acquireLock(path, {
    holder: { pid: 2 ** 22 + 1, command: "sriovctl apply", since: "2026-01-01" },
    waitMs: 0,
  });
  // What is left after SIGKILL of the parent: its descriptor is closed, the writer's is not.
  const writer = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", lock.fd] });
  closeSync(lock.fd);
  const error = await refused("locked", acquireLock(path, wish("second")));
  assert.match(error.message, /left behind/);
  writer.kill("SIGKILL");
  await once(writer, "exit");
  (await acquireLock(path, wish("third"))).release();
});

test("acquireLock() takes a free lock whatever the file holds", async () => {
  const path = join(folder, "c");
  for (const text of ["first", "a longer second one", "x"]) {
    const lock = await acquireLock(path, wish(text));
    assert.equal(JSON.parse(readFileSync(path, "utf8")).command, text);
    lock.release();
  }
});

test("acquireLock() says that its folder cannot be made", async () => {
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  const locking = acquireLock(join(file, "apply.lock"), wish("one"));
  await assert.rejects(locking, { code: "lock-unusable" });
});
