// Dumps as people send them: with and without domain, between decoded lines, cut, repeated.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatBdf } from "../model/bdf.ts";
import type { Dump } from "./dump.ts";
import { parseDump, parseLspci } from "./dump.ts";

const row = (offset: number, first: number): string => {
  const values = Array.from({ length: 16 }, (_, index) => (first + index) & 0xff);
  const digits = values.map((value) => value.toString(16).padStart(2, "0")).join(" ");
  return `${offset.toString(16).padStart(2, "0")}: ${digits}`;
};

/** Functions as `address:length`, then problem codes with their lines. */
const summary = ({ functions, problems }: Dump): string =>
  [
    ...functions.map(({ bdf, bytes }) => `${bdf === null ? "?" : formatBdf(bdf)}/${bytes.length}`),
    ...[...functions.flatMap((each) => each.problems), ...problems].map(
      ({ code, where }) => `${code} ${where}`,
    ),
  ].join(", ");

const check = (lines: readonly string[], expected: string): void =>
  assert.equal(summary(parseLspci(lines.join("\n"))), expected);

test("several functions, with and without a domain", () => {
  const bytes = [row(0, 0), row(0x10, 16)];
  check(
    ["3b:00.0 Ethernet controller: X", ...bytes, "", "10000:01:1f.7 VF", ...bytes, ""],
    "0000:3b:00.0/32, 10000:01:1f.7/32",
  );
});

test("decoded lines between heading and bytes are left alone", () => {
  check(
    [
      "0000:01:00.0 Ethernet controller: Intel 82576 (rev 01)",
      "\tControl: I/O- Mem+ BusMaster+",
      "\tCapabilities: [100 v1] Advanced Error Reporting",
      "\t\tHeaderLog: 00000000 00000000 00000000 00000000",
      "\tKernel driver in use: igb",
      row(0, 0),
      "# a remark",
      "add: an expansion card",
      row(0x10, 16),
    ],
    "0000:01:00.0/32",
  );
});

test("bytes keep their order and Windows line ends do no harm", () => {
  const { functions } = parseLspci(`01:00.0 X\r\n${row(0, 1)}\r\n`);
  assert.deepEqual(
    [...(functions[0]?.bytes ?? [])],
    Array.from({ length: 16 }, (_, at) => at + 1),
  );
});

test("offsets of three digits follow those of two", () => {
  const lines = Array.from({ length: 256 }, (_, index) => row(index * 16, index));
  check(["01:00.0 X", ...lines], "0000:01:00.0/4096");
});

test("bytes without a heading belong to an unknown function", () => {
  check([row(0, 0)], "?/16");
});

test("a heading without bytes is no function", () => {
  check(["01:00.0 X", "\tControl: I/O-", "01:00.1 X", row(0, 0)], "0000:01:00.1/16");
});

test("a gap ends the function where it is", () => {
  check(
    ["01:00.0 X", row(0, 0), row(0x20, 0), row(0x30, 0), "01:00.1 X", row(0, 0)],
    "0000:01:00.0/16, 0000:01:00.1/16, dump-gap line 3",
  );
});

test("a line that is not whole ends the function where it is", () => {
  check(["01:00.0 X", row(0, 0), "10: 00 11 2"], "0000:01:00.0/16, dump-line line 3");
  check(["01:00.0 X", "00: zz 11"], "0000:01:00.0/0, dump-line line 2");
});

test("more than 4096 bytes are a problem", () => {
  const lines = Array.from({ length: 257 }, (_, index) => row(index * 16, index));
  check(["01:00.0 X", ...lines], "0000:01:00.0/4096, dump-too-long line 258");
});

test("a text without bytes says what was wanted", () => {
  check(["01:00.0 X", "\tControl: I/O-"], "dump-empty line 1");
});

test("a binary file is one function, at the address that its reader knows", () => {
  const bdf = { domain: 0, routingId: 0x100 };
  const binary = Uint8Array.from({ length: 256 }, (_, at) => at);
  assert.equal(summary(parseDump(binary, bdf)), "0000:01:00.0/256");
  assert.equal(summary(parseDump(new Uint8Array(256).fill(0xff), null)), "?/256");
  assert.equal(summary(parseDump(new Uint8Array(5000), null)), "?/4096, dump-too-long byte 4096");
  assert.equal(summary(parseDump(new Uint8Array(0), null)), "dump-empty byte 0");
});

test("any text and any bytes parse to something of at most 4096 bytes each", () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom("01:00.0 X", "fffff:ff:1f.7", row(0, 0), row(0x10, 0), "00: 1", "fff: 00"),
  );
  fc.assert(
    fc.property(fc.array(line), fc.uint8Array(), (lines, bytes) => {
      for (const dump of [parseLspci(lines.join("\n")), parseDump(bytes, null)]) {
        assert(dump.functions.every((each) => each.bytes.length <= 4096));
        assert.equal(dump.functions.length === 0, dump.problems.length > 0);
      }
    }),
  );
});
