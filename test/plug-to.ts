// A VF as it goes to a consumer by default: the first of the first PF, as it is, into what runs. Each test
// says what is otherwise.

import assert from "node:assert/strict";
import { parseAssignTarget } from "../src/model/assign-target.ts";
import type { Plug } from "../src/model/plug.ts";

export function plugTo(to: string, more: Partial<Plug> = {}): Plug {
  const consumer = parseAssignTarget(to);
  assert.ok(consumer !== null, to);
  return {
    consumer,
    pf: "0000:01:00.0",
    vfIndex: 0,
    vf: "0000:01:10.0",
    mac: null,
    vlan: null,
    scope: "live",
    form: null,
    endpoint: null,
    failover: null,
    vfToken: null,
    ipAddresses: [],
    user: null,
    ...more,
  };
}
