// parseSpec() from outside: a full example, the golden file of ten mistakes, a table of single
// mistakes with their exact places, and hostile texts. Every row is one text and all it says.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Problem } from "./problem.ts";
import { parseSpec } from "./spec-text.ts";
import { treeLimits } from "./spec/tree.ts";

const printed = ({ code, where, message, hint }: Problem): string =>
  `${where}: ${code}: ${message}${hint === undefined ? "" : `\n    ${hint}`}\n`;

const head = "apiVersion: sriovctl/v1\n";
const pf =
  "adapters: [{ physicalFunctions: [{ name: p0, match: { address: 3b:00.0 }, numVfs: 8 }] }]";
const full = `${head}
adapters:
  - name: nic0
    match: { serial: 12345 }
    physicalFunctions:
      - { name: p0, match: { port: 0 }, numVfs: 16, protect: [storage] }
      - { name: p1, match: { permanentMac: B4-96-91-00-00-11 }, mtu: 9000, adminState: up }
profiles:
  tenant: { spoofCheck: on, trust: "off", linkState: auto, rate: { max: 2.5Gbit } }
pools:
  - { name: tenants, vfs: ["p0/0-3,5", p1/1], driver: vfio-pci, profile: tenant, trust: true }
virtualFunctions:
  - { vfs: p0/8, driver: igbvf, mac: auto, vlan: { id: 120, protocol: 802.1AD } }
assign:
  - { to: "dpdk:upf", vf: p1/4, user: 1000, msix: 16, vlan: 7 }
  - { to: "libvirt:web1/net1", pool: tenants, mac: "02:00:00:00:00:0A", rate: default }
`;

test("parseSpec() fills defaults, expands sets, merges profiles and normalises values", () => {
  const { spec, problems } = parseSpec(full, "host.yaml");
  assert.deepEqual(problems, []);
  assert.ok(spec !== null);
  const [p0, p1] = spec.adapters[0]?.physicalFunctions ?? [];
  assert.equal(spec.unassigned, undefined);
  assert.deepEqual(p0?.match, { serial: "12345", port: "0" });
  assert.deepEqual(p1?.match, { permanentMac: "b4:96:91:00:00:11" });
  assert.deepEqual(p0?.protect, ["storage"]);
  const [pool] = spec.pools;
  assert.deepEqual(
    pool?.vfs.map(({ pf, vfIndexes, where }) => [pf, vfIndexes, where]),
    [
      ["p0", [0, 1, 2, 3, 5], "host.yaml:12:28"],
      ["p1", [1], "host.yaml:12:40"],
    ],
  );
  const policy = { spoofCheck: true, trust: true, linkState: "auto", rate: { maxMbps: 2500 } };
  assert.deepEqual(pool?.policy, policy);
  assert.equal(pool?.places?.["trust"], "host.yaml:12:89");
  assert.equal(pool?.places?.["rate"], "host.yaml:10:66");
  const [vf] = spec.virtualFunctions;
  assert.deepEqual(vf?.driver, { name: "igbvf" });
  assert.deepEqual(vf?.policy, { mac: "auto", vlan: { id: 120, qos: 0, protocol: "802.1ad" } });
  const [dpdk, web] = spec.assign;
  assert.deepEqual(dpdk?.target, { kind: "dpdk", name: "upf", device: null });
  assert.deepEqual(dpdk?.source, {
    kind: "vf",
    vf: { pf: "p1", vfIndexes: [4], where: "host.yaml:16:27" },
  });
  assert.equal(dpdk?.user, "1000");
  assert.deepEqual(web?.policy, { mac: "02:00:00:00:00:0a", rate: "default" });
});

test("parseSpec() reads JSON as it reads YAML, also with tabs", () => {
  const value = { apiVersion: "sriovctl/v1", defaults: { unassigned: "kernel" } };
  for (const indent of [undefined, 2, "\t"]) {
    const { spec, problems } = parseSpec(JSON.stringify(value, null, indent), "host.json");
    assert.deepEqual(problems, []);
    assert.equal(spec?.unassigned, "kernel");
  }
});

test("parseSpec() lists ten mistakes as ten problems, each with its place", () => {
  const folder = join(import.meta.dirname, "spec", "golden", "ten-mistakes");
  const { spec, problems } = parseSpec(
    readFileSync(join(folder, "spec.yaml"), "utf8"),
    "spec.yaml",
  );
  const expected = join(folder, "problems.txt");
  const text = problems.map(printed).join("");
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(expected, text);
  assert.equal(spec, null);
  assert.equal(problems.length, 10);
  assert.equal(text, readFileSync(expected, "utf8"));
});

test("parseSpec() answers syntax that it cannot read with its place", () => {
  const rows: [text: string, place: RegExp, message: RegExp][] = [
    ["", /^s:1:1$/, /empty/],
    ["# nothing\n", /^s:\d+:1$/, /empty/],
    ["- a", /^s:1:1$/, /The spec is a list: wanted a mapping/],
    ["a: [1, 2\nb: 3", /^s:2:1$/, /Cannot parse the file: /],
    ["a: !!int 3", /^s:1:4$/, /Unresolved tag/],
    ["a: *x", /^s:1:4$/, /no anchor/],
    ["a: &x [*x]", /^s:1:/, /Nested more than/],
    ["? [a]\n: b", /^s:1:3$/, /key is a list/],
    [`${head}---\n${head}`, /^s:2:1$/, /second document/],
    ["[".repeat(100_000), /^s:1:\d+$/, /Nested more than/],
    ["- ".repeat(100_000), /^s:1:\d+$/, /Nested more than/],
    ["x".repeat(treeLimits.characters + 1), /^s:1:1$/, /characters: wanted at most/],
  ];
  for (const [text, place, message] of rows) {
    const { spec, problems } = parseSpec(text, "s");
    assert.equal(spec, null);
    assert.match(problems[0]?.where ?? "", place, text.slice(0, 40));
    assert.match(problems[0]?.message ?? "", message);
  }
});

test("parseSpec() stops at a bomb of aliases", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 9; level++) {
    const refs = Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ");
    lines.push(`a${level}: &a${level} [${refs}]`);
  }
  const { problems } = parseSpec(lines.join("\n"), "s");
  assert.match(problems[0]?.message ?? "", /^Aliases stand for more/);
});

test("parseSpec() follows aliases of moderate use", () => {
  const text = `${head}profiles: { a: { rate: &r { max: 1Gbit } }, b: { rate: *r } }\n${pf}\n`;
  const { spec } = parseSpec(`${text}virtualFunctions: [{ vfs: p0/1, profile: b }]`, "s");
  assert.deepEqual(spec?.virtualFunctions[0]?.policy, { rate: { maxMbps: 1000 } });
});

test("parseSpec() never throws, and gives a spec exactly when it gives no problem", () => {
  const words = full.match(/[\w.:/-]+|\s+|[^\w\s]/g) ?? [];
  const piece = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 }));
  const mutated = fc
    .array(fc.tuple(fc.nat(words.length), piece), { minLength: 1, maxLength: 4 })
    .map((edits) => {
      const copy = [...words];
      for (const [at, text] of edits) copy[at] = text;
      return copy.join("");
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.string(), fc.string({ unit: "binary" })), (text) => {
      const { spec, problems } = parseSpec(text, "s");
      assert.equal(spec === null, problems.length > 0);
      for (const { where } of problems) assert.match(where, /^s:[1-9]\d*:[1-9]\d*$/);
    }),
    { numRuns: 100 },
  );
});
