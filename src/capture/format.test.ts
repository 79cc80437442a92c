// The capture file: whatever was read comes back as it was, and whatever somebody made of the file
// is refused or used in part.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Evidence, FileAnswer } from "./evidence.ts";
import { parseEvidence, printEvidence } from "./format.ts";

const byteText = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
const word = byteText.filter((text) => text !== "" && !text.includes("\n"));
const path = fc
  .array(
    word.filter((text) => !text.includes("/")),
    { minLength: 1, maxLength: 4 },
  )
  .map((pieces) => `/${pieces.join("/")}`);

const fileAnswer: fc.Arbitrary<FileAnswer> = fc.oneof(
  byteText.map((text) => ({ kind: "text", text }) as const),
  fc.uint8Array({ maxLength: 4096 }).map((bytes) => ({ kind: "bytes", bytes }) as const),
  word.map((target) => ({ kind: "link", target }) as const),
  fc.uniqueArray(word).map((names) => ({ kind: "names", names }) as const),
  fc
    .constantFrom("ENOENT", "EACCES", "LATE", "errno 999")
    .map((errno) => ({ kind: "failed", errno }) as const),
);

const plain = { noNullPrototype: true } as const;

const header = fc.record(
  {
    madeBy: word,
    at: word,
    identifiers: fc.constantFrom("raw" as const, "replaced" as const),
    user: fc.constantFrom("root" as const, "other" as const),
    isCut: fc.boolean(),
  },
  plain,
);

const evidence: fc.Arbitrary<Evidence> = fc.record(
  {
    header,
    files: fc.array(fc.tuple(path, fileAnswer)).map((entries) => new Map(entries)),
    answers: fc
      .array(fc.tuple(word, fc.array(byteText.map((text) => text.replaceAll("\n", " ")))))
      .map((entries) => new Map(entries)),
  },
  plain,
);

test("what was read comes back as it was, and prints the same again", () => {
  fc.assert(
    fc.property(evidence, (given) => {
      const text = printEvidence(given);
      assert.match(text, /^[\n -~]*$/);
      const parsed = parseEvidence(text, "a");
      assert.deepEqual(parsed?.problems, []);
      assert.deepEqual(parsed?.evidence, given);
      assert.equal(printEvidence(parsed.evidence), text);
    }),
    { numRuns: 200 },
  );
});

test("a capture with carriage returns, blank lines and remarks is the same capture", () => {
  fc.assert(
    fc.property(evidence, (given) => {
      const [head = "", ...lines] = printEvidence(given).split("\n");
      const text = [head, "# a remark", "", ...lines].join("\r\n");
      assert.deepEqual(parseEvidence(text, "a")?.evidence, given);
    }),
    { numRuns: 50 },
  );
});

test("a cut or damaged capture never throws, and says that it is not whole", () => {
  fc.assert(
    fc.property(evidence, fc.nat(), fc.string({ unit: "binary" }), (given, at, noise) => {
      const text = printEvidence(given);
      const cut = text.slice(0, at % text.length);
      const parsed = parseEvidence(cut, "a");
      assert.ok(parsed === null || cut.length === text.length - 1 || parsed.problems.length > 0);
      const place = at % text.length;
      parseEvidence(`${text.slice(0, place)}${noise}${text.slice(place)}`, "a");
    }),
    { numRuns: 60 },
  );
});

test("what is no capture, or one of another version, is refused", () => {
  for (const text of [
    "",
    "garbage",
    "\0\0\0",
    "sriovctl-capture/3\nend 0\n",
    "sriovctl-capture/11",
  ]) {
    assert.equal(parseEvidence(text, "a"), null, text);
  }
});

test("lines that are no entries are problems with their place, not too many of them", () => {
  const lines = [
    "sriovctl-capture/1",
    "file relative = x",
    "data /a 9999",
    "data /a 4",
    "  ffe: 00 00",
    "link /a b",
    "fail /a no errno",
    `file /long = ${"x".repeat(2 << 20)}`,
    ...Array.from({ length: 50 }, () => "strange"),
    "end 0",
  ];
  const parsed = parseEvidence(lines.join("\n"), "a");
  assert.equal(parsed?.evidence.files.size, 0);
  assert.equal(parsed.problems.length, 21);
  assert.match(parsed.problems[0]?.message ?? "", /line 2 of a: it is no entry of a capture/);
  assert.ok(parsed.problems.some(({ message }) => /line 8 of a: it has 2097165/.test(message)));
  assert.match(parsed.problems.at(-1)?.message ?? "", /^36 more/);
});
