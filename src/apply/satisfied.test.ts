// Which changes are so already: a row a kind, with the PF as it is and as it is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { freshIgbPolicy, netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import type { PfChange } from "../model/action.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import { isSatisfied } from "./satisfied.ts";

const pf = "0000:3b:00.0";
const ofVf = { pf, vfIndex: 0 } as const;

const withVf = (part: Partial<Vf>): Partial<Pf> => ({
  numVfs: 1,
  virtualFunctions: [vfOf(pf, 0, part)],
});

const rows: readonly (readonly [change: PfChange, so: Partial<Pf>, notSo: Partial<Pf>])[] = [
  [
    { kind: "set-autoprobe", pf, isOn: false },
    { driversAutoprobe: false },
    { driversAutoprobe: true },
  ],
  [
    { kind: "set-eswitch-mode", pf, mode: "legacy" },
    { eswitchMode: null },
    { eswitchMode: "switchdev" },
  ],
  [
    { kind: "set-mtu", pf, mtu: 9000 },
    { netdevs: [netdevOf({ name: "p0", mtu: 9000 })] },
    { netdevs: [netdevOf({ name: "p0" })] },
  ],
  [
    { kind: "set-admin-state", pf, isUp: false },
    { netdevs: [netdevOf({ name: "p0", isUp: false })] },
    { netdevs: [netdevOf({ name: "p0" })] },
  ],
  [
    { kind: "set-admin-state", pf, isUp: false },
    { netdevs: [netdevOf({ name: "p0", isUp: false })] },
    { netdevs: [] },
  ],
  [{ kind: "remove-vfs", pf }, { numVfs: 0 }, { numVfs: 1 }],
  [{ kind: "create-vfs", pf, numVfs: 2 }, { numVfs: 2 }, { numVfs: 1 }],
  [{ kind: "probe-vf", ...ofVf }, withVf({ driver: "igbvf" }), withVf({ driver: null })],
  [
    { kind: "bind-driver", ...ofVf, driver: "vfio-pci" },
    withVf({ driver: "vfio-pci", driverOverride: "vfio-pci" }),
    withVf({ driver: "vfio-pci", driverOverride: null }),
  ],
  [
    { kind: "bind-driver", ...ofVf, driver: "kernel" },
    withVf({ driver: "igbvf" }),
    withVf({ driver: "vfio-pci" }),
  ],
  [
    { kind: "set-msix-count", ...ofVf, msixCount: 4 },
    withVf({ msixCount: 4 }),
    withVf({ msixCount: 5 }),
  ],
  [
    { kind: "set-vf", ...ofVf, attribute: { name: "trust", isOn: true } },
    withVf({ policy: { ...freshIgbPolicy, trust: true } }),
    withVf({ policy: { ...freshIgbPolicy, trust: null } }),
  ],
];

for (const [change, so, notSo] of rows) {
  test(`isSatisfied() knows whether ${JSON.stringify(change)} is so`, () => {
    assert.equal(isSatisfied(change, pfOf(pf, 0, so)), true);
    assert.equal(isSatisfied(change, pfOf(pf, 0, notSo)), false);
  });
}

test("isSatisfied() is never true for a VF that is not there", () => {
  const none = pfOf(pf);
  assert.equal(isSatisfied({ kind: "bind-driver", ...ofVf, driver: "none" }, none), false);
});
