// What runs out on real machines runs out here: addresses for VF BARs, bus numbers, and the IOMMU
// that is not there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crossing, demoWith } from "../../../test/cramped-demo.ts";
import { fullInventory } from "../host.ts";
import type { HostRequest } from "../host.ts";
import { openEmulatedHost } from "./emulated-host.ts";

const patience = { deadlineMs: 600_000, lockFd: null };
const setNumVfs = (numVfs: number): HostRequest => ({ verb: "setNumVfs", pf: crossing, numVfs });

test("a window without room for VF BARs leaves the PF working and refuses VFs", async () => {
  const profile = demoWith({ windowBytes: 48 * 2 ** 20 });
  const host = await openEmulatedHost({ name: profile, statePath: null });
  await assert.rejects(host.perform(setNumVfs(1), patience), { errno: "ENOMEM" });
  assert.match(
    host.store.transact(({ state }) => state.core.log.at(-1) ?? ""),
    /MMIO/,
  );
  const { physicalFunctions } = await host.inventory(fullInventory);
  const pf = physicalFunctions.find(({ address }) => address === crossing);
  assert.partialDeepStrictEqual(pf, { driver: "mlx5_core", numVfs: 0 });
});

test("a bridge without a bus number for the last VF refuses the count, not the PF", async () => {
  const host = await openEmulatedHost({
    name: demoWith({ subordinateBus: 0x5e }),
    statePath: null,
  });
  await assert.rejects(host.perform(setNumVfs(65), patience), { errno: "ENOMEM" });
  await host.perform(setNumVfs(64), patience);
  const { physicalFunctions } = await host.inventory(fullInventory);
  const pf = physicalFunctions.find(({ address }) => address === crossing);
  assert.equal(pf?.virtualFunctions.at(-1)?.address, "0000:5e:1f.7");
});

test("without an IOMMU there are no groups, and vfio-pci takes nothing", async () => {
  const profile = { ...demoWith({}), hasIommu: false };
  const host = await openEmulatedHost({ name: profile, statePath: null });
  await host.perform({ verb: "setDriversAutoprobe", pf: crossing, isOn: false }, patience);
  await host.perform(setNumVfs(1), patience);
  await host.perform({ verb: "loadModule", module: "vfio-pci" }, patience);
  const address = "0000:5e:18.0";
  await host.perform({ verb: "setDriverOverride", address, driver: "vfio-pci" }, patience);
  await host.perform({ verb: "probe", address }, patience);
  const { physicalFunctions } = await host.inventory(fullInventory);
  const pf = physicalFunctions.find((each) => each.address === crossing);
  assert.partialDeepStrictEqual(pf, {
    iommuGroup: null,
    virtualFunctions: [{ address, driver: null, iommuGroup: null }],
  });
});

test("uevents: VF add, VF change, at last PF change; a disable says nothing of the PF", async () => {
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  const pf = "0000:01:00.0";
  host.store.transact(({ state }) => state.core.uevents.splice(0));
  await host.perform({ verb: "setDriversAutoprobe", pf, isOn: false }, patience);
  await host.perform({ verb: "setNumVfs", pf, numVfs: 2 }, patience);
  await host.perform({ verb: "setNumVfs", pf, numVfs: 0 }, patience);
  assert.deepEqual(
    host.store.transact(({ state }) => [...state.core.uevents]),
    [
      "add 0000:01:10.0",
      "change 0000:01:10.0",
      "add 0000:01:10.2",
      "change 0000:01:10.2",
      "change 0000:01:00.0",
      "remove 0000:01:10.0",
      "remove 0000:01:10.2",
    ],
  );
});
