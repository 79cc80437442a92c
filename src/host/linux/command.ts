// Runs a program that only tells something: words, never a shell line; what it says is bounded in
// time and size, and one that does not answer is left behind, since a thread or process that waits
// for a kernel lock cannot be killed.

type CommandEnd =
  | { readonly status: "exited"; readonly exitCode: number }
  /** Not answered in time, or more output than was asked for. */
  | { readonly status: "cut"; readonly why: string }
  | { readonly status: "not-started"; readonly why: string };

export type CommandOutput = {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly end: CommandEnd;
};

type CommandLimits = {
  readonly deadlineMs: number;
  readonly bytesMax: number;
  /** Cuts it early. */
  readonly signal?: AbortSignal;
  /** Descriptors that it gets as 3, 4 ... */
  readonly inherited?: readonly number[];
};

/** Programs that tell of hardware are not in every user's PATH. */
const programFolders = "/usr/sbin:/sbin:/usr/bin:/bin";

export async function runCommand(
  [command = "", ...words]: readonly string[],
  { deadlineMs, bytesMax, signal, inherited = [] }: CommandLimits,
): Promise<CommandOutput> {
  // Most inventories need no child, and loading this costs as much as reading thirty VFs.
  const { spawn } = await import("node:child_process");
  return await new Promise((resolve) => {
    const { PATH } = process.env;
    const env = { ...process.env, LC_ALL: "C", PATH: `${PATH ?? ""}:${programFolders}` };
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    // The type of spawn() that promises pipes has no room for a fourth.
    (stdio as unknown[]).push(...inherited);
    const child = spawn(command, words, { stdio, detached: true, env });
    const said: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    let bytes = 0;
    const finish = (end: CommandEnd): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abandon);
      child.kill("SIGKILL");
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      const [stdout, stderr] = [Buffer.concat(said.stdout), Buffer.concat(said.stderr)];
      resolve({ stdout, stderr, end });
    };
    const cut = (why: string): void => finish({ status: "cut", why });
    const timer = setTimeout(() => cut(`no answer in ${deadlineMs} ms`), deadlineMs);
    const abandon = (): void => cut("nobody waits for it any longer");
    signal?.addEventListener("abort", abandon);
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bytesMax) cut(`it says more than ${bytesMax} bytes`);
        else said[name].push(chunk);
      });
    }
    child.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "not installed" : (error.code ?? error.message);
      finish({ status: "not-started", why });
    });
    child.on("close", (exitCode) => finish({ status: "exited", exitCode: exitCode ?? -1 }));
  });
}
