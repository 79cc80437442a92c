// Tar archives (POSIX.1-1988 ustar) that are the same bytes for the same files: entries in the
// order given, owned by root, all of one time.

import { gzipSync } from "node:zlib";

export type TarEntry = {
  /** Relative, at most 100 bytes. */
  readonly path: string;
  readonly content: Uint8Array;
  /** 0o755 or 0o644. */
  readonly mode: number;
};

const blockBytes = 512;

const octal = (value: number, digits: number): string =>
  `${value.toString(8).padStart(digits - 1, "0")}\0`;

/** Offset and text of each field that is not zero bytes. */
function headerFields({ path, content, mode }: TarEntry, timeS: number): [number, string][] {
  return [
    [0, path],
    [100, octal(mode, 8)],
    [108, octal(0, 8)],
    [116, octal(0, 8)],
    [124, octal(content.length, 12)],
    [136, octal(timeS, 12)],
    [148, " ".repeat(8)], // the checksum counts itself as spaces
    [156, "0"],
    [257, "ustar\x0000"],
    [265, "root"],
    [297, "root"],
  ];
}

function header(entry: TarEntry, timeS: number): Buffer {
  if (Buffer.byteLength(entry.path) > 100) {
    throw new Error(`Cannot pack ${entry.path}: its path is longer than 100 bytes`);
  }
  const block = Buffer.alloc(blockBytes);
  for (const [offset, text] of headerFields(entry, timeS)) block.write(text, offset, "utf8");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 7)} `, 148, "latin1");
  return block;
}

/** `timeS`: modification time of every entry, in seconds since 1970. */
function tarOf(entries: readonly TarEntry[], timeS: number): Buffer {
  const parts = entries.flatMap((entry) => [
    header(entry, timeS),
    entry.content,
    Buffer.alloc((blockBytes - (entry.content.length % blockBytes)) % blockBytes),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

/** A gzip member without a name or time (RFC 1952): Node writes neither. */
export const tarGzOf = (entries: readonly TarEntry[], timeS: number): Buffer =>
  gzipSync(tarOf(entries, timeS), { level: 6 });
