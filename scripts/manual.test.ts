// The pages made from the command table: docs/commands.md is up to date, and the manual page is
// roff that groff renders without a warning.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { commandGroups } from "../src/cli/command-groups.ts";
import { commandTable } from "../src/cli/command-table.ts";
import { commandsPage, commandsPagePath, manualPage } from "./manual.ts";

const page = manualPage({ version: "1.2.3", date: "2026-01-02" });

test("docs/commands.md is what the command table says", () => {
  const written = readFileSync(commandsPagePath, "utf8");
  assert.ok(written === commandsPage(), "It is stale: run node scripts/manual.ts");
});

test("every command is in one group", () => {
  const grouped = commandGroups.flatMap(({ rows }) => rows.map(({ name }) => name));
  assert.deepEqual(grouped.toSorted(), commandTable.map(({ name }) => name).toSorted());
});

test("the manual page names every command and option", () => {
  const plain = page.replaceAll("\\-", "-");
  for (const { name, options } of commandTable) {
    assert.match(plain, new RegExp(`^\\.SS "sriovctl ${name}[ "]`, "m"));
    for (const { flags } of options) assert.ok(plain.includes(`.B "${flags}"`), flags);
  }
});

test("groff renders the manual page without a warning", (context) => {
  const { error, status, stdout, stderr } = spawnSync("groff", ["-man", "-ww", "-Tutf8"], {
    input: page,
    encoding: "utf8",
  });
  if (error !== undefined) return context.skip("groff is not installed");
  assert.equal(`${status} ${stderr}`, "0 ");
  assert.match(stdout, /sriovctl 1\.2\.3/);
});
