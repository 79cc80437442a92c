// A sink in a process of its own, because what it writes to is a descriptor that readers leave.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const sinkUrl = pathToFileURL(join(import.meta.dirname, "sink.ts")).href;

const numBytes = 3_000_000;

const program = (before: string): string => `
import { sinkOf } from ${JSON.stringify(sinkUrl)};
${before};
const onLoss = ({ code }) => process.stderr.write("lost " + code);
const sink = sinkOf({ fd: 1, openStream: () => process.stdout, onLoss });
for (let part = 0; part < 3; part++) sink.write("x".repeat(${numBytes / 3}));
process.stderr.write(sink.isTerminal ? "terminal" : "done");
`;

type Reader = "slow" | "gone" | number;

async function run(
  reader: Reader,
  before = "",
): Promise<[code: number, got: number, said: string]> {
  const words = ["--input-type=module", "-e", program(before)];
  const stdout = typeof reader === "number" ? reader : "pipe";
  const child = spawn(process.execPath, words, { stdio: ["ignore", stdout, "pipe"] });
  let [got, said] = [0, ""];
  child.stderr?.on("data", (text: Buffer) => (said += text.toString()));
  if (reader === "gone") child.stdout?.destroy();
  const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  if (reader === "slow") {
    await delay(300);
    child.stdout?.on("data", (bytes: Buffer) => (got += bytes.length));
  }
  return [await ended, got, said];
}

test("a slow reader gets everything", async () => {
  assert.deepEqual(await run("slow"), [0, numBytes, "done"]);
});

test("a descriptor that takes no more now gets the rest later", async () => {
  // Node makes the descriptor of a stream that does not block.
  assert.deepEqual(await run("slow", "process.stdout"), [0, numBytes, "done"]);
});

test("a reader that left is no failure, a full disk is", async () => {
  assert.deepEqual(await run("gone"), [0, 0, "done"]);
  const full = openSync("/dev/full", "w");
  try {
    const [, , said] = await run(full);
    assert.match(said, /lost ENOSPC/);
  } finally {
    closeSync(full);
  }
});
