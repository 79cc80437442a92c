// Fault plans as people write them: every kind is read as what it means, every mistake is said with
// its place, and whatever the text is, reading it ends.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { buildMachine } from "./build.ts";
import { parseFaultPlan } from "./fault-plan.ts";
import { faultPlanShape } from "./fault-plan-shape.ts";
import type { Fault } from "./faults.ts";
import { profileOf } from "./machine-list.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const machine = buildMachine(profileOf("demo"));

const parse = (text: string) => parseFaultPlan(text, "f", machine);

const planOf = (on: string, effect: string): string =>
  `format: sriovctl-faults/1\nfaults:\n  - on: { ${on} }\n    effect: ${effect}\n`;

const port0 = "0000:3b:00.0";

const onPf = { verb: "setNumVfs", target: port0 } as const;

const event = (what: Extract<Fault["effect"], { kind: "event" }>["event"]): Fault["effect"] => ({
  kind: "event",
  event: what,
});

const kinds: readonly (readonly [effect: string, meaning: Fault["effect"]])[] = [
  ["hang", { kind: "hang" }],
  ["{ refuse: EOPNOTSUPP }", { kind: "refuse", errno: "EOPNOTSUPP" }],
  ["{ shortCount: 12 }", { kind: "short-count", numVfs: 12 }],
  ["{ noNetdev: [5, 6] }", { kind: "no-netdev", vfIndexes: [5, 6] }],
  [
    "{ slowProbe: { vfs: [0], delayMs: 4000 } }",
    { kind: "slow-probe", vfIndexes: [0], delayMs: 4000 },
  ],
  ["{ failedProbe: [1] }", { kind: "probe-fails", vfIndexes: [1] }],
  [
    '{ guestOpens: { guest: web2, vf: "0000:5e:00.0/vf1" } }',
    event({ event: "guest-opens", guest: "web2", vf: "0000:5e:18.1" }),
  ],
  [
    '{ guestCloses: { guest: web1, vf: "0000:5e:18.0" } }',
    event({ event: "guest-closes", guest: "web1", vf: "0000:5e:18.0" }),
  ],
  ["{ guestEnds: web1 }", event({ event: "guest-ends", guest: "web1" })],
  ["{ guestStarts: web1 }", event({ event: "guest-starts", guest: "web1" })],
  ['{ namespaceEnds: "netns:ci" }', event({ event: "namespace-ends", namespace: "netns:ci" })],
  [
    `{ netdevRenamed: { pf: "${port0}", name: tenants0 } }`,
    event({ event: "netdev-renamed", pf: port0, name: "tenants0" }),
  ],
  [`{ pfVanishes: "${port0}" }`, event({ event: "pf-vanishes", pf: port0 })],
  ["rescan", event({ event: "rescan" })],
];

test("each effect is read as what it means", () => {
  for (const [effect, meaning] of kinds) {
    const { faults, problems } = parse(planOf(`operation: setNumVfs, target: "3b:00.0"`, effect));
    assert.deepEqual([faults, problems], [[{ on: onPf, effect: meaning }], []], effect);
  }
  const list = parse(planOf(`operation: vfList`, "{ truncatedList: 5 }"));
  const effect = { kind: "truncated-list", numVfs: 5 };
  assert.deepEqual(list.faults, [{ on: { verb: "vfList" }, effect }]);
});

const triggers: readonly (readonly [on: string, meaning: Fault["on"]])[] = [
  ["operation: inventory, skip: 2", { verb: "inventory", skip: 2 }],
  [`operation: setMtu, target: "${port0}", times: 3`, { verb: "setMtu", target: port0, times: 3 }],
  // A request for an attribute names the PF and the index, whatever the VF is called in the plan.
  [
    `operation: setVf, target: "${port0}/vf8", attribute: trust`,
    { verb: "setVf", target: port0, vfIndex: 8, attribute: "trust" },
  ],
  [`operation: setVf, target: "0000:3b:02.0"`, { verb: "setVf", target: port0, vfIndex: 8 }],
  [`operation: setVf, target: "${port0}"`, { verb: "setVf", target: port0 }],
  // Requests for a driver name the VF's own address.
  [`operation: probe, target: "${port0}/vf8"`, { verb: "probe", target: "0000:3b:02.0" }],
];

test("each trigger is read as the request that it waits for", () => {
  for (const [on, meaning] of triggers) {
    assert.deepEqual(parse(planOf(on, "rescan")).faults?.[0]?.on, meaning, on);
  }
});

const mistakes: readonly (readonly [on: string, effect: string, problem: RegExp])[] = [
  ["operation: setNumVf", "hang", /^f:3:22: operation is setNumVf: wanted one of setNumVfs, /],
  ["target: 3b:00.0", "hang", /^f:3:9: on has no operation: wanted one of setNumVfs, /],
  ["operation: setMtu, target: eth0", "hang", /^f:3:38: target is eth0: wanted a PCI address/],
  [
    'operation: setMtu, target: "99:00.0"',
    "hang",
    /^f:3:38: target is 0000:99:00\.0: wanted one of 0000:01:00\.0, .*, or a VF of them$/,
  ],
  [`operation: setVf, target: "${port0}/vf128"`, "hang", /^f:3:37: .*: wanted a VF below vf128$/],
  [
    `operation: setMtu, target: "${port0}/vf1"`,
    "hang",
    /^f:3:38: target of setMtu is .*: wanted a PF$/,
  ],
  [`operation: setMsixCount, target: "${port0}"`, "hang", /^f:3:44: .*: wanted a VF$/],
  [`operation: loadModule, target: "${port0}"`, "hang", /^f:3:42: .*: wanted no target$/],
  [
    "operation: probe, attribute: mac",
    "hang",
    /^f:3:40: probe sets no attribute of a VF: wanted setVf$/,
  ],
  [
    "operation: setMtu, skip: 1e3",
    "hang",
    /^f:3:36: skip is 1e3: wanted how many to let pass, 0 to /,
  ],
  ["operation: setMtu, times: 0", "hang", /^f:3:37: times is 0: wanted how many to hit, 1 to /],
  ["operation: setMtu, vf: 3", "hang", /^f:3:30: Unknown key vf in on: wanted one of operation, /],
  ["operation: setMtu", "hnag", /^f:4:13: effect is hnag: wanted hang, rescan, or a mapping of /],
  ["operation: setMtu", "{}", /^f:4:13: effect is empty: wanted one effect$/],
  ["operation: setMtu", "[hang]", /^f:4:13: effect is a list: wanted hang, rescan, or /],
  ["operation: setMtu", "{ refuse: EFOO }", /^f:4:23: refuse is EFOO: wanted one of EACCES, /],
  [
    "operation: setMtu",
    "{ shortCount: 3 }",
    /^f:4:13: shortCount cannot hit setMtu: wanted setNumVfs$/,
  ],
  [
    "operation: vfList",
    "hang",
    /^f:4:13: hang cannot hit vfList: wanted an operation that changes/,
  ],
  [
    "operation: vfList",
    "rescan",
    /^f:4:13: rescan cannot hit vfList: wanted any operation but vfList$/,
  ],
  [
    "operation: probe",
    "{ failedProbe: [-1] }",
    /^f:4:29: failedProbe\[0\] is -1: wanted a VF index/,
  ],
  [
    "operation: setNumVfs",
    "{ shortCount: 3, noNetdev: [1] }",
    /^f:4:13: effect has shortCount and noNetdev: wanted a fault for each$/,
  ],
  [
    "operation: setMtu",
    "{ guestEnds: web9 }",
    /^f:4:26: guestEnds is web9: wanted web1, the nearest/,
  ],
  [
    "operation: setMtu",
    `{ guestOpens: { guest: web1, vf: "${port0}" } }`,
    /^f:4:46: vf is 0000:3b:00\.0, which is a PF: wanted a VF$/,
  ],
  [
    "operation: setMtu",
    `{ pfVanishes: "${port0}/vf0" }`,
    /^f:4:27: pfVanishes is .*, which is a VF: wanted a PF$/,
  ],
  [
    "operation: setMtu",
    `{ netdevRenamed: { pf: "${port0}", name: a/b } }`,
    /^f:4:58: name is a\/b: wanted a name of 1 to 15 characters without slash or space$/,
  ],
];

test("a mistake is one problem, with its place", () => {
  for (const [on, effect, wanted] of mistakes) {
    const { faults, problems } = parse(planOf(on, effect));
    const sentences = problems.map(({ where, message }) => `${where}: ${message}`);
    assert.equal(faults, null, on);
    assert.equal(sentences.length, 1, sentences.join("\n"));
    assert.match(sentences[0] ?? "", wanted);
  }
});

test("all mistakes of a file are said, in its order, and a newer format is refused", () => {
  const text = planOf("operation: setMtu, skip: -1", "{ shortCount: 3 }").replace("/1", "/2");
  assert.deepEqual(
    parse(text).problems.map(({ where }) => where),
    ["f:1:9", "f:3:36", "f:4:13"],
  );
});

test("more faults than a machine looks at for each request are refused", () => {
  const text = `format: sriovctl-faults/1\nfaults:\n${"  - { on: { operation: setMtu }, effect: hang }\n".repeat(1001)}`;
  assert.match(parse(text).problems[0]?.message ?? "", /^1001 faults: wanted at most 1000$/);
});

test("any text is read to its end", () => {
  const word = fc.constantFrom(
    "on",
    "effect",
    "faults",
    "format",
    "hang",
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "\n",
    "  ",
    ",",
    "setMtu",
    "operation",
    "&a",
    "*a",
    "\u0000",
    "0",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join("")),
      ),
      (text) => {
        const { faults, problems } = parse(text);
        assert.equal(faults === null, problems.length > 0);
      },
    ),
  );
});

test("every example is right", () => {
  const examples = globSync("examples/faults/*.yaml", { cwd: root });
  assert(examples.length > 0);
  for (const name of examples) {
    assert.deepEqual(parse(readFileSync(join(root, name), "utf8")).problems, [], name);
  }
});

test("docs/emulated.md shows plans that are right, and names every key", () => {
  const text = readFileSync(join(root, "docs", "emulated.md"), "utf8");
  const plans = [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, plan = ""]) => plan);
  assert(plans.length > 0);
  for (const plan of plans) assert.deepEqual(parse(plan).problems, []);
  const effects = [...text.matchAll(/^\| `(.*?)` \| .* \| (?:any but|`)[^|]* \|$/gm)].map(
    ([, effect = ""]) => effect,
  );
  const { on, effect } = faultPlanShape.shape.faults.element.shape;
  const written = effects.map((text) => text.split(":")[0]);
  const [words, mapping] = effect.options;
  assert.deepEqual(
    written.toSorted(),
    [...words.options, ...Object.keys(mapping.shape)].toSorted(),
  );
  for (const row of effects) {
    const operation = row.startsWith("truncatedList") ? "vfList" : "setNumVfs";
    const written = row.includes(":") ? `{ ${row} }` : row;
    assert.deepEqual(parse(planOf(`operation: ${operation}`, written)).problems, [], row);
  }
  for (const word of [...Object.keys(on.shape), ...on.shape.operation.options]) {
    assert.ok(text.includes(`\`${word}\``), word);
  }
});
