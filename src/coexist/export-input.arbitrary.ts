// Random exports for tests: one PF with a netdev, some VFs with some values each.

import fc from "fast-check";
import { netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import type { ExportInput, ExportPf, ExportVf, VfValues } from "./export.ts";

const noValues: VfValues = {
  mac: null,
  vlan: null,
  rate: null,
  spoofCheck: null,
  trust: null,
  linkState: null,
  rssQuery: null,
  nodeGuid: null,
  portGuid: null,
  msix: null,
};

export const plainVf = (vfIndex: number, part: Partial<ExportVf> = {}): ExportVf => ({
  vfIndex,
  address: vfOf("0000:3b:00.0", vfIndex).address,
  netdev: `ens59v${vfIndex}`,
  iommuGroup: 20 + vfIndex,
  subsystemId: "8086:a03c",
  consumer: null,
  pool: null,
  driver: null,
  values: noValues,
  ...part,
});

export const plainPf = (vfs: readonly ExportVf[], part: Partial<ExportPf> = {}): ExportPf => ({
  label: "p0",
  pf: pfOf("0000:3b:00.0", 0, {
    eswitchMode: "legacy",
    virtualFunctions: vfs.map(({ vfIndex }) =>
      vfOf("0000:3b:00.0", vfIndex, { netdevs: [netdevOf({ name: `ens59v${vfIndex}` })] }),
    ),
  }),
  numVfs: 8,
  eswitchMode: null,
  mtu: null,
  adminState: null,
  vfs,
  ...part,
});

export const inputOf = (...pfs: readonly ExportPf[]): ExportInput => ({ pfs, node: "pve1" });

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { freq: 1 });

const octet = fc.integer({ min: 0, max: 255 });

const mac = fc.tuple(octet, octet, octet, octet, octet).map((octets) => {
  return ["02", ...octets.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
});

const vlan = fc.record({
  id: fc.integer({ min: 1, max: 4094 }),
  qos: fc.integer({ min: 0, max: 7 }),
  protocol: fc.constantFrom("802.1q" as const, "802.1ad" as const),
});

const rate = fc
  .record({ minMbps: fc.nat(1000), more: fc.nat(1000) })
  .map(({ minMbps, more }) => ({ minMbps, maxMbps: minMbps + more }));

const values: fc.Arbitrary<VfValues> = fc.record({
  mac: maybe(mac),
  vlan: maybe(vlan),
  rate: maybe(rate),
  spoofCheck: maybe(fc.boolean()),
  trust: maybe(fc.boolean()),
  linkState: maybe(fc.constantFrom("auto" as const, "enable" as const, "disable" as const)),
  rssQuery: maybe(fc.boolean()),
  nodeGuid: fc.constant(null),
  portGuid: fc.constant(null),
  msix: fc.constant(null),
});

const driver = fc.constantFrom(null, "none" as const, "kernel" as const, "vfio-pci" as const);

/** All eight VFs of one PF. */
export const exportInput: fc.Arbitrary<ExportInput> = fc
  .record({
    all: fc.array(values, { minLength: 8, maxLength: 8 }),
    common: fc.option(driver, { nil: undefined }),
    drivers: fc.array(driver, { minLength: 8, maxLength: 8 }),
    eswitchMode: maybe(fc.constantFrom("legacy" as const, "switchdev" as const)),
    mtu: maybe(fc.integer({ min: 68, max: 9000 })),
  })
  .map(({ all, common, drivers, eswitchMode, mtu }) => {
    const vfs = all.map((own, vfIndex) => {
      const one = common === undefined ? (drivers[vfIndex] ?? null) : common;
      return plainVf(vfIndex, { values: own, driver: one });
    });
    return inputOf(plainPf(vfs, { eswitchMode, mtu }));
  });
