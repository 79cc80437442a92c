// `sriovctl decode FILE...` up to printing: reads each file, finds the functions in it, decodes
// them. A file that cannot be read or holds no config bytes is a problem of that file; the others
// are decoded all the same. decode-json.ts and decode-text.ts show the result.

import { readErrorOf } from "./file-error.ts";
import { closeSync, openSync, readSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Bdf } from "../model/bdf.ts";
import { parseBdf } from "../model/bdf.ts";
import type { Problem } from "../model/problem.ts";
import { decodeFunction } from "../pci/decode-function.ts";
import { parseDump } from "../pci/dump.ts";
import type { FunctionConfig } from "../pci/function-config.ts";

export type DecodedFunction = {
  /** null where neither the dump nor the file's folder says. */
  readonly bdf: Bdf | null;
  readonly config: FunctionConfig;
  /** Why bytes of the dump were left out; problems of the bytes themselves are in `config`. */
  readonly dumpProblems: readonly Problem[];
};

export type DecodedFile = {
  /** As given on the command line. */
  readonly file: string;
  readonly functions: readonly DecodedFunction[];
  /** Why there is no function in it. */
  readonly problems: readonly Problem[];
};

/** A text dump of some 4,000 functions; beyond it, the file is something else (/dev/zero). */
const maxFileBytes = 64 * 1024 * 1024;

/** 2 where a file gave no function: the argument was wrong. Odd bytes are not a failure. */
export const decodeExitCode = (files: readonly DecodedFile[]): 0 | 2 =>
  files.some(({ problems }) => problems.length > 0) ? 2 : 0;

/** Decodes dumps (`lspci -x` text) and binary `config` files; `-` is standard input. */
export const decodeFiles = (paths: readonly string[]): DecodedFile[] => paths.map(decodeFile);

function decodeFile(file: string): DecodedFile {
  const read = readBytes(file);
  if (!("bytes" in read)) return { file, functions: [], problems: [read] };
  const dump = parseDump(read.bytes, bdfOfPath(file));
  const functions = dump.functions.map(({ bdf, bytes, problems }) => ({
    bdf,
    config: decodeFunction(bytes),
    dumpProblems: problems,
  }));
  return { file, functions, problems: dump.problems };
}

/** In sysfs a function's folder is its address: `.../0000:3b:00.0/config`. */
const bdfOfPath = (file: string): Bdf | null => parseBdf(basename(dirname(file)));

function readBytes(file: string): { readonly bytes: Uint8Array } | Problem {
  const problemOf = (reason: string): Problem => {
    const name = file === "-" ? "standard input" : file;
    return { code: "file-unreadable", where: file, message: `Cannot read ${name}: ${reason}` };
  };
  try {
    const descriptor = file === "-" ? 0 : openSync(file, "r");
    try {
      const bytes = readUpTo(descriptor, maxFileBytes);
      return bytes === null ? problemOf(`it has more than ${maxFileBytes} bytes`) : { bytes };
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch (error) {
    return problemOf(readErrorOf(error));
  }
}

/** Everything up to the end of the file; null where that is more than `limit` bytes. sysfs does
 * not tell a `config` file's readable length beforehand, so this reads until nothing comes. */
function readUpTo(descriptor: number, limit: number): Uint8Array | null {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.alloc(64 * 1024);
    const count = readSync(descriptor, chunk);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    total += count;
    if (total > limit) return null;
  }
}
