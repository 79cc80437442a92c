// Saved plans of every format version, stale ones, and files that are none.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { inventoryOf, pfOf } from "../../test/inventory-of.ts";
import { SriovError } from "../model/errors.ts";
import { formatSavedPlan, parseSavedPlan, savedPlanOf, stalenessOf } from "./saved-plan.ts";

const inventory = inventoryOf([pfOf("0000:01:00.0", 2)]);
const spec = { source: "host.yaml", text: "apiVersion: sriovctl/v1\n" };
const saved = savedPlanOf(spec, ["vm:web1"], inventory, []);
const text = formatSavedPlan(saved);

test("a saved plan survives writing and reading", () => {
  assert.deepEqual(parseSavedPlan(text, "a.plan"), saved);
  assert.equal(stalenessOf(saved, inventory, []), null);
});

test("the fixture of format 1 is still read", () => {
  const path = join(import.meta.dirname, "fixtures", "saved-plan-1.json");
  const { host, consent, actions, spec } = parseSavedPlan(readFileSync(path, "utf8"), path);
  assert.deepEqual([host, consent], ["emulated:demo", ["vm:web1"]]);
  assert.deepEqual([actions.length, spec.source], [2, "resize.yaml"]);
});

const { host } = inventory;
const { physicalFunctions } = inventory;
const stale: readonly (readonly [name: string, now: typeof inventory, reason: RegExp])[] = [
  [
    "another host",
    inventoryOf(physicalFunctions, { host: { ...host, name: "x" } }),
    /is for linux/,
  ],
  [
    "another machine",
    inventoryOf(physicalFunctions, { host: { ...host, machineId: "y" } }),
    /another machine/,
  ],
  [
    "another boot",
    inventoryOf(physicalFunctions, { host: { ...host, bootId: "z" } }),
    /was booted/,
  ],
  ["another VF count", inventoryOf([pfOf("0000:01:00.0", 3)]), /the host changed/],
];

for (const [name, now, reason] of stale) {
  test(`a saved plan is stale on ${name}`, () => {
    assert.match(stalenessOf(saved, now, []) ?? "", reason);
  });
}

test("a saved plan whose actions were edited is stale", () => {
  const change = { kind: "remove-vfs", pf: "0000:01:00.0" } as const;
  const action = { id: "a1", change, target: change.pf, because: "", disrupts: [], inverse: [] };
  const edited = { ...saved, actions: [{ ...action, adapter: null }] };
  assert.match(stalenessOf(edited, inventory, []) ?? "", /other actions/);
});

const refusals: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /it is not JSON/],
  ["[]", /it is not JSON/],
  [text.slice(0, 40), /it is not JSON/],
  ["{}", /its format is undefined, wanted sriovctl-plan\/1/],
  [text.replace("plan/1", "plan/2"), /its format sriovctl-plan\/2 is newer/],
  [text.replace('"fingerprint"', '"finger"'), /keys are missing or of another type/],
  [text.replace('"vm:web1"', "7"), /keys are missing or of another type/],
];

test("what is no saved plan is refused with the reason", () => {
  for (const [wrong, message] of refusals) {
    assert.throws(
      () => parseSavedPlan(wrong, "a.plan"),
      (error) =>
        error instanceof SriovError && error.code === "file-format" && message.test(error.message),
    );
  }
});

test("parseSavedPlan() refuses any JSON without throwing anything else", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      assert.throws(() => parseSavedPlan(json, "a.plan"), SriovError);
    }),
    { numRuns: 200 },
  );
});
