// docs/doctor.md lists the rules as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ruleTable } from "../src/doctor/rules.ts";
import { doctorPagePath, withTables } from "./doctor-page.ts";

test("the tables of docs/doctor.md are what the rules say", () => {
  const page = readFileSync(doctorPagePath, "utf8");
  assert.ok(page === withTables(page), "They are stale: run node scripts/doctor-page.ts");
  for (const { id } of ruleTable) assert.ok(page.includes(`\`${id}\``), id);
});
