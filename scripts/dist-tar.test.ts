// Archives are read back by tar(1), which knows nothing of ours.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../test/run-program.ts";
import { tarGzOf, type TarEntry } from "./dist-tar.ts";

const timeS = 1_700_000_000;
const entries: readonly TarEntry[] = [
  { path: "sriovctl-1/run", content: Buffer.from("x".repeat(512)), mode: 0o755 },
  { path: "sriovctl-1/empty", content: Buffer.alloc(0), mode: 0o644 },
  { path: `sriovctl-1/${"long".repeat(20)}`, content: Buffer.from("y\n"), mode: 0o644 },
];

test("tar unpacks what was packed, with modes and times", (context) => {
  const folder = temporaryDirectory(context);
  const archive = tarGzOf(entries, timeS);
  const { status, stderr } = spawnSync("tar", ["-xzf", "-", "-C", folder], {
    input: archive,
    encoding: "utf8",
  });
  assert.equal(`${status} ${stderr}`, "0 ");
  for (const { path, content, mode } of entries) {
    const file = join(folder, path);
    assert.deepEqual(readFileSync(file), Buffer.from(content));
    assert.equal(statSync(file).mode & 0o777, mode, path);
    assert.equal(statSync(file).mtimeMs, timeS * 1000);
  }
});

test("the same files make the same bytes", () => {
  assert.deepEqual(tarGzOf(entries, timeS), tarGzOf(entries, timeS));
});

test("a path that does not fit is refused", () => {
  const path = "p".repeat(101);
  assert.throws(() => tarGzOf([{ path, content: Buffer.alloc(0), mode: 0o644 }], timeS), /100/);
});
