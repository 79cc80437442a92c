// Reads what the command line names, `-` being standard input, up to a bound: /dev/zero ends too.

import { closeSync, openSync, readSync } from "node:fs";
import { SriovError } from "../model/errors.ts";
import { errnoOf, readErrorOf } from "../model/file-error.ts";

/** Of a spec, or a text dump of some 4,000 functions; beyond it, the file is something else. */
export const maxFileBytes = 64 * 1024 * 1024;

const chunkBytes = 64 * 1024;

/** The whole file; null where that is more than `limit` bytes. Throws what Node throws. */
export function readUpTo(path: string, limit: number): Uint8Array | null {
  const descriptor = path === "-" ? 0 : openSync(path, "r");
  try {
    const chunks: Uint8Array[] = [];
    let total = 0;
    // sysfs does not tell a `config` file's readable length, so this reads until nothing comes.
    for (;;) {
      const chunk = Buffer.alloc(chunkBytes);
      const count = readSync(descriptor, chunk);
      if (count === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, count));
      total += count;
      if (total > limit) return null;
    }
  } finally {
    if (descriptor !== 0) closeSync(descriptor);
  }
}

/** Throws SriovError `file-unreadable`. */
export function readText(path: string, limit: number): string {
  const name = path === "-" ? "standard input" : path;
  const refuse = (reason: string, cause?: unknown): SriovError => {
    const detail = { operation: "read file", target: name, errno: errnoOf(cause), cause };
    return new SriovError("file-unreadable", `Cannot read ${name}: ${reason}`, detail);
  };
  let bytes: Uint8Array | null;
  try {
    bytes = readUpTo(path, limit);
  } catch (cause) {
    throw refuse(readErrorOf(cause), cause);
  }
  if (bytes === null) throw refuse(`it has more than ${limit} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse("it is not UTF-8 text", cause);
  }
}
