// Columns and trees on small inputs, and colour on and off.

import assert from "node:assert/strict";
import { test } from "node:test";
import { clean, plainStyle, styleFor, widthOf } from "./style.ts";
import { alignRows, dropEmptyColumns, treeRows } from "./table.ts";

test("alignRows() lines up columns and lets a heading span them", () => {
  const rows = [["a very long heading"], ["x", "1", "z"], ["xyz", "", "q"]];
  assert.deepEqual(alignRows(rows), ["a very long heading", "x    1  z", "xyz     q"]);
});

test("alignRows() does not count colours as width", () => {
  const red = "\u001B[31mx\u001B[39m";
  assert.deepEqual(
    alignRows([
      [red, "1"],
      ["xy", "2"],
    ]),
    [`${red}   1`, "xy  2"],
  );
  assert.equal(widthOf(red), 1);
});

test("dropEmptyColumns() drops a column that only its title fills", () => {
  const rows = [["A", "B", "C"], ["heading"], ["1", "", "3"]];
  assert.deepEqual(dropEmptyColumns(rows), [["A", "C"], ["heading"], ["1", "3"]]);
});

test("treeRows() draws branches into the first cell", () => {
  const leaf = (name: string) => ({ row: [name, "x"], children: [] });
  const tree = { row: ["root"], children: [{ ...leaf("a"), children: [leaf("b")] }, leaf("c")] };
  assert.deepEqual(treeRows([tree]), [["root"], ["├─ a", "x"], ["│  └─ b", "x"], ["└─ c", "x"]]);
});

test("clean() makes escapes of foreign text visible", () => {
  assert.equal(clean("web\u001B[2J1\n"), "web\\x1b[2J1\\x0a");
  assert.equal(clean("größe"), "größe");
});

const colored = styleFor({ isTerminal: true, isForbidden: false, env: {} })("bad", "x");

test("styleFor() obeys the terminal, --no-color, NO_COLOR and FORCE_COLOR", () => {
  const isColored = (isTerminal: boolean, isForbidden: boolean, env: Record<string, string>) =>
    styleFor({ isTerminal, isForbidden, env })("bad", "x") === colored;
  assert.notEqual(colored, plainStyle("bad", "x"));
  assert.equal(isColored(false, false, {}), false);
  assert.equal(isColored(true, true, { FORCE_COLOR: "1" }), false);
  assert.equal(isColored(true, false, { NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(isColored(true, false, { NO_COLOR: "" }), true);
  assert.equal(isColored(true, false, { TERM: "dumb" }), false);
  assert.equal(isColored(false, false, { FORCE_COLOR: "1" }), true);
});
