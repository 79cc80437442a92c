// Random walks: whatever is asked of the machine in whatever order, at once or one after another,
// its state holds together, survives being written down, and with everything taken back it is as it
// was. A failing walk prints its steps.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SriovError } from "../../model/errors.ts";
import type { HostRequest } from "../host.ts";
import type { EmulatedHost } from "./emulated-host.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import type { MachineEvent } from "./events.ts";
import type { Machine } from "./machine.ts";
import { addressOfVf, groupMembers, machineOf } from "./machine.ts";
import { printMachine } from "./print.ts";
import type { MachineState } from "./state.ts";

const pfs = ["0000:3b:00.0", "0000:3b:00.1", "0000:5e:00.0", "0000:87:00.0", "0000:01:00.0"];
const pf = fc.constantFrom(...pfs);
const vf = fc.constantFrom("0000:5e:18.0", "0000:5e:18.1", "0000:3b:01.0", "0000:3b:01.1");
const address = fc.oneof(pf, vf);

const requests: fc.Arbitrary<HostRequest> = fc.oneof(
  fc.record({
    verb: fc.constant("setNumVfs" as const),
    pf,
    numVfs: fc.integer({ min: 0, max: 9 }),
  }),
  fc.record({ verb: fc.constant("setDriversAutoprobe" as const), pf, isOn: fc.boolean() }),
  fc.record({
    verb: fc.constant("setDriverOverride" as const),
    address,
    driver: fc.constantFrom(null, "vfio-pci", "iavf", "nonesuch"),
  }),
  fc.record({ verb: fc.constant("unbind" as const), address }),
  fc.record({ verb: fc.constant("probe" as const), address }),
  fc.record({ verb: fc.constant("loadModule" as const), module: fc.constant("vfio-pci") }),
  fc.record({
    verb: fc.constant("setVf" as const),
    pf,
    vfIndex: fc.nat(3),
    attribute: fc.constantFrom(
      { name: "trust", isOn: true } as const,
      { name: "mac", mac: "02:00:00:00:00:01" } as const,
    ),
  }),
  fc.record({ verb: fc.constant("setAdminState" as const), pf, isUp: fc.boolean() }),
  fc.record({ verb: fc.constant("setMsixCount" as const), address: vf, msixCount: fc.nat(8) }),
  fc.record({ verb: fc.constant("reset" as const), address }),
);

const guest = fc.constantFrom("web1", "web2");
const events: fc.Arbitrary<MachineEvent> = fc.oneof(
  fc.record({ event: fc.constant("guest-opens" as const), guest, vf }),
  fc.record({ event: fc.constant("guest-closes" as const), guest, vf }),
);

type Step = { readonly requests: readonly HostRequest[]; readonly event: MachineEvent | null };

const steps: fc.Arbitrary<Step> = fc.record({
  requests: fc.array(requests, { minLength: 1, maxLength: 3 }),
  event: fc.option(events, { freq: 3 }),
});

/** Refusals are fine here, and so are requests that are left behind. */
async function askFor(host: EmulatedHost, request: HostRequest): Promise<void> {
  try {
    await host.perform(request, { deadlineMs: 20_000, lockFd: null });
  } catch (error) {
    assert(error instanceof SriovError, String(error));
  }
}

function checkMachine(machine: Machine): void {
  const { core, pfs } = machine.state;
  for (const [lock, id] of Object.entries(core.locks)) {
    assert(
      core.operations.some((each) => each.id === id),
      `lock ${lock} has a holder`,
    );
  }
  const addresses = new Set<string>();
  for (const pf of pfs) {
    const isMoving = core.operations.length > 0;
    if (!isMoving) assert.equal(pf.vfs.length, pf.numVfsRegister, `${pf.address} has its VFs`);
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf === null) return;
      const address = addressOfVf(machine, pf, vfIndex);
      assert(!addresses.has(address), `${address} is one VF`);
      addresses.add(address);
      assert(vf.group !== undefined && groupMembers(machine, vf.group).includes(address));
      if (vf.driver === undefined) assert.equal(vf.netdev, undefined, `${address} has no driver`);
    });
  }
  for (const { name, holds } of core.guests) {
    for (const held of holds) assert(addresses.has(held), `${name} holds ${held}, which exists`);
  }
  // Nothing that matters is beside the state.
  const copy = machineOf(JSON.parse(JSON.stringify(machine.state)) as MachineState);
  assert.equal(printMachine(copy), printMachine(machine));
  if (core.hasIommu) assert.equal(copy.groupIds.take(), lowestFreeGroup(machine));
}

function lowestFreeGroup(machine: Machine): number {
  let group = 0;
  while (groupMembers(machine, group).length > 0) group++;
  return group;
}

/** Takes everything back that a walk can have done. */
async function bringBack(host: EmulatedHost): Promise<void> {
  for (const name of ["web1", "web2"]) host.happen({ event: "guest-ends", guest: name });
  await host.sleep(600_000);
  for (const pf of pfs) {
    await askFor(host, { verb: "setDriverOverride", address: pf, driver: null });
    await askFor(host, { verb: "unbind", address: pf });
    await askFor(host, { verb: "probe", address: pf });
    await askFor(host, { verb: "setNumVfs", pf, numVfs: 0 });
    await askFor(host, { verb: "setDriversAutoprobe", pf, isOn: true });
    await askFor(host, { verb: "loadModule", module: "vfio-pci" });
  }
}

test("a machine holds together on random walks, and comes back to where it was", async () => {
  const straight = await openEmulatedHost({ name: "demo", statePath: null });
  await bringBack(straight);
  const atRest = straight.print();
  assert.doesNotMatch(atRest, /VF \d|in flight|holds/);
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 12 }), async (walk) => {
      const host = await openEmulatedHost({ name: "demo", statePath: null });
      for (const { requests, event } of walk) {
        const all = Promise.all(requests.map((request) => askFor(host, request)));
        if (event !== null) host.happen(event);
        await all;
        host.store.transact(checkMachine);
      }
      await bringBack(host);
      assert.equal(host.print(), atRest);
    }),
    { numRuns: 60 },
  );
});
