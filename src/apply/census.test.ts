// Whom a change may hit without being asked about: those whom the consent names, and those whom
// the running apply brought itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applySpec, openBench, options } from "../../test/sim/bench.ts";
import { refused } from "../../test/sim/refused.ts";
import { specOf } from "../../test/sim/specs.ts";
import type { OwnerKind } from "../model/inventory.ts";
import { broughtUser, broughtVfs, unnamedUsers } from "./census.ts";
import { rollback } from "./recover.ts";

const pf = "0000:3b:00.0";

const rows: readonly (readonly [
  user: readonly [kind: OwnerKind, name: string, target: string],
  words: readonly string[],
  isAsked: boolean,
])[] = [
  [["vm", "web1", `${pf}/vf1`], [], true],
  [["vm", "web1", `${pf}/vf1`], ["vm:web1"], false],
  [["vm", "web1", `${pf}/vf1`], ["vm:web"], true],
  [["vm", "web1", `${pf}/vf1`], [broughtVfs(pf)], true],
  [["netdev", "eth3", `${pf}/vf1`], [broughtVfs(pf)], false],
  [["route", "default", `${pf}/vf1`], [broughtVfs(pf)], false],
  [["netdev", "eth3", "0000:3b:00.1/vf1"], [broughtVfs(pf)], true],
  [["netdev", "eth0", pf], [broughtVfs(pf)], true],
  [["upper", "br0", pf], [broughtUser({ kind: "upper", name: "br0" }, pf)], false],
  [["upper", "br0", "0000:5e:00.0"], [broughtUser({ kind: "upper", name: "br0" }, pf)], true],
];

for (const [[kind, name, target], words, isAsked] of rows) {
  const verdict = isAsked ? "asks about" : "does not ask about";
  test(`consent to [${words.join(" ")}] ${verdict} ${kind}:${name} on ${target}`, () => {
    const user = { kind, name, target, evidence: "seen" };
    assert.equal(unnamedUsers([user], new Set(words)).length, isAsked ? 1 : 0);
  });
}

test("a bridge that comes up with its PF is in nobody's way, until it has served", async () => {
  const machine = { pfs: [{ card: "intel-82576", isUp: false, upper: "br0" }] } as const;
  const bench = await openBench(machine);
  const spec = specOf({ pfs: [{ adminState: "up", numVfs: 2 }] });
  const report = await applySpec(bench, spec);
  assert.equal(report.outcome, "done");
  const request = { ...options, consent: [], command: "sriovctl rollback" };
  const error = await refused("would-disrupt", rollback(bench.session, request));
  assert.match(error.message, /upper:br0/);
  const agreed = { ...request, consent: ["upper:br0"] };
  assert.equal((await rollback(bench.session, agreed)).outcome, "undone");
});
