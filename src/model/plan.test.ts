// What is left of a plan when adapters with a problem stay untouched.

import assert from "node:assert/strict";
import { test } from "node:test";
import { actionsWithoutProblems } from "./plan.ts";

const actionsOf = (...adapters: readonly (string | null)[]) =>
  adapters.map((adapter, index) => ({
    id: `a${index + 1}`,
    change: { kind: "load-module", module: "vfio-pci" } as const,
    target: "host",
    adapter,
    because: "",
    disrupts: [],
    inverse: [],
  }));

const problemsOf = (...adapters: readonly (string | null)[]) =>
  adapters.map((adapter) => ({ code: "x", where: "s.yaml:1:1", message: "", adapter }));

type Row = readonly [
  name: string,
  problems: readonly (string | null)[],
  actions: readonly (string | null)[],
  left: string,
];

const rows: readonly Row[] = [
  ["everything where there is no problem", [], [null, "nic0", "nic1"], "a1 a2 a3"],
  ["the other adapters, and what they need of the host", ["nic0"], [null, "nic0", "nic1"], "a1 a3"],
  ["nothing of the host alone", ["nic0"], [null, "nic0"], ""],
  ["nothing where a problem is of the whole spec", [null], ["nic0", "nic1"], ""],
  ["nothing where each adapter has one", ["nic0", "nic1"], ["nic0", "nic1"], ""],
];

for (const [name, problems, actions, left] of rows) {
  test(`actionsWithoutProblems() leaves ${name}`, () => {
    const rest = { warnings: [], unverifiable: [], losses: [] };
    const plan = { actions: actionsOf(...actions), problems: problemsOf(...problems), ...rest };
    assert.equal(
      actionsWithoutProblems(plan)
        .map(({ id }) => id)
        .join(" "),
      left,
    );
  });
}
