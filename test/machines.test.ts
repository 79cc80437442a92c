// Every dump in test/machines (captured in the kernel lab) decodes to the text beside it, which is
// what people see, and agrees with lspci's own text inside the dump. UPDATE_GOLDEN=1 rewrites the
// texts: review the diff.

import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { decodeText } from "../src/cli/decode-text.ts";
import { decodeFiles } from "../src/cli/decode.ts";
import { plainStyle } from "../src/cli/style.ts";
import { parseDump } from "../src/pci/dump.ts";
import { lspciDifferences } from "./lspci-agreement.ts";
import { parseLspciText } from "./lspci-text.ts";

const directory = join(import.meta.dirname, "machines");
const machines = globSync("*.txt", { cwd: directory }).toSorted();

test("the project has dumps of its own", () => {
  assert(machines.length > 0);
});

for (const machine of machines) {
  const path = join(directory, machine);

  test(`${basename(machine, ".txt")} decodes as before`, () => {
    const [decoded] = decodeFiles([path]);
    assert(decoded !== undefined);
    const text = `${decodeText([decoded], plainStyle).join("\n")}\n`;
    const golden = join(directory, "decoded", machine);
    if (process.env["UPDATE_GOLDEN"] === "1") {
      mkdirSync(join(directory, "decoded"), { recursive: true });
      writeFileSync(golden, text);
    }
    assert.equal(text, readFileSync(golden, "utf8"));
  });

  test(`${basename(machine, ".txt")} decodes as lspci does`, () => {
    const { functions } = parseDump(readFileSync(path), null);
    const lspci = parseLspciText(readFileSync(path, "utf8"));
    assert(functions.length > 0);
    assert.deepEqual(lspciDifferences(functions, lspci, "sentences"), []);
  });
}
