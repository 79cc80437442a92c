// Programs that measure, started with argument arrays: each has a deadline, bounded output, and dies
// with this process, so that no server is left listening.

import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { readProcessCpu } from "../cpu-time.ts";

export type Ran = {
  readonly stdout: string;
  readonly stderr: string;
  /** null: it was killed, or could not be started. */
  readonly exitCode: number | null;
  /** As last seen while it ran, five times a second. */
  readonly cpuSeconds: number;
};

const maxOutputCharacters = 4 * 1024 * 1024;

/** Where it is; null where it is not installed. Root's own PATH may lack the sbin folders. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/** 0 once it is gone. */
export function cpuOf(pid: number | undefined): number {
  try {
    return readProcessCpu(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? 0;
  } catch {
    return 0;
  }
}

function start([name = "", ...args]: readonly string[]): ChildProcess {
  const program = findProgram(name) ?? name;
  const guard = findProgram("setpriv");
  const [command = program, ...prefix] =
    guard === null ? [program] : [guard, "--pdeathsig", "KILL", program];
  return spawn(command, [...prefix, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
}

type Collected = { stdout: string; stderr: string };

function collect(child: ChildProcess, onText: (text: string) => void = () => {}): Collected {
  const collected: Collected = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      if (collected[name].length < maxOutputCharacters) collected[name] += text;
      onText(text);
    });
  }
  return collected;
}

export async function runTool(
  argv: readonly string[],
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Ran> {
  const child = start(argv);
  const collected = collect(child);
  const kill = (): void => void child.kill("SIGKILL");
  const deadline = setTimeout(kill, timeoutMs);
  signal?.addEventListener("abort", kill, { once: true });
  let cpuSeconds = 0;
  const watch = setInterval(() => {
    cpuSeconds = Math.max(cpuSeconds, cpuOf(child.pid));
  }, 200);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (code) => resolve(code));
  });
  clearTimeout(deadline);
  clearInterval(watch);
  signal?.removeEventListener("abort", kill);
  return { ...collected, exitCode, cpuSeconds };
}

export type Server = { readonly pid: number | undefined; stop(): Promise<void> };

/** Starts it and waits for the words that it is ready with; null: it ended, or never said them. */
export async function startServer(
  argv: readonly string[],
  isReady: RegExp,
  timeoutMs: number,
): Promise<Server | null> {
  const child = start(argv);
  const closed = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  const ready = new Promise<boolean>((resolve) => {
    let seen = "";
    collect(child, (text) => {
      seen = `${seen}${text}`.slice(-4096);
      if (isReady.test(seen)) resolve(true);
    });
    void closed.then(() => resolve(false));
    setTimeout(() => resolve(false), timeoutMs).unref();
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
  };
  if (await ready) return { pid: child.pid, stop };
  await stop();
  return null;
}
