// The number that a saved plan keeps of its host: the same for years, and another one as soon as
// something changes that a plan is made from.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, netdevOf, pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import type { Pf } from "../model/inventory.ts";
import { fingerprintOf } from "./fingerprint.ts";

const address = "0000:3b:00.0";
const base: Partial<Pf> = {
  netdevs: [netdevOf({ name: "p0" })],
};
const of = (part: Partial<Pf>): string =>
  fingerprintOf(inventoryOf([pfOf(address, 1, { ...base, ...part })]));

test("fingerprintOf() stays what it was in the first version", () => {
  assert.equal(of({}), "5adcc982f55f0138");
});

const changes: Readonly<Record<string, Partial<Pf>>> = {
  "a PF that is down": { netdevs: [netdevOf({ name: "p0", isUp: false })] },
  "another MTU": { netdevs: [netdevOf({ name: "p0", mtu: 9000 })] },
  "another interface name": { netdevs: [netdevOf({ name: "p1" })] },
  "another driver": { driver: "vfio-pci" },
  "another count": { numVfs: 2 },
  "autoprobe off": { driversAutoprobe: false },
  "another eswitch mode": { eswitchMode: "switchdev" },
  "another permanent MAC": { permanentMac: "b4:96:91:00:00:99" },
  "a user of the PF": { owners: [vmOwner("web1")] },
  "a user of a VF": { virtualFunctions: [vfOf(address, 0, { owners: [vmOwner("web1")] })] },
  "another driver of a VF": { virtualFunctions: [vfOf(address, 0, { driver: "vfio-pci" })] },
};

for (const [name, part] of Object.entries(changes)) {
  test(`fingerprintOf() sees ${name}`, () => assert.notEqual(of(part), of({})));
}

test("fingerprintOf() does not see link states and process ids", () => {
  assert.equal(
    of({ netdevs: [netdevOf({ name: "p0", hasLink: false, linkSpeedMbps: 0 })] }),
    of({}),
  );
  const ownedBy = (pid: number): Partial<Pf> => ({ owners: [{ ...vmOwner("web1"), pid }] });
  assert.equal(of(ownedBy(1)), of(ownedBy(2)));
});
