// The emulated demo as its example spec wants it, whose pools and labels are known: what a test of a whole
// command needs that attaches or leases VFs.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { runProgram, stateIn, temporaryDirectory } from "./run-program.ts";

export const demoSpec = join(import.meta.dirname, "../examples/demo.yaml");

export async function demoMachine(context: TestContext) {
  const root = temporaryDirectory(context);
  const env = stateIn(root);
  mkdirSync(join(root, "config"));
  copyFileSync(demoSpec, join(root, "config", "demo.yaml"));
  const run = async (line: string) =>
    await runProgram(["--host", "emulated:demo", ...line.split(" ")], { env });
  assert.equal((await run(`apply -f ${demoSpec} --yes`)).exitCode, 0);
  const faults = async (text: string) => {
    const path = join(root, "faults.yaml");
    writeFileSync(path, `format: sriovctl-faults/1\nfaults:\n  - ${text}\n`);
    assert.equal((await run(`demo --faults ${path}`)).exitCode, 0);
  };
  return { run, faults };
}

type Row = readonly [line: string, exitCode: number, says: RegExp];

/** Runs one line after the other; what each says is on either stream. */
export async function expectRows(
  run: Awaited<ReturnType<typeof demoMachine>>["run"],
  rows: readonly Row[],
): Promise<void> {
  for (const [line, exitCode, says] of rows) {
    const result = await run(line);
    assert.equal(result.exitCode, exitCode, `${line}: ${result.stderr}`);
    assert.match(result.stdout + result.stderr, says, line);
  }
}
