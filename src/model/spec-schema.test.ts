// The exported JSON Schema, read back by zod's independent importer: it takes every example and
// every sound document that the parser takes, and refuses the mistakes that structure can express.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import * as z from "zod";
import { specJsonSchema } from "./spec-schema.ts";
import { parseSpec } from "./spec-text.ts";
import { specDocument } from "./spec/document.arbitrary.ts";

const validator = z.fromJSONSchema(specJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
const accepts = (text: string): boolean => validator.safeParse(parse(text)).success;

const examples = globSync("examples/*.yaml", { cwd: join(import.meta.dirname, "..", "..") });

test("the schema and the parser take every example", () => {
  assert.ok(examples.length >= 6, `${examples.length} examples`);
  for (const file of examples) {
    const text = readFileSync(join(import.meta.dirname, "..", "..", file), "utf8");
    assert.deepEqual(parseSpec(text, file).problems, []);
    assert.ok(accepts(text), file);
  }
});

test("the schema takes every document that the parser takes", () => {
  const property = fc.property(specDocument, (document) => {
    const result = validator.safeParse(document);
    assert.ok(result.success, JSON.stringify(document));
  });
  fc.assert(property, { numRuns: 40 });
});

const head = "apiVersion: sriovctl/v1\n";
const pf =
  "adapters: [{ physicalFunctions: [{ name: p0, match: { address: 3b:00.0 }, numVfs: 8 }] }]\n";

test("the schema refuses the mistakes that structure can express, as the parser does", () => {
  assert.ok(accepts(`${head}${pf}`));
  const mistakes = [
    pf,
    "apiVersion: sriovctl/v2",
    `${head}adapter: []`,
    `${head}${pf.replace("numVfs", "numVf")}`,
    `${head}${pf.replace("numVfs: 8", "numVfs: 65536")}`,
    `${head}${pf.replace("numVfs: 8", "numVfs: 8.5")}`,
    `${head}${pf.replace("numVfs: 8", 'numVfs: "8"')}`,
    `${head}${pf.replace("name: p0, ", "")}`,
    `${head}${pf.replace("3b:00.0", "eth0")}`,
    `${head}${pf.replace(/\[\{ name.*\}\] \}/, "[] }")}`,
    `${head}profiles: { a: { spoofCheck: yes } }`,
    `${head}profiles: { a: { vlan: 4095 } }`,
    `${head}profiles: { a: { rate: 2Gbit } }`,
    `${head}profiles: { a: { rate: { max: 2GB } } }`,
    `${head}profiles: { a: { linkState: up } }`,
    `${head}profiles: { a: { waive: { reason: x } } }`,
    `${head}profiles: { a: { mac: 02-00:00:00:00:01 } }`,
    `${head}profiles: { 9: {} }`,
    `${head}${pf}virtualFunctions: [{ vfs: p0/a }]`,
    `${head}${pf}virtualFunctions: [{ vfs: [] }]`,
    `${head}${pf}assign: [{ to: "jail:a/b", vf: p0/1 }]`,
    `${head}${pf}pools: [{ name: a, vfs: p0/1 }]\nassign: [{ to: "dpdk:a", vf: p0/2, pool: a }]`,
    `${head}${pf}assign: [{ to: "dpdk:a" }]`,
  ];
  for (const text of mistakes) {
    assert.equal(parseSpec(text, "s").spec, null, `parser: ${text}`);
    assert.equal(accepts(text), false, `schema: ${text}`);
  }
});
