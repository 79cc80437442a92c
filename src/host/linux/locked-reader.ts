// Reads attributes that take a device lock (driver_override, sriov_vf_total_msix, numvfs), which
// another process's stuck write holds for ever. No thread of ours may ask: a thread in that state
// cannot be killed and keeps the whole process from ending. So grep reads them in a child that is
// left behind at the deadline; it starts ten times faster than another Node.

import { runCommand } from "./command.ts";

/** So many paths fit in one argument list with room to spare. */
const pathsPerChild = 2000;

const outputBytesMax = 1 << 26;

/** Output of a reader that is left behind at the deadline; what it had said until then. */
export async function outputOf(
  command: string,
  commandArguments: readonly string[],
  deadlineMs: number,
): Promise<Buffer> {
  const limits = { deadlineMs, bytesMax: outputBytesMax };
  return (await runCommand([command, ...commandArguments], limits)).stdout;
}

/** First line of each file that could be read before the deadline, by path. */
export async function readLocked(
  paths: readonly string[],
  deadlineMs: number,
): Promise<ReadonlyMap<string, string>> {
  const chunks: (readonly string[])[] = [];
  for (let at = 0; at < paths.length; at += pathsPerChild) {
    chunks.push(paths.slice(at, at + pathsPerChild));
  }
  const outputs = await Promise.all(
    chunks.map((chunk) => outputOf("grep", ["-s", "-H", "--", "", ...chunk], deadlineMs)),
  );
  const wanted = new Set(paths);
  const texts = new Map<string, string>();
  for (const line of outputs
    .map((output) => output.toString("latin1"))
    .join("\n")
    .split("\n")) {
    // The path holds colons of its own (a BDF), so its end is looked for, not its first colon.
    const end = line.indexOf(":", line.lastIndexOf("/"));
    const path = line.slice(0, end);
    if (end > 0 && wanted.has(path) && !texts.has(path)) texts.set(path, line.slice(end + 1));
  }
  return texts;
}

/** Bytes of one file; empty when they did not come before the deadline. */
export const readLockedBytes = async (path: string, deadlineMs: number): Promise<Uint8Array> =>
  new Uint8Array(await outputOf("cat", ["--", path], deadlineMs));
