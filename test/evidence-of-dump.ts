// Evidence for the doctor from what people publish: config space as lspci dumps it, and the kernel's
// log. Everything else is not known, as it would be to somebody who was sent these files.

import type { Evidence } from "../src/doctor/view.ts";
import { formatBdf } from "../src/model/bdf.ts";
import type { HostFacts, PciFunctionFacts } from "../src/model/host-facts.ts";
import type { Bridge, Pf } from "../src/model/inventory.ts";
import { decodeFunction } from "../src/pci/decode-function.ts";
import { parseDump } from "../src/pci/dump.ts";
import { findExtendedCapability, type FunctionConfig } from "../src/pci/function-config.ts";
import { vfAddresses } from "../src/pci/routing-id.ts";
import { linesOfLog } from "../src/host/linux/kernel-log.ts";
import { inventoryOf, pfOf, vfOf } from "./inventory-of.ts";

/** The facts of a host of which nobody told any. */
export const nothingKnown: HostFacts = {
  distribution: null,
  kernel: { commandLine: null, architecture: null, lockdown: null, isSecureBoot: null },
  iommu: {
    instances: null,
    acpiTables: null,
    allowsUnsafeInterrupts: null,
    isNoIommuMode: null,
  },
  iommuGroups: null,
  functions: [],
  nics: [],
  kernelLog: null,
  moduleParameters: {},
  software: { libvirt: null, qemu: null, iproute2: null, systemd: null, mstflint: null },
  memory: null,
  gaps: [],
};

type Dumped = {
  readonly address: string;
  readonly bytes: Uint8Array;
  readonly config: FunctionConfig;
};

function bridgeOf({ address, config }: Dumped): Bridge[] {
  const layout = config.header?.layout;
  if (layout?.type !== "bridge") return [];
  const { secondaryBus, subordinateBus } = layout;
  return [
    {
      address,
      vendorId: config.vendorId ?? 0,
      deviceId: config.deviceId ?? 0,
      classCode: config.classCode ?? 0,
      driver: "pcieport",
      secondaryBus,
      subordinateBus,
      iommuGroup: null,
    },
  ];
}

const busOf = (address: string): number => Number.parseInt(address.slice(-7, -5), 16);

/** Bridges above, nearest first: each is on a bus below which the function's lies. */
function pathOf(address: string, bridges: readonly Bridge[]): string[] {
  const path: string[] = [];
  for (let bus = busOf(address); path.length < 8;) {
    const above = bridges.find(({ secondaryBus }) => secondaryBus === bus);
    if (above === undefined || path.includes(above.address)) break;
    path.push(above.address);
    bus = busOf(above.address);
  }
  return path;
}

function pfsOf({ address, config }: Dumped, bdf: { domain: number; routingId: number }): Pf[] {
  const sriov = findExtendedCapability(config, "sriov");
  if (sriov === null) return [];
  const { totalVfs, firstVfOffset, vfStride, vfEnable, vfDeviceId } = sriov;
  const numVfs = vfEnable ? sriov.numVfs : 0;
  const virtualFunctions = vfAddresses(bdf, { firstVfOffset, vfStride }, numVfs).map(
    (vfAddress, vfIndex) =>
      vfOf(address, vfIndex, { address: vfAddress, policy: null, iommuGroup: null }),
  );
  const { vendorId, deviceId, classCode } = config;
  return [
    pfOf(address, numVfs, {
      vendorId: vendorId ?? 0,
      deviceId: deviceId ?? 0,
      classCode: classCode ?? 0,
      iommuGroup: null,
      netdevs: [],
      totalVfs,
      capabilityTotalVfs: totalVfs,
      firstVfOffset,
      vfStride,
      vfDeviceId,
      virtualFunctions,
    }),
  ];
}

type Files = {
  /** Text of `lspci -xxxx`. */
  readonly dump: Uint8Array;
  /** IOMMU groups by address. */
  readonly groups?: ReadonlyMap<string, number>;
  readonly log?: string;
};

export function evidenceOfDump({ dump, groups = new Map(), log }: Files): Evidence {
  const dumped = parseDump(dump, null).functions.flatMap(({ bdf, bytes }) =>
    bdf === null ? [] : [{ bdf, address: formatBdf(bdf), bytes, config: decodeFunction(bytes) }],
  );
  const groupOf = (address: string): number | null => groups.get(address) ?? null;
  const bridges = dumped
    .flatMap(bridgeOf)
    .map((bridge) => ({ ...bridge, iommuGroup: groupOf(bridge.address) }));
  const pfs = dumped
    .flatMap((fn) => pfsOf(fn, fn.bdf))
    .map((pf) => ({
      ...pf,
      path: pathOf(pf.address, bridges),
      iommuGroup: groupOf(pf.address),
      virtualFunctions: pf.virtualFunctions.map((vf) => ({
        ...vf,
        iommuGroup: groupOf(vf.address),
      })),
    }));
  const functions = dumped.map(({ address, bytes, config }): PciFunctionFacts => ({
    address,
    vendorId: config.vendorId,
    deviceId: config.deviceId,
    classCode: config.classCode,
    driver: null,
    iommuGroup: groupOf(address),
    config: bytes,
    resources: null,
  }));
  const iommuGroups =
    groups.size === 0
      ? null
      : [...new Set(groups.values())].map((number) => ({
          number,
          type: null,
          name: null,
          members: [...groups].flatMap(([address, group]) => (group === number ? [address] : [])),
        }));
  return evidenceOfLog(pfs, log ?? null, { functions, iommuGroups }, bridges);
}

/** A kernel log, and the PFs of the machine that wrote it. */
export function evidenceOfLog(
  pfs: readonly Pf[],
  log: string | null,
  facts: Partial<HostFacts> = {},
  bridges: readonly Bridge[] = [],
): Evidence {
  const kernelLog = log === null ? null : { lines: linesOfLog(log), isWhole: false };
  return {
    inventory: inventoryOf(pfs, { bridges }),
    facts: { ...nothingKnown, kernelLog, ...facts },
    wanted: null,
    conflicts: null,
  };
}
