// Commands in a lab. Jobs are files of the run folder's `results`, which the lab shares; the agent
// in it is told a job's name on a pipe, runs it and leaves output and exit code beside the script.

import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { constants, watch, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { consoleTail, labProcess } from "./lab-qemu.ts";
import type { LabResult, RunOptions } from "./lab.ts";

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

export function scriptOf(command: string | readonly string[]): string {
  return typeof command === "string" ? command : `exec ${command.map(quote).join(" ")}`;
}

export function sendLine(directory: string, line: string): void {
  // Non-blocking: without QEMU at the other end a plain open would wait for ever (ENXIO instead).
  const pipe = openSync(join(directory, "agent.in"), constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(pipe, `${line}\n`);
  } finally {
    closeSync(pipe);
  }
}

async function untilQemuReads(directory: string): Promise<void> {
  // Right after the start QEMU has not opened its end yet.
  for (let attempt = 0; attempt < 250; attempt++) {
    if (labProcess(directory) === null) break;
    try {
      sendLine(directory, "");
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No lab runs in ${directory}: ${consoleTail(directory)}`);
}

/** Returns the job's number: its folder in `results/jobs`. */
function startJob(directory: string, script: string): string {
  const id = randomBytes(6).toString("hex");
  const job = join(directory, "results", "jobs", id);
  mkdirSync(job);
  writeFileSync(join(job, "script"), script);
  sendLine(directory, `run ${id}`);
  return id;
}

export async function runJob(
  directory: string,
  command: string | readonly string[],
  { timeoutMs = 60_000, onOutput }: RunOptions,
): Promise<LabResult> {
  await untilQemuReads(directory);
  const id = startJob(directory, scriptOf(command));
  const job = join(directory, "results", "jobs", id);
  const read = (name: string): string =>
    existsSync(join(job, name)) ? readFileSync(join(job, name), "utf8") : "";
  const seen = { stdout: 0, stderr: 0 };
  const showProgress = (): void => {
    if (onOutput === undefined) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const text = read(stream);
      if (text.length > seen[stream]) onOutput(stream, text.slice(seen[stream]));
      seen[stream] = text.length;
    }
  };
  const deadlineMs = performance.now() + timeoutMs;
  while (!existsSync(join(job, "exit"))) {
    if (labProcess(directory) === null) {
      throw new Error(`The lab ended while it ran ${scriptOf(command)}\n${consoleTail(directory)}`);
    }
    if (performance.now() > deadlineMs) {
      sendLine(directory, `kill ${id}`);
      const printed = `${read("stdout")}${read("stderr")}`;
      const message = `No end of ${scriptOf(command)} after ${timeoutMs} ms; printed:\n${printed}`;
      throw new Error(`${message}\n${await blockedProcesses(directory)}`);
    }
    await folderChanges(job, 200);
    showProgress();
  }
  showProgress();
  return { stdout: read("stdout"), stderr: read("stderr"), exitCode: Number(read("exit")) };
}

/** What waits inside the kernel, and where: most labs that hang do so there. */
async function blockedProcesses(directory: string): Promise<string> {
  const script = `
    for process in /proc/[0-9]*; do
      state=$(sed 's/.*) //; s/ .*//' $process/stat 2> /dev/null)
      [ "$state" = D ] || continue
      echo "blocked: \${process#/proc/} $(tr '\\0' ' ' < $process/cmdline)"; cat $process/stack
    done`;
  const id = startJob(directory, script);
  const out = join(directory, "results", "jobs", id, "stdout");
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return existsSync(out) ? readFileSync(out, "utf8") : "(the lab does not answer)";
}

/** Resolves when something happens in the folder, at the latest after `atMostMs`. */
function folderChanges(directory: string, atMostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
    const timer = setTimeout(finish, atMostMs);
    const watcher = watch(directory, finish);
    watcher.on("error", finish);
  });
}
