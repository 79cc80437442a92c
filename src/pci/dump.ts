// Config space as files hold it: the text of `lspci -x`, `-xxx` or `-xxxx`, alone or between lspci's
// decoded lines, many functions a file; or the raw bytes of one function's `config`.
//
//   0000:3b:00.0 Ethernet controller: ...        a function begins
//   00: 86 80 92 15 46 05 10 00 ...              its bytes, which continue without a gap
//   	Capabilities: [40] Power Management ...     anything else is left alone

import type { Bdf } from "../model/bdf.ts";
import { parseBdf } from "../model/bdf.ts";
import type { Problem } from "../model/problem.ts";
import { configSpaceBytes } from "./config-space.ts";

export type DumpedFunction = {
  /** null where the file does not say. */
  readonly bdf: Bdf | null;
  readonly bytes: Uint8Array;
  /** 1-based line of its heading; null in a binary file. */
  readonly line: number | null;
  /** Why bytes that follow in the file were not taken. */
  readonly problems: readonly Problem[];
};

export type Dump = {
  readonly functions: readonly DumpedFunction[];
  /** Why there is no function at all. In all problems `where` is `line N`, or `byte N` in a binary
   * file. */
  readonly problems: readonly Problem[];
};

const headingPattern = /^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7])(?:\s|$)/i;
const bytesPattern = /^([0-9a-f]{2,4}):((?: [0-9a-f]{2})+)\s*$/i;
/** A line of bytes by its beginning; it may also be prose (`add: a card`). */
const bytesLikePattern = /^([0-9a-f]{2,4}): ?\S\S(?: |$)/i;

/** No control bytes but white space, and no 0xff, which no text encoding in use here has. */
const looksLikeText = (bytes: Uint8Array): boolean =>
  bytes.every((byte) => (byte >= 0x20 && byte !== 0xff && byte !== 0x7f) || isSpace(byte));

const isSpace = (byte: number): boolean => byte >= 0x09 && byte <= 0x0d;

type Growing = { bdf: Bdf | null; line: number; bytes: number[]; problems: Problem[] };

export function parseLspci(text: string): Dump {
  const functions: DumpedFunction[] = [];
  let current: Growing | null = null;
  const close = (): void => {
    // A heading alone is lspci's decoded text, without bytes.
    if (current === null || current.bytes.length + current.problems.length === 0) return;
    functions.push({ ...current, bytes: Uint8Array.from(current.bytes) });
  };
  text.split(/\r?\n/).forEach((content, index) => {
    const line = index + 1;
    const heading = headingPattern.exec(content)?.[1];
    if (heading !== undefined) {
      close();
      current = { bdf: parseBdf(heading), line, bytes: [], problems: [] };
      return;
    }
    if (!bytesLikePattern.test(content)) return;
    current ??= { bdf: null, line, bytes: [], problems: [] };
    appendBytes(current, content, line);
  });
  close();
  if (functions.length > 0) return { functions, problems: [] };
  const message = "The file holds no config bytes: wanted the output of lspci -x, -xxx or -xxxx";
  return { functions, problems: [{ code: "dump-empty", where: "line 1", message }] };
}

/** Adds one line of bytes to a function. After a line that does not fit, the function takes no
 * more, since every later byte would be at a wrong offset. */
function appendBytes(current: Growing, content: string, line: number): void {
  if (current.problems.length > 0) return;
  const at = current.bytes.length;
  const report = (code: string, message: string): void => {
    current.problems.push({ code, where: `line ${line}`, message });
  };
  const match = bytesPattern.exec(content);
  if (match === null) {
    const claimed = Number.parseInt(bytesLikePattern.exec(content)?.[1] ?? "", 16);
    if (claimed !== at) return;
    report("dump-line", "The line begins like config bytes: wanted two digits a byte");
    return;
  }
  const offset = Number.parseInt(match[1] ?? "", 16);
  if (offset !== at) {
    const message = `Bytes at offset 0x${offset.toString(16)}: wanted those at 0x${at.toString(16)}`;
    report("dump-gap", message);
    return;
  }
  const values = (match[2] ?? "").trim().split(" ");
  if (at + values.length > configSpaceBytes) {
    report("dump-too-long", `Config space has ${configSpaceBytes} bytes: here are more`);
    return;
  }
  current.bytes.push(...values.map((value) => Number.parseInt(value, 16)));
}

/** One function's raw bytes; its address is not in them. */
function parseBinaryConfig(bytes: Uint8Array, bdf: Bdf | null): Dump {
  if (bytes.length === 0) {
    const message = "The file is empty: wanted 64 to 4096 bytes of config space";
    return { functions: [], problems: [{ code: "dump-empty", where: "byte 0", message }] };
  }
  const problems: Problem[] = [];
  if (bytes.length > configSpaceBytes) {
    const message = `The file has ${bytes.length} bytes: config space has ${configSpaceBytes}`;
    problems.push({ code: "dump-too-long", where: `byte ${configSpaceBytes}`, message });
  }
  const visible = bytes.slice(0, configSpaceBytes);
  return { functions: [{ bdf, bytes: visible, line: null, problems }], problems: [] };
}

/** Text or binary, by what the bytes look like. `bdf` names a binary file's function. */
export function parseDump(bytes: Uint8Array, bdf: Bdf | null): Dump {
  if (bytes.length === 0 || !looksLikeText(bytes)) return parseBinaryConfig(bytes, bdf);
  return parseLspci(new TextDecoder().decode(bytes));
}
