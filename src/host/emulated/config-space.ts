// Config space of every function, laid down from its card and then written to as firmware, kernel
// and drivers wrote it: bus master on, ARI and ACS where the kernel switched them on, NumVFs and VF
// Enable through the registers' own write masks. VFs have theirs derived from their PF, so nothing
// of it is kept.

import type { Address } from "../../model/bdf.ts";
import type { ConfigSpace } from "../../pci/config-space.ts";
import { setRegister, writeConfig } from "../../pci/config-space.ts";
import { sriovControl, sriovRegister } from "../../pci/capability/sriov.ts";
import { encodeFunction } from "../../pci/encode-function.ts";
import type {
  ExtendedCapabilityDescription,
  FunctionDescription,
} from "../../pci/function-description.ts";
import type { Card } from "./card.ts";
import { cardOf } from "./cards.ts";
import { portDeviceIds } from "./inventory.ts";
import type { Machine } from "./machine.ts";
import { findPf, findPort, findVf, functionNumber, placementOf, siblingsOf } from "./machine.ts";
import type { PfState, PortState, VfState } from "./state.ts";

const speedCodes: Readonly<Record<string, number>> = {
  "2.5 GT/s PCIe": 1,
  "5.0 GT/s PCIe": 2,
  "8.0 GT/s PCIe": 3,
  "16.0 GT/s PCIe": 4,
  "32.0 GT/s PCIe": 5,
};

const requiredFlags = {
  sourceValidation: true,
  requestRedirect: true,
  completionRedirect: true,
  upstreamForwarding: true,
};
const portAcs = { ...requiredFlags, translationBlocking: true, directTranslated: true };

/** 4096 bytes, or null when no function answers there. */
export function configSpaceOf(machine: Machine, address: Address): Uint8Array | null {
  const pf = findPf(machine, address);
  if (pf !== null) return pfSpace(machine, pf);
  const place = findVf(machine, address);
  if (place !== null) return vfSpace(place.pf, place.vf);
  const port = findPort(machine, address);
  return port === null ? null : portSpace(machine, port);
}

const littleEndian16 = (value: number): Uint8Array => new Uint8Array([value & 0xff, value >>> 8]);

const memoryAndMaster = 0x0006;
const commandAt = 0x04;

function acsOf(machine: Machine): ExtendedCapabilityDescription {
  const enabled = machine.state.core.hasIommu ? requiredFlags : {};
  return { kind: "acs", supported: portAcs, enabled };
}

const msixOf = (tableSize: number) =>
  ({
    kind: "msix",
    tableSize,
    table: { bar: 3, offset: 0 },
    pendingBitArray: { bar: 3, offset: 0x2000 },
  }) as const;

/** Offset of the SR-IOV capability: the last of the extended list, which starts at 0x100. */
function offsetOfSriov({ bytes }: ConfigSpace): number {
  const view = new DataView(bytes.buffer);
  let at = 0x100;
  while ((view.getUint32(at, true) & 0xffff) !== 0x10) at = view.getUint32(at, true) >>> 20;
  return at;
}

function pfDescription(machine: Machine, pf: PfState): FunctionDescription {
  const card = cardOf(pf.card);
  const siblings = siblingsOf(machine, pf).map((other) => functionNumber(other.address));
  const own = functionNumber(pf.address);
  const nextFunction = siblings.filter((other) => other > own).toSorted()[0] ?? 0;
  const isIntegrated = pf.below === null;
  const extended: ExtendedCapabilityDescription[] = [{ kind: "advancedErrorReporting" }];
  if (pf.serial !== null) extended.push({ kind: "deviceSerialNumber", serial: pf.serial });
  extended.push({ kind: "ari", nextFunction });
  if (card.hasAcs) extended.push(acsOf(machine));
  extended.push({
    kind: "sriov",
    totalVfs: card.totalVfs,
    ...placementOf(machine, pf),
    vfDeviceId: card.vfDeviceId,
    vfBars: pf.vfBarBases.map(({ bar, base }) => ({
      index: bar.index,
      kind: "memory",
      width: bar.is64Bit ? 64 : 32,
      prefetchable: true,
      sizeBytes: bar.sizeBytes,
      address: base ?? 0,
    })),
    functionDependencyLink: own,
    isLowestPf: siblings.every((other) => other > own),
  });
  return {
    ...identityOf(card),
    isMultifunction: pf.isMultifunction,
    header: {
      kind: "endpoint",
      bars: [
        {
          index: 0,
          kind: "memory",
          width: 64,
          prefetchable: true,
          sizeBytes: card.barBytes,
          address: pf.barBase,
        },
      ],
      subsystemVendorId: card.subsystemVendorId,
      subsystemDeviceId: card.subsystemDeviceId,
      interruptPin: 1,
    },
    capabilities: [
      { kind: "powerManagement" },
      msixOf(card.msixCount),
      {
        kind: "pcie",
        portType: isIntegrated ? 9 : 0,
        speedCode: speedCodes[card.pcieSpeed] ?? 1,
        width: card.pcieWidth,
        functionLevelReset: true,
      },
    ],
    extendedCapabilities: extended,
  };
}

const identityOf = ({ vendorId, deviceId, revision, classCode }: Card) => ({
  vendorId,
  deviceId,
  revision,
  classCode,
});

function pfSpace(machine: Machine, pf: PfState): Uint8Array {
  const space = encodeFunction(pfDescription(machine, pf));
  if (pf.driver !== null) writeConfig(space, commandAt, littleEndian16(memoryAndMaster));
  const at = offsetOfSriov(space);
  const isAriOn = findPort(machine, pf.below)?.forwardsAri === true;
  // NumVFs is read-only once VF Enable is set, so it goes first, as in iov.c sriov_enable().
  writeConfig(space, at + sriovRegister.numVfs, littleEndian16(pf.numVfsRegister));
  const control =
    (pf.vfEnable ? (1 << sriovControl.vfEnable) | (1 << sriovControl.vfMse) : 0) |
    (isAriOn ? 1 << sriovControl.ariCapableHierarchy : 0);
  writeConfig(space, at + sriovRegister.control, littleEndian16(control));
  return space.bytes;
}

function vfSpace(pf: PfState, vf: VfState): Uint8Array {
  const card = cardOf(pf.card);
  const space = encodeFunction({
    ...identityOf(card),
    header: {
      kind: "vf",
      subsystemVendorId: card.subsystemVendorId,
      subsystemDeviceId: card.subsystemDeviceId,
    },
    capabilities: [
      msixOf(vf.msixCount ?? card.vfMsixCount),
      {
        kind: "pcie",
        portType: 0,
        speedCode: speedCodes[card.pcieSpeed] ?? 1,
        width: card.pcieWidth,
        functionLevelReset: true,
      },
    ],
    extendedCapabilities: [{ kind: "advancedErrorReporting" }, { kind: "ari" }],
  });
  if (vf.driver !== undefined) writeConfig(space, commandAt, littleEndian16(memoryAndMaster));
  return space.bytes;
}

const portTypes = { "root-port": 4, "upstream-port": 5, "downstream-port": 6 } as const;
const deviceControl2Ari = 0x20;

function portSpace(machine: Machine, port: PortState): Uint8Array {
  const limit = port.windowBase + port.windowBytes - 1;
  const extended: ExtendedCapabilityDescription[] = [{ kind: "advancedErrorReporting" }];
  if (port.hasAcs) extended.push(acsOf(machine));
  const space = encodeFunction({
    vendorId: 0x8086,
    deviceId: portDeviceIds[port.kind],
    revision: 0,
    classCode: 0x060400,
    header: {
      kind: "bridge",
      bars: [],
      primaryBus: findPort(machine, port.below)?.secondaryBus ?? 0,
      secondaryBus: port.secondaryBus,
      subordinateBus: port.subordinateBus,
      memoryWindow: null,
      prefetchableWindow: { base: port.windowBase, limit },
    },
    capabilities: [
      {
        kind: "pcie",
        portType: portTypes[port.kind],
        speedCode: 4,
        width: 16,
        ariForwarding: port.forwardsAri,
      },
    ],
    extendedCapabilities: extended,
  });
  writeConfig(space, commandAt, littleEndian16(memoryAndMaster));
  // The kernel turns ARI forwarding on where the device below has function 0 with ARI: all do.
  const hasDevice = machine.state.pfs.some(({ below }) => below === port.address);
  if (port.forwardsAri && hasDevice) setRegister(space, 0x40 + 0x28, 2, deviceControl2Ari);
  return space.bytes;
}
