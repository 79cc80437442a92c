// Importing and then planning is empty, on hosts of every kind: the document goes through YAML
// and the spec's parser as a person's would.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inventoryOf, netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import { autoMacOfVf } from "../model/mac.ts";
import type { Inventory, Pf, Vf } from "../model/inventory.ts";
import { formatSpec } from "../model/spec-format.ts";
import { parseSpec } from "../model/spec-text.ts";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { importSpec } from "./import.ts";
import { plan } from "./plan.ts";

function planOfImport(inventory: Inventory) {
  const { spec, problems } = parseSpec(formatSpec(importSpec(inventory)), "imported.yaml");
  assert.deepEqual(problems, []);
  assert.ok(spec !== null);
  return plan({ spec, inventory, consent: [] });
}

const address = "0000:01:00.0";
const permanentMac = "b4:96:91:00:00:01";

const macs = fc.oneof(
  fc.constantFrom("00:00:00:00:00:00", "52:54:00:00:00:01", "ff:ff:ff:ff:ff:ff", null),
  fc.nat(6).map((vfIndex) => autoMacOfVf(permanentMac, vfIndex)),
);
const vlans = fc.record({
  id: fc.constantFrom(0, 1, 120, 4094, 4095),
  qos: fc.constantFrom(0, 3),
  protocol: fc.constantFrom("802.1q" as const, "802.1ad" as const),
});
const flag = fc.option(fc.boolean());
const rate = fc.constantFrom(null, 0, 10, 75, 1000, 40_000);
const guid = fc.constantFrom(null, "00:00:00:00:00:00:00:00", "0c:42:a1:03:00:16:05:3c");

const policies: fc.Arbitrary<VfPolicy> = fc.record({
  mac: macs,
  vlan: fc.option(vlans),
  txRateMinMbps: rate,
  txRateMaxMbps: rate,
  spoofCheck: flag,
  trust: flag,
  linkState: fc.constantFrom(null, "auto", "enable", "disable"),
  rssQuery: flag,
  nodeGuid: guid,
  portGuid: guid,
});

const drivers = fc.constantFrom(
  { driver: null, driverOverride: null },
  { driver: "igbvf", driverOverride: null },
  { driver: "vfio-pci", driverOverride: "vfio-pci" },
  { driver: "igb_uio", driverOverride: null },
  { driver: "on", driverOverride: "on" },
);

const vfsOf = (pf: string): fc.Arbitrary<Vf[]> =>
  fc
    .array(fc.tuple(drivers, fc.option(policies)), { maxLength: 5 })
    .map((rows) =>
      rows.map(([binding, policy], vfIndex) => vfOf(pf, vfIndex, { ...binding, policy })),
    );

const pfs = (pf: string): fc.Arbitrary<Pf> =>
  fc
    .record({
      driver: fc.constantFrom("igb", "ixgbe", "i40e", "ice", "mlx5_core", "nvme", "unheard", null),
      classCode: fc.constantFrom(0x020000, 0x020000, 0x010802, 0x120000),
      serial: fc.constantFrom(null, "b4-96-91-ff-ff-00-00-10", " odd "),
      permanentMac: fc.constantFrom(null, permanentMac, "01:00:00:00:00:00"),
      eswitchMode: fc.constantFrom(null, "legacy" as const, "switchdev" as const),
      totalVfs: fc.constantFrom(null, 7, 7, 7),
      adapter: fc.constantFrom("card", pf),
      mtu: fc.constantFrom(null, 0, 1500, 9000),
      isUp: flag,
      virtualFunctions: vfsOf(pf),
    })
    .map(({ mtu, isUp, ...part }) =>
      pfOf(pf, part.virtualFunctions.length, {
        ...part,
        netdevs: [netdevOf({ name: "ens1", mtu, isUp })],
      }),
    );

const hosts = fc.tuple(pfs(address), pfs("0000:01:00.1"), pfs("0000:02:00.0"));

test("importSpec() then plan() is empty, whatever the host has", () => {
  fc.assert(
    fc.property(hosts, (pfs) => {
      const { actions, problems } = planOfImport(inventoryOf(pfs));
      const unknowable = problems.filter(({ code }) => code !== "policy-unknown");
      assert.deepEqual({ actions, unknowable }, { actions: [], unknowable: [] });
    }),
    { numRuns: 300 },
  );
});

test("importSpec() writes VFs that are alike as one entry", () => {
  const pf = pfOf(address, 4, { serial: "b4-96-91-ff-ff-00-00-10" });
  const policy = { ...vfOf(address, 0).policy, trust: true } as VfPolicy;
  const vfs = pf.virtualFunctions.map((vf) => (vf.vfIndex === 2 ? { ...vf, policy } : vf));
  assert.deepEqual(importSpec(inventoryOf([{ ...pf, virtualFunctions: vfs }])), {
    apiVersion: "sriovctl/v1",
    adapters: [
      {
        name: "card0",
        match: { serial: "b4-96-91-ff-ff-00-00-10" },
        physicalFunctions: [
          {
            name: "p0",
            match: { permanentMac },
            addressHint: address,
            numVfs: 4,
            mtu: 1500,
          },
        ],
      },
    ],
    virtualFunctions: [
      { vfs: "p0/0-1,3", driver: "none", vlan: "none", spoofCheck: "on", trust: "off" },
      { vfs: "p0/2", driver: "none", vlan: "none", spoofCheck: "on", trust: "on" },
    ],
  });
});
