// The journal as text: what is written is read back, a torn end is tolerated, other damage is
// said, whatever bytes come. The fixture under fixtures/ was written by version 1 of the format.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Action } from "../model/action.ts";
import { decodeJournal, type DecodedJournal } from "./journal-decode.ts";
import {
  formatEntry,
  isOpen,
  type ActionState,
  type Journal,
  type JournalEntry,
  type JournalHeader,
} from "./journal.ts";

const pf = "0000:3b:00.0";

const action = (id: string): Action => ({
  id,
  change: { kind: "create-vfs", pf, numVfs: 4 },
  target: pf,
  adapter: "nic0",
  because: "4 VFs wanted",
  disrupts: [],
  inverse: [{ kind: "remove-vfs", pf }],
});

const header: JournalHeader = {
  entry: "header",
  format: "sriovctl-journal/2",
  host: { name: "emulated:demo", machineId: "m", bootId: "b", kernelRelease: "6.12.0" },
  startedAt: "2026-08-01T10:15:00.000Z",
  command: "sriovctl apply -f spec.yaml",
  pid: 7,
  keepGoing: false,
  consent: ["vm:web1"],
  actions: [action("a1"), action("a2"), action("a3")],
  before: [],
};

const bytesOf = (...entries: readonly (JournalHeader | JournalEntry)[]): Buffer =>
  Buffer.from(entries.map(formatEntry).join(""));

const decode = (bytes: Uint8Array): DecodedJournal => decodeJournal("1", bytes, "/j/1.jsonl");

function journalOf(bytes: Uint8Array): Journal {
  const decoded = decode(bytes);
  assert.equal(decoded.kind, "journal");
  return (decoded as { readonly journal: Journal }).journal;
}

const intent = (direction: "do" | "undo", ...actions: readonly string[]): JournalEntry => ({
  entry: "intent",
  direction,
  actions,
});

const result = (
  direction: "do" | "undo",
  results: Readonly<Record<string, "done" | "failed" | "undone" | "undo-failed" | "stuck">>,
): JournalEntry => ({
  entry: "result",
  direction,
  results: Object.entries(results).map(([name, value]) => ({ action: name, result: value })),
});

const end = (outcome: "done" | "stuck" | "undone"): JournalEntry => ({
  entry: "end",
  at: "2026-08-01T10:16:00.000Z",
  outcome,
});

const resumed: JournalEntry = {
  entry: "resumed",
  at: "2026-08-01T11:00:00.000Z",
  command: "sriovctl recover",
  pid: 8,
  direction: "undo",
  consent: ["vm:db1"],
};

const replays: readonly {
  readonly name: string;
  readonly entries: readonly JournalEntry[];
  readonly states: readonly ActionState[];
  readonly isOpen: boolean;
}[] = [
  {
    name: "a header alone has begun nothing",
    entries: [],
    states: ["not-run", "not-run", "not-run"],
    isOpen: true,
  },
  {
    name: "an intent without a result leaves the action in doubt",
    entries: [intent("do", "a1"), result("do", { a1: "done" }), intent("do", "a2")],
    states: ["done", "doing", "not-run"],
    isOpen: true,
  },
  {
    name: "an end closes",
    entries: [intent("do", "a1", "a2"), result("do", { a1: "done", a2: "failed" }), end("done")],
    states: ["done", "failed", "not-run"],
    isOpen: false,
  },
  {
    name: "a stuck end does not close",
    entries: [intent("do", "a1"), result("do", { a1: "stuck" }), end("stuck")],
    states: ["stuck", "not-run", "not-run"],
    isOpen: true,
  },
  {
    name: "resuming opens again",
    entries: [intent("do", "a1"), result("do", { a1: "done" }), end("done"), resumed],
    states: ["done", "not-run", "not-run"],
    isOpen: true,
  },
  {
    name: "undo goes through doubt to undone",
    entries: [
      intent("do", "a1", "a2"),
      result("do", { a1: "done", a2: "done" }),
      intent("undo", "a2"),
      result("undo", { a2: "undone" }),
      intent("undo", "a1"),
    ],
    states: ["undoing", "undone", "not-run"],
    isOpen: true,
  },
];

for (const { name, entries, states, isOpen: open } of replays) {
  test(`replaying a journal: ${name}`, () => {
    const journal = journalOf(bytesOf(header, ...entries));
    assert.deepEqual([...journal.states.values()], states);
    assert.equal(isOpen(journal), open);
  });
}

test("replaying a journal: consent given on resuming is added", () => {
  assert.deepEqual(journalOf(bytesOf(header, resumed)).consent, ["vm:web1", "vm:db1"]);
});

test("a journal torn at any byte keeps every whole line before it", () => {
  const whole = bytesOf(header, intent("do", "a1"), result("do", { a1: "done" }), end("done"));
  for (let length = 0; length < whole.length; length++) {
    const torn = whole.subarray(0, length);
    const decoded = decode(torn);
    const numLines = torn.filter((byte) => byte === 0x0a).length;
    assert.equal(decoded.kind, numLines === 0 ? "unborn" : "journal");
    if (decoded.kind !== "journal") continue;
    assert.equal(decoded.journal.soundBytes, torn.lastIndexOf(0x0a) + 1);
    assert.equal(decoded.journal.states.get("a1"), ["not-run", "doing", "done"][numLines - 1]);
    assert.equal(decoded.journal.outcome, null);
  }
});

const damages: readonly (readonly [name: string, text: string, code: string, where: string])[] = [
  ["an empty line", "\n", "journal-damaged", "/j/1.jsonl:1"],
  ["another document", '{"format":"sriovctl-plan/1"}\n', "journal-damaged", "/j/1.jsonl:1"],
  ["a newer format", '{"format":"sriovctl-journal/4"}\n', "journal-newer", "/j/1.jsonl"],
  ["bytes that are no text", "\u0000\n", "journal-damaged", "/j/1.jsonl:1"],
  [
    "garbage between two lines",
    `${formatEntry(header)}garbage\n${formatEntry(end("done"))}`,
    "journal-damaged",
    "/j/1.jsonl:2",
  ],
  [
    "an entry of an unknown kind",
    `${formatEntry(header)}{"entry":"surprise"}\n`,
    "journal-damaged",
    "/j/1.jsonl:2",
  ],
  [
    "an action whose change is no change",
    formatEntry(header).replaceAll("create-vfs", "toString"),
    "journal-damaged",
    "/j/1.jsonl:1",
  ],
];

for (const [name, text, code, where] of damages) {
  test(`a journal with ${name} is a problem`, () => {
    const decoded = decode(Buffer.from(text));
    assert.equal(decoded.kind, "damaged");
    if (decoded.kind !== "damaged") return;
    assert.equal(decoded.problem.code, code);
    assert.equal(decoded.problem.where, where);
    const [, line = "1"] = where.split(":");
    const numLines = text.split("\n").length - 1;
    const words = line === "1" ? "" : `line ${line} of ${numLines} is damaged`;
    assert.match(decoded.problem.message, new RegExp(words));
  });
}

test("decoding a journal never throws, whatever bytes are changed", () => {
  const whole = bytesOf(header, intent("do", "a1"), result("do", { a1: "done" }), resumed);
  const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(edits, (changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      const decoded = decode(bytes);
      if (decoded.kind === "damaged") assert.match(decoded.problem.message, /^Cannot read/);
    }),
  );
});

test("a journal of format version 2 is read, with the window in which it was confirmed", () => {
  const path = join(import.meta.dirname, "fixtures", "journal-2.jsonl");
  const journal = journalOf(readFileSync(path));
  assert.equal(journal.outcome, "done");
  assert.deepEqual(journal.window, {
    state: "confirmed",
    at: "2026-01-01T00:00:04.000Z",
    withinMs: 90_000,
    deadlineMs: 1_091_200,
    error: null,
  });
});

test("a journal of format version 1 is read", () => {
  const path = join(import.meta.dirname, "fixtures", "journal-1.jsonl");
  const journal = journalOf(readFileSync(path));
  assert.equal(journal.outcome, "done");
  assert.deepEqual(new Set(journal.states.values()), new Set(["done"]));
  assert.equal(journal.header.before.length, 1);
});
