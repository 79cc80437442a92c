// What ends the VF count of a PF, and that nothing is said where nothing is known.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bridgeOf } from "../../test/evidence-of.ts";
import { pfOf } from "../../test/inventory-of.ts";
import type { Pf } from "../model/inventory.ts";
import { capacityText, inventoryCapacity, pfCapacity } from "./pf-capacity.ts";

const address = "0000:03:00.0";
const port = "0000:00:01.0";
const toBus = (subordinateBus: number) => [bridgeOf(port, { secondaryBus: 3, subordinateBus })];

const rows: readonly (readonly [
  what: string,
  pf: Partial<Pf>,
  bus: number,
  text: string | null,
])[] = [
  ["the driver", {}, 3, "7, limited by the driver: sriov_totalvfs, as igb allows"],
  [
    "the capability",
    { totalVfs: null },
    3,
    "8, limited by the device: TotalVFs of the SR-IOV capability",
  ],
  [
    "bus numbers",
    { firstVfOffset: 384, totalVfs: 63, capabilityTotalVfs: 64 },
    3,
    "0, limited by bus numbers: the next VF is on bus 04, bridge 0000:00:01.0 has buses up to 03",
  ],
  [
    "the end of all buses",
    { address: "0000:ff:00.0", totalVfs: 200, capabilityTotalVfs: 255 },
    255,
    "64, limited by bus numbers: the next VF would be beyond bus ff",
  ],
  ["memory", { hasVfMemory: false }, 3, "0, limited by memory: its VF BARs have no memory"],
  [
    "memory that is there",
    { hasVfMemory: true, totalVfs: 4 },
    3,
    "4, limited by the driver: sriov_totalvfs, as igb allows",
  ],
  [
    "vectors that VFs share",
    { vfTotalMsix: 6, totalVfs: 7 },
    3,
    "6, limited by interrupt vectors: 6 MSI-X vectors for all VFs, and a VF needs 1",
  ],
  [
    "vectors of ice, two a VF",
    { vfTotalMsix: 7, totalVfs: 7, driver: "ice" },
    3,
    "3, limited by interrupt vectors: 7 MSI-X vectors for all VFs, and a VF needs 2",
  ],
  [
    "what its firmware gives",
    { firmwareVfs: { now: 2, nextBoot: 8 }, totalVfs: 7 },
    3,
    "2, limited by the card's firmware: its stored number of VFs",
  ],
  [
    "nothing that is known",
    { totalVfs: null, capabilityTotalVfs: null, firstVfOffset: null },
    3,
    null,
  ],
];

for (const [what, part, bus, text] of rows) {
  test(`a PF is limited by ${what}`, () => {
    const pf = pfOf(address, 0, { path: [port], ...part });
    assert.equal(capacityText(inventoryCapacity(pf, toBus(bus))), text);
  });
}

test("VFs that are there prove their place and their memory", () => {
  const pf = pfOf(address, 2, { path: [port], firstVfOffset: 384, hasVfMemory: false });
  assert.equal(inventoryCapacity(pf, toBus(3)).limits[0]?.kind, "driver");
});

test("without ARI only functions 0 to 7 of the PF's bus are reached", () => {
  const pf = pfOf(address, 0, {
    path: [port],
    firstVfOffset: 1,
    vfStride: 1,
    totalVfs: 16,
    capabilityTotalVfs: 16,
  });
  const facts = { bridges: toBus(3), missingMemory: [], firmwareVfs: null };
  const kinds = [false, null, true].map((forwardsAri) => {
    const { numVfs, limits } = pfCapacity(pf, { ...facts, forwardsAri });
    return [numVfs, limits[0]?.kind];
  });
  assert.deepEqual(kinds, [
    [7, "ari"],
    [16, "capability"],
    [16, "capability"],
  ]);
});
