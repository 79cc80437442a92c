// Builds inventories for tests from what matters in them: a PF is an address, a driver and some
// VFs; everything else has a plain value.

import { formatBdf, parseBdf } from "../src/model/bdf.ts";
import type { Inventory, Netdev, Owner, Pf, Vf } from "../src/model/inventory.ts";
import { noPolicy, type VfPolicy } from "../src/model/vf-attribute.ts";

export const freshIgbPolicy: VfPolicy = {
  ...noPolicy,
  mac: "00:00:00:00:00:00",
  vlan: { id: 0, qos: 0, protocol: "802.1q" },
  txRateMinMbps: 0,
  txRateMaxMbps: 0,
  spoofCheck: true,
  trust: false,
};

/** What a netdevsim without any setting reports of a VF. */
export const freshNetdevsimPolicy: VfPolicy = {
  ...freshIgbPolicy,
  spoofCheck: false,
  linkState: "auto",
  rssQuery: false,
};

export const vmOwner = (name: string): Owner => ({
  kind: "vm",
  name,
  pid: 812,
  evidence: `QEMU ${name} has it open`,
});

export function netdevOf(part: Partial<Netdev> & { readonly name: string }): Netdev {
  return {
    ifindex: 2,
    mac: null,
    permanentMac: null,
    mtu: 1500,
    isUp: true,
    hasLink: true,
    linkSpeedMbps: 1000,
    portName: null,
    ...part,
  };
}

export function vfOf(pf: string, vfIndex: number, part: Partial<Vf> = {}): Vf {
  const bdf = parseBdf(pf);
  const routingId = (bdf?.routingId ?? 0) + 0x80 + vfIndex * 2;
  return {
    vfIndex,
    address: formatBdf({ domain: bdf?.domain ?? 0, routingId }),
    driver: null,
    driverOverride: null,
    netdevs: [],
    iommuGroup: 20 + vfIndex,
    policy: freshIgbPolicy,
    msixCount: null,
    owners: [],
    ...part,
  };
}

/** An igb PF with `numVfs` fresh VFs, changed by `part`. */
export function pfOf(address: string, numVfs = 0, part: Partial<Pf> = {}): Pf {
  const name = `ens${Number.parseInt(address.slice(5, 7), 16)}`;
  return {
    address,
    adapter: address.slice(0, -2),
    serial: null,
    vendorId: 0x8086,
    deviceId: 0x10c9,
    subsystemVendorId: null,
    subsystemDeviceId: null,
    classCode: 0x020000,
    driver: "igb",
    driverOverride: null,
    numaNode: 0,
    iommuGroup: 10,
    netdevs: [netdevOf({ name })],
    permanentMac: `b4:96:91:00:00:${address.slice(5, 7)}`,
    totalVfs: 7,
    capabilityTotalVfs: 8,
    numVfs,
    isChanging: false,
    firstVfOffset: 0x80,
    vfStride: 2,
    vfDeviceId: 0x10ca,
    driversAutoprobe: true,
    eswitchMode: null,
    msixCount: 10,
    vfTotalMsix: 0,
    link: { speed: "2.5 GT/s PCIe", width: 1, maxSpeed: "2.5 GT/s PCIe", maxWidth: 1 },
    path: [],
    owners: [],
    virtualFunctions: Array.from({ length: numVfs }, (_, vfIndex) => vfOf(address, vfIndex)),
    ...part,
  };
}

export function inventoryOf(physicalFunctions: readonly Pf[], part: Partial<Inventory> = {}) {
  const inventory: Inventory = {
    host: {
      name: "linux",
      isWritable: true,
      machineId: "5d3a",
      bootId: "0b1c",
      kernelRelease: "6.12.95",
    },
    physicalFunctions,
    bridges: [],
    loadedDrivers: ["igb", "igbvf"],
    problems: [],
    ...part,
  };
  return inventory;
}
