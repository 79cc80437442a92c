// docs/spec.md against the shape: every mapping has its section, every section lists exactly the
// keys of its mapping in their order, with the shape's own meaning and every word that a key takes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as z from "zod";
import { targetForms } from "../assign-target.ts";
import { shapes, specShape } from "./shape.ts";

const page = readFileSync(join(import.meta.dirname, "../../../docs/spec.md"), "utf8");

type Row = { readonly key: string; readonly value: string; readonly meaning: string };

/** Rows of the table below each heading that names a mapping in backticks. */
function sections(): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const part of page.split(/^##+ /m).slice(1)) {
    const name = /^`(.+)`\n/.exec(part)?.[1];
    if (name === undefined) continue;
    const rows = [...part.matchAll(/^\| (`\w+`(?: \*)?) \| (.*) \| (.*) \|$/gm)];
    found.set(
      name,
      rows.map(([, key = "", value = "", meaning = ""]) => ({ key, value, meaning })),
    );
  }
  return found;
}

const inner = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodOptional ? inner(schema.unwrap()) : schema;

const options = (schema: z.core.$ZodType): z.core.$ZodType[] => {
  const bare = inner(schema);
  return bare instanceof z.ZodUnion ? bare.options.flatMap(options) : [bare];
};

/** Every mapping below `schema` by its path as the page writes it. */
function mappings(schema: z.core.$ZodType, path: string): [string, z.ZodObject][] {
  return options(schema).flatMap((option): [string, z.ZodObject][] => {
    if (option instanceof z.ZodArray) return mappings(option.element, `${path}[]`);
    if (option instanceof z.ZodRecord) return mappings(option.valueType, `${path}.NAME`);
    if (!(option instanceof z.ZodObject)) return [];
    const below = Object.entries(option.shape).flatMap(([key, value]) =>
      mappings(value as z.ZodType, path === "" ? key : `${path}.${key}`),
    );
    return [[path === "" ? "(the file)" : path, option], ...below];
  });
}

/** Literal words of a key; the spelling of 802.1Q in capitals goes without saying. */
const wordsOf = (schema: z.core.$ZodType): string[] =>
  options(schema)
    .flatMap((option) => {
      const bare = option instanceof z.ZodPipe ? option.in : option;
      if (bare instanceof z.ZodLiteral) return [...bare.values].map(String);
      return bare instanceof z.ZodEnum ? bare.options.map(String) : [];
    })
    .filter((word) => !/^802.1[A-Z]|^on$|^off$/.test(word));

const policyKeys = new Set(Object.keys(shapes.profile.shape));

const isPolicyUse = (path: string): boolean => /^(?:pools|virtualFunctions|assign)\[\]/.test(path);

test("docs/spec.md lists every key of every mapping, as the shape has it", () => {
  const written = sections();
  const known = mappings(specShape, "").filter(
    ([path]) => !(isPolicyUse(path) && /\.(?:vlan|rate|waive)$/.test(path)),
  );
  assert.deepEqual([...written.keys()].toSorted(), known.map(([path]) => path).toSorted());
  for (const [path, mapping] of known) {
    const keys = Object.entries(mapping.shape).filter(
      ([key]) => !isPolicyUse(path) || !policyKeys.has(key),
    );
    const rows = written.get(path) ?? [];
    const expected = keys.map(([key, schema]) => ({
      key: `\`${key}\`${schema instanceof z.ZodOptional ? "" : " *"}`,
      meaning: z.globalRegistry.get(schema as z.ZodType)?.description ?? "without a description",
    }));
    assert.deepEqual(
      rows.map(({ key, meaning }) => ({ key, meaning })),
      expected,
      path,
    );
    keys.forEach(([key, schema], index) => {
      for (const word of wordsOf(schema as z.ZodType)) {
        const value = rows[index]?.value ?? "";
        assert.ok(value.includes(`\`${word}\``), `${path} ${key} takes ${word}: ${value}`);
      }
    });
  }
});

test("docs/spec.md names the form of every kind of consumer", () => {
  for (const { form } of Object.values(targetForms)) assert.ok(page.includes(`\`${form}\``), form);
});
