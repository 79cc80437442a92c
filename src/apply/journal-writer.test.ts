// Writing the journal: order, sharing of writes, and silence after a failure.

import assert from "node:assert/strict";
import { test } from "node:test";
import { JournalWriter } from "./journal-writer.ts";
import type { JournalEntry } from "./journal.ts";

const intent = (id: string): JournalEntry => ({ entry: "intent", direction: "do", actions: [id] });

/** A disk whose writes end when told to; `fails` names the write that does not. */
function slowSink(fails: number | null = null) {
  const texts: string[] = [];
  const pending: (() => void)[] = [];
  return {
    texts,
    end: (): void => pending.shift()?.(),
    append: async (text: string): Promise<void> => {
      const number = texts.push(text) - 1;
      await new Promise<void>((resolve) => pending.push(resolve));
      if (number === fails) throw new Error("the disk is full");
    },
    close: async (): Promise<void> => {},
  };
}

const settle = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

const idsIn = (text: string): string[] => [...text.matchAll(/"(a\d+)"/g)].map(([, id]) => id ?? "");

test("what arrives while a write is under way shares the next one, in order", async () => {
  const sink = slowSink();
  const writer = new JournalWriter(sink);
  const first = writer.write(intent("a1"));
  await settle();
  const others = ["a2", "a3", "a4"].map(async (id) => await writer.write(intent(id)));
  await settle();
  assert.deepEqual(sink.texts.map(idsIn), [["a1"]]);
  sink.end();
  await first;
  await settle();
  assert.deepEqual(sink.texts.map(idsIn), [["a1"], ["a2", "a3", "a4"]]);
  sink.end();
  await Promise.all(others);
});

test("a write is not over before its bytes are on the disk", async () => {
  const sink = slowSink();
  const writer = new JournalWriter(sink);
  let isOver = false;
  const write = writer.write(intent("a1")).then(() => (isOver = true));
  await settle();
  assert.equal(isOver, false);
  sink.end();
  await write;
  assert.equal(isOver, true);
});

test("after a failed write nothing more reaches the disk", async () => {
  const sink = slowSink(0);
  const writer = new JournalWriter(sink);
  const first = writer.write(intent("a1"));
  await settle();
  const second = writer.write(intent("a2"));
  sink.end();
  await assert.rejects(first, /full/);
  await assert.rejects(second, /full/);
  await assert.rejects(writer.write(intent("a3")), /full/);
  assert.deepEqual(sink.texts.map(idsIn), [["a1"]]);
});
