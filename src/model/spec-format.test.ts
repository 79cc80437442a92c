// formatSpec(): what it writes reads back as the same document, through our parser and through
// the yaml library's own rules, whatever the comments; and one document in full, to be looked at.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { formatSpec, type SpecDocument } from "./spec-format.ts";
import { parseSpec } from "./spec-text.ts";
import { specDocument } from "./spec/document.arbitrary.ts";

const withoutPlaces = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      key === "where" || key === "places" || key === "source" ? undefined : inner,
    ),
  );

test("formatSpec() writes what parseSpec() reads back as the same document", () => {
  fc.assert(
    fc.property(specDocument, fc.string(), (document, comment) => {
      const comments = {
        "": comment,
        "adapters.0": comment,
        "adapters.0.physicalFunctions.0": "x",
      };
      const text = formatSpec(document, comments);
      assert.deepEqual(parse(text), document, text);
      const back = parseSpec(text, "formatted");
      assert.deepEqual(back.problems, [], text);
      const { spec } = parseSpec(JSON.stringify(document), "json");
      assert.deepEqual(withoutPlaces(back.spec), withoutPlaces(spec));
      assert.equal(formatSpec(parse(text) as SpecDocument, comments), text);
    }),
    { numRuns: 40 },
  );
});

test("formatSpec() orders keys, keeps an entry on a line and puts comments above", () => {
  const document: SpecDocument = {
    assign: [{ vf: "p0/3", to: "dpdk:upf" }],
    virtualFunctions: [{ mac: "02:00:00:00:00:01", vfs: ["p0/2", "p0/4,6"], trust: "on" }],
    profiles: { b: { trust: true }, a: { vlan: { qos: 1, id: 3 } } },
    adapters: [
      {
        physicalFunctions: [{ numVfs: 8, protect: ["a"], match: { port: "0" }, name: "p0" }],
        match: { serial: "0012" },
        name: "nic0",
      },
    ],
    apiVersion: "sriovctl/v1",
  };
  const comments = { "": "Two\nlines", "adapters.0.physicalFunctions.0": "The only port" };
  assert.equal(
    formatSpec(document, comments),
    `# Two
# lines

apiVersion: sriovctl/v1
adapters:
  - name: nic0
    match: { serial: "0012" }
    physicalFunctions:
      # The only port
      - name: p0
        match: { port: "0" }
        protect: [ a ]
        numVfs: 8
profiles:
  b: { trust: true }
  a: { vlan: { id: 3, qos: 1 } }
virtualFunctions:
  - { vfs: [ p0/2, "p0/4,6" ], mac: "02:00:00:00:00:01", trust: on }
assign:
  - { to: "dpdk:upf", vf: p0/3 }
`,
  );
});
