// stripElf() on Node's own binary's header: what is cut off is what no segment needs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stripElf } from "./dist-executable.ts";

/** An ELF file of one segment of 16 bytes at 128, followed by 100 bytes of symbols. */
function smallElf(): Buffer {
  const file = Buffer.alloc(244, 0xaa);
  file.fill(0, 0, 144);
  file.write("\x7fELF\x02\x01", 0, "latin1");
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeBigUInt64LE(144n, 40); // section headers
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(3, 60);
  file.writeBigUInt64LE(128n, 64 + 8);
  file.writeBigUInt64LE(16n, 64 + 32);
  return file;
}

test("the file ends with its last segment and has no sections", () => {
  const stripped = stripElf(smallElf());
  assert.equal(stripped.length, 144);
  assert.equal(stripped.readBigUInt64LE(40), 0n);
  assert.equal(stripped.readUInt16LE(60), 0);
});

test("what is no such file is refused", () => {
  assert.throws(() => stripElf(Buffer.from("#!/bin/sh")), /no 64-bit/);
  assert.throws(() => stripElf(smallElf().subarray(0, 140)), /segments end at 144/);
});
