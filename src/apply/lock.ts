// One apply a host, by an flock that the kernel releases when the last process holding it is
// gone: no stale lock after a crash, and a writer that was left behind in the kernel keeps the
// next apply out. flock(1) of util-linux locks the open file that it inherits, so the lock lives
// on in our descriptor and in every child that is given it (PerformOptions.lockFd).

import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SriovError } from "../model/errors.ts";
import { errnoOf, writeErrorOf } from "../model/file-error.ts";

type LockHolder = { readonly pid: number; readonly command: string; readonly since: string };

type LockWish = {
  /** Written into the file for the message of whoever comes second. */
  readonly holder: LockHolder;
  /** 0: fail at once. */
  readonly waitMs: number;
};

type HeldLock = { readonly fd: number; readonly release: () => void };

const pollMs = 200;

/** What flock(1) says when the lock is somebody else's (its default conflict exit code). */
const exitConflict = 1;

function readHolder(path: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) return null;
    const { pid, command, since } = value as Record<string, unknown>;
    if (typeof pid !== "number" || typeof command !== "string" || typeof since !== "string") {
      return null;
    }
    return { pid, command, since };
  } catch {
    // The holder writes its name after it has the lock; until then the file is empty or old.
    return null;
  }
}

/** By its pid: a recycled one is believed. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function lockedError(path: string): SriovError {
  const holder = readHolder(path);
  const detail = { operation: "lock", target: path };
  if (holder === null) {
    return new SriovError("locked", `Cannot lock ${path}: another apply holds it`, detail);
  }
  const { pid, command, since } = holder;
  if (isAlive(pid)) {
    const words = `Cannot lock ${path}: process ${pid} holds it since ${since} (${command})`;
    return new SriovError("locked", words, detail);
  }
  const words = `Cannot lock ${path}: a kernel write that process ${pid} (${command}) left behind holds it`;
  const hint = "Release the VF that the kernel waits for; the lock goes with the write";
  return new SriovError("locked", words, { ...detail, hint });
}

const isLockedNow = (fd: number, path: string): boolean => {
  const { status, error, stderr } = spawnSync("flock", ["-n", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    encoding: "utf8",
  });
  if (status === 0) return true;
  if (status === exitConflict && error === undefined) return false;
  const reason = error?.message ?? stderr.trim();
  throw new SriovError("lock-unusable", `Cannot lock ${path}: ${reason}`, {
    operation: "lock",
    target: path,
    cause: error,
  });
};

function openLockFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    return openSync(path, "a+", 0o644);
  } catch (cause) {
    const detail = { operation: "lock", target: path, errno: errnoOf(cause), cause };
    throw new SriovError("lock-unusable", `Cannot lock ${path}: ${writeErrorOf(cause)}`, detail);
  }
}

/** Takes the lock at `path` or throws `locked` with the holder's name. */
export async function acquireLock(path: string, { holder, waitMs }: LockWish): Promise<HeldLock> {
  const fd = openLockFile(path);
  try {
    for (let waitedMs = 0; !isLockedNow(fd, path); waitedMs += pollMs) {
      if (waitedMs >= waitMs) throw lockedError(path);
      await sleep(pollMs);
    }
    ftruncateSync(fd, 0);
    writeSync(fd, `${JSON.stringify(holder)}\n`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, release: () => closeSync(fd) };
}
