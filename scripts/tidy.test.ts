// Each rule of tidy on the smallest text that breaks it, and on one that does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSource } from "./tidy-rules.ts";

const header = "// What the file is for.\n";
const imports = (specifier: string): string => `${header}import { a } from "${specifier}";\n`;
const longFunction = `${header}function f() {\n${"  a();\n".repeat(80)}}\n`;

const rows: readonly (readonly [name: string, path: string, text: string, expected: string])[] = [
  [
    "model imports nothing",
    "src/model/a.ts",
    imports("../pci/b.ts"),
    "Room model imports src/pci/b.ts: it may import no other room",
  ],
  ["pci may import model", "src/pci/a.ts", imports("../model/b.ts"), ""],
  ["apply may import the host interface", "src/apply/a.ts", imports("../host/host.ts"), ""],
  [
    "apply may not import a backend",
    "src/apply/a.ts",
    imports("../host/linux/b.ts"),
    "Room apply imports src/host/linux/b.ts: it may import model, plan, lease, host.ts, consumer.ts",
  ],
  [
    "backends are strangers",
    "src/host/linux/a.ts",
    imports("../emulated/b.ts"),
    "host/linux imports host/emulated: backends never know each other",
  ],
  [
    "dynamic imports count",
    "src/plan/a.ts",
    `${header}const a = import("../apply/b.ts");\n`,
    "Room plan imports src/apply/b.ts: it may import model, pci",
  ],
  ["a room must be known", "src/attic/a.ts", header, "Room attic is not in scripts/tidy-rules.ts"],
  [
    "pure rooms have no node: imports",
    "src/pci/a.ts",
    imports("node:fs"),
    "Pure room pci imports node:fs: hand it the fact as an argument",
  ],
  [
    "pure rooms have no node modules by their short names either",
    "src/pci/a.ts",
    imports("fs"),
    "Pure room pci imports fs: hand it the fact as an argument",
  ],
  ["pure rooms may parse YAML", "src/model/a.ts", imports("yaml"), ""],
  [
    "re-exports are barrels too",
    "src/model/a.ts",
    `${header}export { b } from "./b.ts";\n`,
    "Barrel: import the file that defines the name instead",
  ],
  [
    "pure rooms have no clock",
    "src/plan/a.ts",
    `${header}const t = Date.now();\n`,
    "Pure room plan reads a clock: take `now` as an argument",
  ],
  ["words in strings are no effects", "src/plan/a.ts", `${header}const t = "await";\n`, ""],
  [
    "a pure room is not async",
    "src/plan/a.ts",
    `${header}export async function f() {}\n`,
    "Pure room plan is async: effects belong to host/, apply/ or cli/",
  ],
  [
    "a header is needed",
    "src/model/a.ts",
    "const a = 1;\n",
    "No header comment: say in one to five sentences what the file is for",
  ],
  [
    "long files need a reason",
    "src/model/a.ts",
    `${header}${"\n".repeat(310)}`,
    `312 lines: split it, or say "Long because ..." in its header`,
  ],
  [
    "a reason is enough",
    "src/model/a.ts",
    `// What. Long because it is a table.\n${"\n".repeat(310)}`,
    "",
  ],
  [
    "a short file needs none",
    "src/model/a.ts",
    "// What. Long because it is a table.\n",
    "2 lines: not long, drop the reason for it",
  ],
  ["long functions", "src/model/a.ts", longFunction, "Function of 82 lines, wanted at most 70"],
  [
    "many parameters",
    "src/model/a.ts",
    `${header}function f(a: A, b: B, c: C, d: D, e: E) {\n}\n`,
    "5 parameters, wanted at most 4: group them",
  ],
  [
    "barrels",
    "src/model/a.ts",
    `${header}export * from "./b.ts";\n`,
    "Barrel: import the file that defines the name instead",
  ],
  [
    "names that say nothing",
    "src/model/utils.ts",
    header,
    "Name says nothing: name the file after its idea",
  ],
];

for (const [name, path, text, expected] of rows) {
  test(`tidy: ${name}`, () => {
    const messages = checkSource({ path, text }).map(({ message }) => message);
    assert.deepEqual(messages, expected === "" ? [] : [expected]);
  });
}

test("tidy: a finding names its line", () => {
  const text = `${header}\n${"x".repeat(101)}\nexport * from "./b.ts";\n// TODO: later\n`;
  const findings = checkSource({ path: "src/model/a.ts", text });
  assert.deepEqual(
    findings.map(({ line }) => line),
    [3, 4, 5],
  );
});
