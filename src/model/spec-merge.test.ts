// Merging files: one row is a few small files, what is left to apply, and what is said.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { mergeSpecs, type MergedSpec } from "./spec-merge.ts";

const version = "apiVersion: sriovctl/v1\n";

const card = (name: string, label: string, bus: string): string =>
  `adapters: [{ name: ${name}, physicalFunctions: [{ name: ${label}, match: { address: "0000:${bus}:00.0" }, numVfs: 4 }] }]\n`;

const nic0 = version + card("nic0", "p0", "3b");
const nic1 = version + card("nic1", "p1", "5e");
const pool = (name: string, vfs: string, more = ""): string =>
  `pools: [{ name: ${name}, vfs: ${vfs}${more} }]\n`;

const merge = (...texts: readonly (string | null)[]): MergedSpec =>
  mergeSpecs(
    texts.map((text, index) => ({ source: `${index + 1}.yaml`, text })),
    "etc",
  );

type Row = {
  readonly name: string;
  readonly files: readonly (string | null)[];
  readonly applied: readonly string[];
  readonly blocked?: readonly string[];
  readonly says?: readonly string[];
};

const rows: readonly Row[] = [
  { name: "no file is an empty spec", files: [], applied: [] },
  { name: "cards of two files follow each other", files: [nic0, nic1], applied: ["nic0", "nic1"] },
  {
    name: "a pool may be about a card of another file, with a profile of a third",
    files: [
      version + pool("tenants", "p0/0-1", ", profile: tenant"),
      nic0,
      `${version}profiles: { tenant: { trust: off } }\n`,
    ],
    applied: ["nic0", "pool tenants"],
  },
  {
    name: "what two files say word for word is said once",
    files: [nic0 + pool("t", "p0/0"), nic0 + pool("t", "p0/0")],
    applied: ["nic0", "pool t"],
  },
  {
    name: "a label on two cards stops both and no third",
    files: [nic0, version + card("nic9", "p0", "87"), nic1],
    applied: ["nic1"],
    blocked: ["nic0", "nic9"],
    says: ["2.yaml:2:54: PF p0 is named twice: first at 1.yaml:2:54"],
  },
  {
    name: "a pool with two contents stops the cards that it is about",
    files: [nic0 + pool("t", "p0/0"), version + pool("t", "p0/1"), nic1],
    applied: ["nic1"],
    blocked: ["nic0"],
    says: ["2.yaml:2:17: Pool t is named twice: first at 1.yaml:3:17"],
  },
  {
    name: "a profile with two contents stops those who use it",
    files: [
      `${nic0}profiles: { a: { trust: on } }\n${pool("t", "p0/0", ", profile: a")}`,
      `${nic1}profiles: { a: { trust: off } }\n`,
    ],
    applied: ["nic1"],
    blocked: ["nic0"],
    says: [
      "2.yaml:3:16: Profile a differs from what is there: wanted it once, first at 1.yaml:3:16",
    ],
  },
  {
    name: "defaults that differ stop everybody",
    files: [`${nic0}defaults: { unassigned: none }\n`, `${nic1}defaults: { unassigned: kernel }\n`],
    applied: [],
    blocked: ["nic0", "nic1"],
    says: [
      "2.yaml:3:25: defaults.unassigned differs from what is there: wanted it once, first at 1.yaml:3:25",
    ],
  },
  {
    name: "a VF in the sets of two files stops its card",
    files: [nic0 + pool("a", "p0/0-2"), version + pool("b", "p0/2-3"), nic1],
    applied: ["nic1"],
    blocked: ["nic0"],
    says: ["2.yaml:2:25: p0/2 is in two sets: wanted in one, first at 1.yaml:3:25"],
  },
  {
    name: "a set about no card at all stops nobody",
    files: [nic0, version + pool("a", "p7/0")],
    applied: ["nic0"],
    says: ["2.yaml:2:25: No PF is named p7: wanted p0"],
  },
  {
    name: "a broken file stops no card that it does not speak of",
    files: [nic0, 'name: "nic9\n'],
    applied: ["nic0"],
    says: ["2.yaml:2:1: "],
  },
  {
    name: "a broken file stops a card that it speaks of, by any of its names",
    files: [nic0, nic1, `${version}pools: [{ name: t, vfs: p0/0, trsut: on }]\n`],
    applied: ["nic1"],
    blocked: ["nic0"],
    says: ["3.yaml:2:31: Unknown key trsut"],
  },
  {
    name: "a broken file that may hold the defaults stops everybody",
    files: [nic0, `${version}defaults: { unassigned: nonne!\n`],
    applied: [],
    blocked: ["nic0"],
    says: ["2.yaml:3:1: "],
  },
  {
    name: "a file that cannot be read stops everybody",
    files: [nic0, null],
    applied: [],
    blocked: ["nic0"],
    says: ["2.yaml: Cannot read 2.yaml: whatever it says about any PF is not known"],
  },
  {
    name: "an empty file stops nobody",
    files: [nic0, "# nothing yet\n"],
    applied: ["nic0"],
    says: ["2.yaml:1:1: The spec is empty"],
  },
];

for (const { name, files, applied, blocked = [], says = [] } of rows) {
  test(`mergeSpecs(): ${name}`, () => {
    const { spec, problems, blocked: stopped } = merge(...files);
    const names = [
      ...spec.adapters.map((adapter) => adapter.name),
      ...spec.pools.map((each) => `pool ${each.name}`),
    ];
    assert.deepEqual(names, applied);
    assert.deepEqual(
      stopped.map(({ adapter }) => adapter.name),
      blocked,
    );
    assert.ok(stopped.every(({ because }) => because.length > 0));
    const said = problems.map(({ where, message }) => `${where}: ${message}`);
    assert.equal(said.length, says.length, said.join("\n"));
    says.forEach((beginning, index) =>
      assert.equal(said[index]?.slice(0, beginning.length), beginning),
    );
  });
}

test("mergeSpecs() of one file that is sound is what parsing it gives", async () => {
  const { parseSpec } = await import("./spec-text.ts");
  const text = `${nic0}profiles: { a: { trust: on, rate: { max: 5 } } }\n${pool("t", "[p0/0, p0/2]", ", profile: a")}`;
  const { spec } = parseSpec(text, "1.yaml");
  assert.deepEqual(mergeSpecs([{ source: "1.yaml", text }], "1.yaml").spec, spec);
});

test("mergeSpecs() does not depend on the order of files, but for the order of what it gives", () => {
  const texts = [nic0 + pool("t", "p0/0"), version + pool("u", "p0/1"), nic1, "{", version];
  const namesOf = ({ spec, blocked }: MergedSpec): string[][] => [
    spec.adapters.map(({ name }) => name ?? "").toSorted(),
    spec.pools.map(({ name }) => name).toSorted(),
    blocked.map(({ adapter }) => adapter.name ?? "").toSorted(),
  ];
  const wanted = namesOf(merge(...texts));
  fc.assert(
    fc.property(fc.shuffledSubarray(texts, { minLength: texts.length }), (order) => {
      assert.deepEqual(namesOf(merge(...order)), wanted);
    }),
    { numRuns: 20 },
  );
});

test("mergeSpecs() takes any bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 3 }), (texts) => {
      merge(...texts, nic0);
    }),
    { numRuns: 50 },
  );
});
