// Runs the whole program inside a test: arguments in; exit code and what it printed out. Nothing
// of it touches the machine: state goes where the test says, and hosts are emulated ones, or what
// the test wires.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { hosts } from "../src/bin/hosts.ts";
import type { Wiring } from "../src/cli/context.ts";
import type { Io } from "../src/cli/io.ts";
import type { Sink } from "../src/cli/sink.ts";
import { main } from "../src/cli/main.ts";

type ProgramSetting = Partial<Wiring> & {
  readonly env?: Readonly<Record<string, string>>;
  /** Answers of the person at the terminal; without it nobody is there. */
  readonly answers?: readonly string[];
};

type ProgramRun = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** A folder that goes with the test. */
export function temporaryDirectory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "sriovctl-test-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Environment that keeps everything a run writes inside `directory`. */
export const stateIn = (directory: string): Record<string, string> => ({
  SRIOVCTL_RUN_DIR: join(directory, "run"),
  SRIOVCTL_STATE_DIR: join(directory, "state"),
  SRIOVCTL_CONFIG_DIR: join(directory, "config"),
  // A test that is about confirming says so itself.
  SRIOVCTL_CONFIRM_WITHIN: "off",
});

export async function runProgram(
  argv: readonly string[],
  { env = {}, answers, ...wiring }: ProgramSetting = {},
): Promise<ProgramRun> {
  const chunks = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof chunks): Sink => ({
    write: (text) => {
      chunks[name] += text;
    },
    isTerminal: false,
    columns: 100,
  });
  const left = [...(answers ?? [])];
  const io: Io = {
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    env,
    isRoot: false,
    ask: answers === undefined ? null : async () => left.shift() ?? "",
    askWithin: answers === undefined ? null : async () => left.shift() ?? null,
    onInterrupt: () => () => {},
  };
  const exitCode = await main(argv, io, { ...hosts, ...wiring });
  return { exitCode, ...chunks };
}
