// What is said of a PF and its VFs that are not as they were.

import assert from "node:assert/strict";
import { test } from "node:test";
import { freshIgbPolicy, inventoryOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { differencesFrom, factsOf } from "./facts.ts";

test("a difference has the values alone: the field's name stands beside them", () => {
  const address = "0000:01:00.0";
  const withPolicy = (part: Partial<VfPolicy>) =>
    pfOf(address, 1, {
      driver: "igb",
      virtualFunctions: [vfOf(address, 0, { policy: { ...freshIgbPolicy, ...part } })],
    });
  const before = factsOf(withPolicy({ mac: "b2:00:00:00:00:01" }));
  const vlan = { id: 120, qos: 3, protocol: "802.1q" } as const;
  const now = withPolicy({ mac: "a2:00:00:00:00:01", vlan });
  const target = `${address}/vf0`;
  assert.deepEqual(differencesFrom([before], inventoryOf([now])), [
    { target, field: "mac", before: "b2:00:00:00:00:01", now: "a2:00:00:00:00:01" },
    { target, field: "vlan", before: "none", now: "120 qos 3" },
  ]);
});
