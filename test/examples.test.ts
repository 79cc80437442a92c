// Examples that name an emulated machine fit it: the plan has something to do, no problem, and
// hits nobody.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { fullInventory } from "../src/host/host.ts";
import { parseSpec } from "../src/model/spec-text.ts";
import { plan } from "../src/plan/plan.ts";

for (const name of ["demo", "igb-lab", "nvme"]) {
  const machine = name === "nvme" ? "igb-lab" : name;
  test(`examples/${name}.yaml fits emulated:${machine}`, async () => {
    const file = join(import.meta.dirname, "..", "examples", `${name}.yaml`);
    const { spec, problems } = parseSpec(readFileSync(file, "utf8"), file);
    assert.deepEqual(problems, []);
    assert(spec !== null);
    const host = await openEmulatedHost({ name: machine, statePath: null });
    const inventory = await host.inventory(fullInventory);
    const planned = plan({ spec, inventory, consent: [] });
    assert.deepEqual(planned.problems, []);
    assert.deepEqual(planned.warnings, []);
    assert(planned.actions.length > 0);
    assert.deepEqual(
      planned.actions.flatMap(({ disrupts }) => disrupts),
      [],
    );
  });
}
