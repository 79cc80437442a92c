// What a run of the program may touch of its surroundings, as one value: two streams, the
// environment, and a person to ask. `main(argv, io)` therefore runs the same in a test as in a
// shell. Nothing else in cli/ reads `process`.

import { type Sink, sinkOf } from "./sink.ts";

type AskWithin = (
  question: (leftMs: number) => string,
  leftMs: () => number,
) => Promise<string | null>;

export type Io = {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Decides between system folders and the user's own. */
  readonly isRoot: boolean;
  /** Asks the person at the terminal and returns the answer; null where nobody is there. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /**
   * Asks with a countdown: `question` is shown anew each second, until `leftMs` is no longer above
   * 0. null: nobody answered. As a whole null where nobody is there.
   */
  readonly askWithin: AskWithin | null;
  /** Calls back on the first Ctrl-C, SIGTERM or SIGHUP (the terminal went away); the next one
   * kills. Returns the way to stop. */
  onInterrupt(callback: () => void): () => void;
};

/** The work goes on (it may be an apply), but who asked for its output must not believe it whole. */
function noteLostOutput({ message }: Error): void {
  process.stderr.write(`error: Cannot write the output: ${message}\n`);
  process.once("exit", (code) => {
    if (code === 0) process.exitCode = 1;
  });
}

async function askOnTerminal(question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D ends the input without an answer: that is a no.
  const ended = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  try {
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}

const askWithinOnTerminal: AskWithin = async (question, leftMs) => {
  const { createInterface } = await import("node:readline");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return await new Promise((resolve) => {
    const end = (answer: string | null): void => {
      clearInterval(timer);
      terminal.off("close", leave);
      terminal.close();
      resolve(answer);
    };
    const show = (): void => {
      const left = leftMs();
      if (left <= 0) {
        process.stderr.write("\n");
        return end(null);
      }
      terminal.setPrompt(question(left));
      terminal.prompt(true);
    };
    const timer = setInterval(show, 1000);
    terminal.once("line", end);
    // Ctrl-C or Ctrl-D: what follows begins on a line of its own.
    const leave = (): void => {
      process.stderr.write("\n");
      end(null);
    };
    terminal.once("close", leave);
    show();
  });
};

function onInterrupt(callback: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  let isFirst = true;
  const stop = (): void => {
    for (const signal of signals) process.off(signal, listener);
  };
  // It stays for the second signal too: libraries that restore the cursor on exit end the process
  // themselves when they find that nobody else listens.
  const listener = (signal: NodeJS.Signals): void => {
    if (isFirst) {
      isFirst = false;
      callback();
    } else {
      stop();
      process.kill(process.pid, signal);
    }
  };
  for (const signal of signals) process.on(signal, listener);
  return stop;
}

const processStdout = (): Sink =>
  sinkOf({ fd: 1, openStream: () => process.stdout, onLoss: noteLostOutput });

const processStderr = (): Sink =>
  // There is no other place to say it.
  sinkOf({ fd: 2, openStream: () => process.stderr, onLoss: () => {} });

export function processIo(): Io {
  const stderr = processStderr();
  const hasPerson = (): boolean => stderr.isTerminal && process.stdin.isTTY === true;
  return {
    stdout: processStdout(),
    stderr,
    env: process.env,
    isRoot: process.geteuid?.() === 0,
    // Asked for when they are needed: standard input is a stream, and costs as much.
    get ask() {
      return hasPerson() ? askOnTerminal : null;
    },
    get askWithin() {
      return hasPerson() ? askWithinOnTerminal : null;
    },
    onInterrupt,
  };
}
