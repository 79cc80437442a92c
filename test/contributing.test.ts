// CONTRIBUTING.md names every dependency with its reason, and none that is gone; its commands are
// scripts of the package.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const read = (name: string): string => readFileSync(join(import.meta.dirname, "..", name), "utf8");

type Manifest = Readonly<Record<string, Readonly<Record<string, string>>>>;

const manifest = JSON.parse(read("package.json")) as Manifest;
const guide = read("CONTRIBUTING.md");

test("CONTRIBUTING.md says why each dependency is there", () => {
  const rows = [...guide.matchAll(/^\| (`.*`) \| .+ \|$/gm)].map(([, names = ""]) => names);
  const named = rows.flatMap((names) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
  const present = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  assert.deepEqual(named.toSorted(), present.toSorted());
});

test("CONTRIBUTING.md names commands that exist", () => {
  const scripts = manifest["scripts"] ?? {};
  for (const [, name = ""] of guide.matchAll(/npm run ([\w:]+)/g)) {
    assert.ok(name in scripts, `npm run ${name}`);
  }
});
