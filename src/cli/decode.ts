// `sriovctl decode FILE...` up to printing: reads each file, finds the functions in it, decodes
// them. A file that cannot be read or holds no config bytes is a problem of that file; the others
// are decoded all the same. decode-json.ts and decode-text.ts show the result.

import { basename, dirname } from "node:path";
import type { Bdf } from "../model/bdf.ts";
import { parseBdf } from "../model/bdf.ts";
import { readErrorOf } from "../model/file-error.ts";
import type { Problem } from "../model/problem.ts";
import { decodeFunction } from "../pci/decode-function.ts";
import { parseDump } from "../pci/dump.ts";
import type { FunctionConfig } from "../pci/function-config.ts";
import { maxFileBytes, readUpTo } from "./read-file.ts";

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
    const bytes = readUpTo(file, maxFileBytes);
    return bytes === null ? problemOf(`it has more than ${maxFileBytes} bytes`) : { bytes };
  } catch (error) {
    return problemOf(readErrorOf(error));
  }
}
