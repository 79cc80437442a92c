// Programs that adapters ask to change or tell something: virsh, ip, docker. Words, never a shell line;
// whoever starts them (host/linux/command.ts) bounds time and output. What one refuses comes
// out as its own words.

import { SriovError } from "../model/errors.ts";

export type ProgramOutput = {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly end:
    | { readonly status: "exited"; readonly exitCode: number }
    | { readonly status: "cut" | "not-started"; readonly why: string };
};

type ProgramLimits = {
  readonly deadlineMs: number;
  readonly bytesMax: number;
  /** Descriptors that the program gets as 3, 4 ... */
  readonly inherited?: readonly number[];
  /** Ends it early. */
  readonly signal?: AbortSignal;
};

export type RunProgram = (
  words: readonly string[],
  limits: ProgramLimits,
) => Promise<ProgramOutput>;

const linesMax = 3;

/** What went wrong, in the program's own words; null where nothing did. */
export function refusalWords({ end, stderr, stdout }: ProgramOutput): string | null {
  if (end.status !== "exited") return end.why;
  if (end.exitCode === 0) return null;
  const said = [stderr, stdout].map((bytes) => bytes.toString("utf8").trim());
  const lines = (said.find((text) => text !== "") ?? "").split("\n").slice(0, linesMax);
  return lines.join("; ") || `exit code ${end.exitCode}`;
}

type Asked = {
  /** Of the sentence `Cannot OPERATION TARGET`. */
  readonly operation: string;
  readonly target: string;
  readonly hint?: string;
};

/** Throws `consumer-refused` with the program's words. */
export function said(output: ProgramOutput, program: string, asked: Asked): string {
  const words = refusalWords(output);
  if (words === null) return output.stdout.toString("utf8");
  const { operation, target } = asked;
  const message = `Cannot ${operation} ${target}: ${program} says ${words}`;
  throw new SriovError("consumer-refused", message, asked);
}
