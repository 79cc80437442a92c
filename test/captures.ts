// Reads captured netlink messages: text files of `[name]` lines, each followed by its bytes in
// hexadecimal. Captures are from little-endian machines.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes by name, in the order of the file. */
export function readCaptures(file: string): ReadonlyMap<string, Uint8Array> {
  const text = readFileSync(join(import.meta.dirname, "captures", file), "utf8");
  const blocks = text.split(/^\[(.+)\]$/m).slice(1);
  const captures = new Map<string, Uint8Array>();
  for (let index = 0; index < blocks.length; index += 2) {
    const hex = (blocks[index + 1] ?? "").replaceAll(/\s/g, "");
    captures.set(blocks[index] ?? "", Uint8Array.from(Buffer.from(hex, "hex")));
  }
  return captures;
}

export function capture(captures: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = captures.get(name);
  if (bytes === undefined) throw new Error(`no capture is named ${name}`);
  return bytes;
}
