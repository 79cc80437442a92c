// Several applies of different specs started at once on one host: the lock lets one at a time
// through, the others are told who holds it or that their plan is stale, and what the last one
// wanted is what the host has.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { decodeJournal } from "../../src/apply/journal-decode.ts";
import { directoryStore } from "../../src/apply/journal-store.ts";
import { runProgram, stateIn } from "../run-program.ts";

const root = mkdtempSync(join(tmpdir(), "sriovctl-two-"));
after(() => rmSync(root, { recursive: true, force: true }));

const host = ["--host", "emulated:demo"];
const address = "0000:3b:00.0";
const program = join(import.meta.dirname, "..", "..", "bin", "sriovctl.js");

async function start(numVfs: number): Promise<{ numVfs: number; status: number; stderr: string }> {
  const path = join(root, `${numVfs}.json`);
  const physicalFunctions = [{ name: "p0", match: { address }, numVfs }];
  const spec = { apiVersion: "sriovctl/v1", adapters: [{ physicalFunctions }] };
  writeFileSync(path, JSON.stringify(spec));
  // A machine in real time, so that an apply takes long enough to be met by another.
  const argv = [program, ...host, "--speed", "4", "apply", "-f", path, "--yes"];
  const env = { ...process.env, ...stateIn(root) };
  const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "ignore", "pipe"] });
  const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  return { numVfs, status: Number(status), stderr };
}

test("of applies started at once, one runs and the others are told so", async () => {
  // The machine is made first: that is not what is raced for here.
  assert.equal((await runProgram([...host, "list"], { env: stateIn(root) })).exitCode, 0);
  const runs = await Promise.all([2, 3, 4, 5].map(start));
  const done = runs.filter(({ status }) => status === 0);
  assert.ok(done.length > 0, runs.map(({ stderr }) => stderr).join("\n"));
  const refused = runs.filter(({ status }) => status !== 0);
  assert.ok(refused.length > 0, "nobody met anybody: nothing was tested");
  for (const { stderr } of refused)
    assert.match(stderr, /An apply is running|holds it|changed since/);

  const store = directoryStore(join(root, "state", "emulated", "demo", "journal"));
  const journals = store.ids().map((id) => {
    const decoded = decodeJournal(id, store.read(id), id);
    return decoded.kind === "journal" ? decoded.journal : assert.fail(`${id} is ${decoded.kind}`);
  });
  assert.deepEqual(
    journals.map(({ outcome }) => outcome),
    done.map(() => "done"),
  );
  const change = journals
    .at(-1)
    ?.header.actions.find(({ change: { kind } }) => kind === "create-vfs");
  const wanted = change?.change.kind === "create-vfs" ? change.change.numVfs : null;
  const { stdout } = await runProgram([...host, "--json", "list"], { env: stateIn(root) });
  const { physicalFunctions } = JSON.parse(stdout) as {
    readonly physicalFunctions: readonly { readonly address: string; readonly numVfs: number }[];
  };
  const pf = physicalFunctions.find((one) => one.address === address);
  assert.equal(pf?.numVfs, wanted);
});
