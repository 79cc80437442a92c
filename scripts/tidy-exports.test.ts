// Which exports count as imported by somebody, on the smallest pair of files that shows it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkExports } from "./tidy-exports.ts";

const unused = "Nobody imports answer: drop its export, or all of it";
const exported = "// What for.\nexport const answer = 42;\n";

const rows: readonly (readonly [name: string, other: string, expected: readonly string[]])[] = [
  ["an export without an import is found", "", [unused]],
  ["an import by name counts", `import { answer } from "./a.ts";`, []],
  ["an import under another name counts", `import { answer as it } from "./a.ts";`, []],
  ["an import over several lines counts", `import {\n  b,\n  answer,\n} from "./a.ts";`, []],
  ["an import of a type counts", `import type { answer } from "./a.ts";`, []],
  ["the same name of another file does not count", `import { answer } from "./b/a.ts";`, [unused]],
  ["a longer name does not count", `import { answers } from "./a.ts";`, [unused]],
  ["taking the file counts for names used", `const { answer } = await import("./a.ts");`, []],
  ["and not for the others", `const { question } = await import("./a.ts");`, [unused]],
  ["a namespace counts for names used", `import * as a from "./a.ts";\na.answer();`, []],
];

for (const [name, text, expected] of rows) {
  test(`tidy: ${name}`, () => {
    const findings = checkExports([
      { path: "src/room/a.ts", text: exported },
      { path: "src/room/other.ts", text },
    ]);
    assert.deepEqual(
      findings.map(({ message }) => message),
      expected,
    );
    for (const { path, line } of findings) assert.deepEqual([path, line], ["src/room/a.ts", 2]);
  });
}

test("tidy: functions, types and classes are exports too", () => {
  const text = ["type A = 1;", "async function b() {}", "class C {}", "function* d() {}"];
  const findings = checkExports([
    { path: "src/a.ts", text: text.map((line) => `export ${line}`).join("\n") },
  ]);
  const names = findings.map(({ message }) => /imports (\w+)/.exec(message)?.[1]);
  assert.deepEqual(names, ["A", "b", "C", "d"]);
});
