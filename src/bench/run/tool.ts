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

/** `files` are descriptors that it has as 3 and on. */
function start(
  [name = "", ...args]: readonly string[],
  stdin: "ignore" | "pipe" = "ignore",
  files: readonly number[] = [],
): ChildProcess {
  const program = findProgram(name) ?? name;
  const guard = findProgram("setpriv");
  const [command = program, ...prefix] =
    guard === null ? [program] : [guard, "--pdeathsig", "KILL", program];
  return spawn(command, [...prefix, ...args], {
    stdio: [stdin, "pipe", "pipe", ...files],
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

export type Server = {
  readonly pid: number | undefined;
  /** Writes to its standard input and waits for an answer that matches; null: none came in time. */
  ask(words: string, answer: RegExp): Promise<string | null>;
  /** Whether it prints what matches, or has lately. */
  says(pattern: RegExp, timeoutMs: number): Promise<boolean>;
  /** What it printed last. */
  lastWords(): string;
  stop(): Promise<void>;
};

const answerTimeoutMs = 30_000;

type Started =
  | { readonly server: Server; readonly words: null }
  /** What it said last. */
  | { readonly server: null; readonly words: string };

type ServerWish = {
  readonly isReady: RegExp;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Descriptors that it is given. */
  readonly files?: readonly number[];
};

/** Starts it and waits for the words that it is ready with. */
export async function startServer(
  argv: readonly string[],
  { isReady, timeoutMs, signal, files }: ServerWish,
): Promise<Started> {
  const child = start(argv, "pipe", files);
  // It may end while it is written to.
  child.stdin?.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  let seen = "";
  let look = (): void => {};
  collect(child, (text) => {
    // A serial console ends its lines with both.
    seen = `${seen}${text.replaceAll("\r", "")}`.slice(-4096);
    look();
  });
  const saw = (pattern: RegExp, deadlineMs: number): Promise<string | null> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), deadlineMs);
      const settle = (found: string | null): void => {
        clearTimeout(timer);
        resolve(found);
      };
      look = () => {
        const [found] = pattern.exec(seen) ?? [];
        if (found !== undefined) settle(found);
      };
      void closed.then(() => settle(null));
      look();
    });
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
  };
  const ask: Server["ask"] = async (words, answer) => {
    seen = "";
    child.stdin?.write(words);
    return saw(answer, answerTimeoutMs);
  };
  const says: Server["says"] = async (pattern, deadlineMs) =>
    (await saw(pattern, deadlineMs)) !== null;
  const lastWords = (): string => {
    const words = seen.trim().split("\n").at(-1) ?? "";
    return words === "" ? "it ended, or was not ready in time" : words.slice(0, 300);
  };
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  if (await says(isReady, timeoutMs)) {
    return { server: { pid: child.pid, ask, says, lastWords, stop }, words: null };
  }
  const words = lastWords();
  await stop();
  return { server: null, words };
}
