// README.md and ARCHITECTURE.md name files and commands that exist, and every room has its word.

import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { commandTable } from "../src/cli/command-table.ts";

const root = join(import.meta.dirname, "..");
const read = (name: string): string => readFileSync(join(root, name), "utf8");

test("ARCHITECTURE.md has a paragraph for every room", () => {
  const text = read("ARCHITECTURE.md");
  for (const room of readdirSync(join(root, "src"))) {
    assert.ok(text.includes(`\n**${room}/** `), room);
  }
});

test("ARCHITECTURE.md names files and folders that exist", () => {
  const files = globSync("{src,test,scripts}/**/*", { cwd: root });
  const names = new Set(files.map((path) => basename(path)));
  for (const [, name = ""] of read("ARCHITECTURE.md").matchAll(/`([\w./-]+\.ts|[\w-]+\/)`/g)) {
    assert.ok(names.has(basename(name)) || existsSync(join(root, name)), name);
  }
});

test("links between documents lead somewhere", () => {
  for (const document of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]) {
    for (const [, target = ""] of read(document).matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(root, target)), `${document}: ${target}`);
    }
  }
});

test("CHANGELOG.md begins with the version of this checkout", () => {
  const { version }: { readonly version: string } = JSON.parse(read("package.json"));
  const [, newest] = /^## (\S+?),? /m.exec(read("CHANGELOG.md")) ?? [];
  assert.equal(newest, version);
});

test("README.md's commands are commands", () => {
  const names = new Set(commandTable.map(({ name }) => name));
  for (const [, name = ""] of read("README.md").matchAll(
    /^(?:\$ )?sriovctl(?: --host \S+)? (\w+)/gm,
  )) {
    assert.ok(names.has(name), name);
  }
});
