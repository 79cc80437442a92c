// The short parser of function names agrees with parseBdf() on whatever stands in the folder.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseBdf } from "../../model/bdf.ts";
import { linuxPaths } from "./paths.ts";
import { listFunctions } from "./present-functions.ts";
import { TreeReader } from "./tree-reader.ts";

const names = ["0000:3b:00.0", "0000:3b:1f.7", "10001:e1:00.0", "ffff:ff:1f.7"];
const strangers = ["0000:3b:20.0", "0000:3b:00.8", "0000:3g:00.0", "0000:3b-00.0", "00:00.0x", "z"];

test("functions are listed in order, by routing ID, and strangers are named", () => {
  const root = mkdtempSync(join(tmpdir(), "sriovctl-functions-"));
  const paths = linuxPaths(root, root);
  mkdirSync(paths.pciFunctions, { recursive: true });
  for (const name of [...names, ...strangers]) writeFileSync(join(paths.pciFunctions, name), "");
  const reader = new TreeReader();
  const { addresses, byRoutingId } = listFunctions(paths, reader);
  assert.deepEqual(addresses, ["0000:3b:00.0", "0000:3b:1f.7", "ffff:ff:1f.7", "10001:e1:00.0"]);
  for (const name of names) {
    const bdf = parseBdf(name);
    assert.equal(byRoutingId.get(bdf?.domain ?? 0)?.get(bdf?.routingId ?? 0), name);
  }
  assert.equal(reader.problems.length, strangers.length);
  rmSync(root, { recursive: true });
});
