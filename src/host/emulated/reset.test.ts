// Resetting a VF of the emulated machine: what it counts, and the driver that never lets go.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Vf } from "../../model/inventory.ts";
import type { HostRequest } from "../host.ts";
import { fullInventory } from "../host.ts";
import { openEmulatedHost } from "./emulated-host.ts";

test("a reset ends on a VF without a driver, and never on igbvf while its netdev is down", async () => {
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  const perform = (request: HostRequest) =>
    host.perform(request, { deadlineMs: 600_000, lockFd: null });
  const pf = "0000:01:00.0";
  await perform({ verb: "setNumVfs", pf, numVfs: 1 });
  await host.awaitVfs(pf, 1, 60_000);
  const { physicalFunctions } = await host.inventory({ ...fullInventory, only: [pf] });
  const [vf] = physicalFunctions.flatMap(({ virtualFunctions }): readonly Vf[] => virtualFunctions);
  const { address = "", driver } = vf ?? {};
  assert.equal(driver, "igbvf");
  await perform({ verb: "unbind", address });
  assert.deepEqual(await perform({ verb: "reset", address }), { status: "done" });
  assert.match(host.print(), /reset 1 times/);
  await perform({ verb: "probe", address });
  assert.deepEqual(await perform({ verb: "reset", address }), { status: "stuck", pid: null });
  const unbound = await perform({ verb: "unbind", address });
  assert.equal(unbound.status, "stuck", "the reset keeps the lock of the VF");
});
