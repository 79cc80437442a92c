// Programs that adapters ask to change or tell something: virsh, ip, docker. Words, never a shell line;
// whoever starts them (host/linux/command.ts) bounds time and output.

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
  /** Ends it early. */
  readonly signal?: AbortSignal;
};

export type RunProgram = (
  words: readonly string[],
  limits: ProgramLimits,
) => Promise<ProgramOutput>;
