// The spec format as JSON Schema, for editors: exported from the shape that the parser walks, so
// the two cannot differ in what a key may hold. Rules between keys (disjoint VF sets, names that
// must exist) are beyond a schema and only the parser's.

import * as z from "zod";
import { shapes, specShape } from "./spec/shape.ts";

type JsonSchema = { readonly [key: string]: unknown };

/** JSON Schema, draft 2020-12, of a spec file in YAML or JSON. */
export function specJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(specShape, {
    io: "input",
    target: "draft-2020-12",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema !== shapes.assign) return;
      jsonSchema.anyOf = [
        { type: "object", required: ["pool"], properties: { pool: true, vf: false } },
        { type: "object", required: ["vf"], properties: { vf: true, pool: false } },
      ];
    },
  });
  return { ...schema, title: "sriovctl spec, sriovctl/v1" };
}
