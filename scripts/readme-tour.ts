// Keeps the output in README.md real: runs every `$ sriovctl ...` line of its `console` blocks, one
// after another on a fresh emulated machine, and puts what they print under them. `--check` only
// compares; the fast tests do that too.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hosts } from "../src/bin/hosts.ts";
import type { Io } from "../src/cli/io.ts";
import type { Sink } from "../src/cli/sink.ts";
import { main } from "../src/cli/main.ts";

const root = join(import.meta.dirname, "..");
const readme = join(root, "README.md");

/** Both streams in one, as a terminal shows them. */
async function outputOf(commandLine: string, directory: string): Promise<string> {
  let output = "";
  const sink: Sink = {
    write: (text) => {
      output += text;
    },
    isTerminal: false,
    columns: 100,
  };
  const io: Io = {
    stdout: sink,
    stderr: sink,
    env: {
      SRIOVCTL_RUN_DIR: join(directory, "run"),
      SRIOVCTL_STATE_DIR: join(directory, "state"),
      SRIOVCTL_CONFIG_DIR: join(directory, "config"),
    },
    isRoot: false,
    ask: null,
    askWithin: null,
    onInterrupt: () => () => {},
  };
  await main(commandLine.split(" ").slice(1), io, hosts);
  return output;
}

const blockPattern = /```console\n([\s\S]*?)```/g;

/** The text with every block run anew. */
export async function refreshTour(text: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "sriovctl-tour-"));
  const before = process.cwd();
  process.chdir(root); // the commands name files of the checkout
  try {
    const parts: string[] = [];
    let end = 0;
    for (const match of text.matchAll(blockPattern)) {
      const commands = (match[1] ?? "")
        .split("\n")
        .filter((line) => line.startsWith("$ sriovctl "));
      const outputs: string[] = [];
      for (const command of commands) {
        outputs.push(`${command}\n${await outputOf(command.slice(2), directory)}`);
      }
      parts.push(text.slice(end, match.index), "```console\n", outputs.join("\n"), "```");
      end = match.index + match[0].length;
    }
    return parts.join("") + text.slice(end);
  } finally {
    process.chdir(before);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A step that has ended, and the PF or VF that it was about. */
const stepPattern = /^[✔↩] (\S+)/;

const targetOf = (line: string): string => stepPattern.exec(line)?.[1] ?? "";

/** Steps that follow each other, those of each PF together and in their order. */
const inLanes = (steps: readonly string[]): string[] =>
  [...Map.groupBy(steps, targetOf)]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, lane]) => lane);

/**
 * What the tour prints each time. Times are as of the last refresh, and PFs run side by side, so
 * their steps end in any order beside the disk: neither is a reason for another refresh.
 */
export function comparable(text: string): string {
  const lines: string[] = [];
  let steps: string[] = [];
  for (const line of text.split("\n")) {
    if (stepPattern.test(line)) {
      steps.push(line);
      continue;
    }
    lines.push(...inLanes(steps), line);
    steps = [];
  }
  return [...lines, ...inLanes(steps)]
    .join("\n")
    .replaceAll(/(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d+Z)?\b/g, "TIME");
}

export const readTour = (): string => readFileSync(readme, "utf8");

if (import.meta.main) {
  const text = readTour();
  const fresh = await refreshTour(text);
  if (comparable(fresh) === comparable(text)) {
    console.log("README.md shows what the program prints");
  } else if (process.argv.includes("--check")) {
    console.error("README.md is not what the program prints: run node scripts/readme-tour.ts");
    process.exitCode = 1;
  } else {
    writeFileSync(readme, fresh);
    console.log("README.md: output refreshed");
  }
}
