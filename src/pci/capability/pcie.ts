// PCI Express capability (0x10): what kind of port a function is, its link, whether it can be reset
// by itself, and whether the port forwards ARI. Which registers exist depends on version and port
// type: integrated endpoints have no link, only some ports have a slot, only root ports a root.

import type { RegisterWriter } from "../config-space.ts";
import type { Fields } from "../register-fields.ts";
import { decodeFields, encodeFields, fieldMask } from "../register-fields.ts";
import type { Registers } from "../registers.ts";
import type { CapabilityDecoder } from "./capability-decoder.ts";
import * as field from "./pcie-fields.ts";

const portTypeNames = {
  0: "Endpoint",
  1: "Legacy Endpoint",
  4: "Root Port",
  5: "Upstream Switch Port",
  6: "Downstream Switch Port",
  7: "PCIe to PCI Bridge",
  8: "PCI to PCIe Bridge",
  9: "Root Complex Integrated Endpoint",
  10: "Root Complex Event Collector",
} as const;

type PortTypeCode = keyof typeof portTypeNames;

export const portTypeName = (portType: number): string =>
  Object.entries(portTypeNames).find(([code]) => Number(code) === portType)?.[1] ??
  `Unknown port type ${portType}`;

/** In the root complex itself: there is no link. */
const isIntegrated = (portType: number): boolean => portType === 9 || portType === 10;

const speedsGtps = [2.5, 5, 8, 16, 32, 64];

/** GT/s of a link speed code; null for 0 and codes that are not known. */
export const linkSpeedGtps = (code: number): number | null => speedsGtps[code - 1] ?? null;

/** Bytes of a payload or read-request size code; 6 and 7 are reserved. */
export const payloadBytes = (code: number): number => 128 << code;

/** A part is null where the port type or the version has no such registers. */
export type Pcie = { readonly kind: "pcie" } & Fields<typeof field.pcieFlags> &
  ReturnType<typeof decodeBase> &
  ReturnType<typeof decodeVersion2>;

type Shape = {
  readonly length: number;
  readonly hasLink: boolean;
  readonly hasSlot: boolean;
  readonly hasRoot: boolean;
  readonly isVersion2: boolean;
};

/** Linux drivers/pci/access.c pcie_cap_has_lnkctl(), pcie_cap_has_sltctl(), pcie_cap_has_rtctl()
 * say which registers a port type has; pci_regs.h PCI_CAP_EXP_*_SIZEOF_* how long that is. */
function shapeOf(registers: Registers): Shape {
  const { version, portType, slotImplemented } = decodeFields(field.pcieFlags, registers.u16(2));
  const hasLink = !isIntegrated(portType);
  const hasSlot = slotImplemented && (portType === 4 || portType === 6 || portType === 8);
  const hasRoot = portType === 4 || portType === 10;
  const isVersion2 = version >= 2;
  const lengthVersion1 = hasRoot ? 0x24 : hasSlot ? 0x1c : hasLink ? 0x14 : 0x0c;
  const lengthVersion2 = hasSlot ? 0x38 : hasLink ? 0x34 : 0x2c;
  const length = isVersion2 ? lengthVersion2 : lengthVersion1;
  return { length, hasLink, hasSlot, hasRoot, isVersion2 };
}

function decodeBase(registers: Registers, { hasLink, hasSlot, hasRoot }: Shape) {
  return {
    deviceCapabilities: decodeFields(field.deviceCapabilities, registers.u32(0x04)),
    deviceControl: decodeFields(field.deviceControl, registers.u16(0x08)),
    deviceStatus: decodeFields(field.deviceStatus, registers.u16(0x0a)),
    link: hasLink
      ? {
          capabilities: decodeFields(field.linkCapabilities, registers.u32(0x0c)),
          control: decodeFields(field.linkControl, registers.u16(0x10)),
          status: decodeFields(field.linkStatus, registers.u16(0x12)),
        }
      : null,
    slot: hasSlot
      ? {
          capabilities: decodeFields(field.slotCapabilities, registers.u32(0x14)),
          control: decodeFields(field.slotControl, registers.u16(0x18)),
          status: decodeFields(field.slotStatus, registers.u16(0x1a)),
        }
      : null,
    root: hasRoot
      ? {
          capabilities: decodeFields(field.rootCapabilities, registers.u16(0x1e)),
          control: decodeFields(field.rootControl, registers.u16(0x1c)),
          status: decodeFields(field.rootStatus, registers.u32(0x20)),
        }
      : null,
  };
}

function decodeVersion2(registers: Registers, { isVersion2, hasLink, hasSlot }: Shape) {
  return {
    device2: isVersion2
      ? {
          capabilities: decodeFields(field.deviceCapabilities2, registers.u32(0x24)),
          control: decodeFields(field.deviceControl2, registers.u16(0x28)),
        }
      : null,
    link2:
      isVersion2 && hasLink
        ? {
            capabilities: decodeFields(field.linkCapabilities2, registers.u32(0x2c)),
            control: decodeFields(field.linkControl2, registers.u16(0x30)),
            status: decodeFields(field.linkStatus2, registers.u16(0x32)),
          }
        : null,
    slot2:
      isVersion2 && hasSlot
        ? { capabilities: decodeFields(field.slotCapabilities2, registers.u32(0x34)) }
        : null,
  };
}

export const pcie: CapabilityDecoder<Pcie> = {
  lengthOf: (registers) => shapeOf(registers).length,
  decode(registers, _context, report) {
    const flags = decodeFields(field.pcieFlags, registers.u16(2));
    const shape = shapeOf(registers);
    if (flags.version === 0) report("pcie-version", 2, "PCIe capability has version 0: 1 is first");
    if (!(flags.portType in portTypeNames)) {
      report("pcie-port-type", 2, `PCIe port type is ${flags.portType}: no such type is known`);
    }
    return {
      kind: "pcie",
      ...flags,
      ...decodeBase(registers, shape),
      ...decodeVersion2(registers, shape),
    };
  },
};

export type PcieDescription = {
  readonly kind: "pcie";
  readonly portType: PortTypeCode;
  /** 1 to 6 for 2.5 to 64 GT/s. Ignored for integrated endpoints, as width and port number. */
  readonly speedCode?: number;
  readonly width?: number;
  readonly portNumber?: number;
  /** Function-level reset; VFs always have it. */
  readonly functionLevelReset?: boolean;
  /** ARI Forwarding Supported: for root ports and downstream switch ports. */
  readonly ariForwarding?: boolean;
  readonly tenBitTagRequester?: boolean;
  /** Physical slot number below a root or downstream port; absent: no slot. */
  readonly slotNumber?: number;
};

/** A version 2 capability, link up at its full speed and width. */
export function encodePcie(writer: RegisterWriter, description: PcieDescription): void {
  const { portType, slotNumber, tenBitTagRequester = false } = description;
  const { functionLevelReset = false, ariForwarding = false } = description;
  const slotImplemented = slotNumber !== undefined;
  writer.u16(2, encodeFields(field.pcieFlags, { version: 2, portType, slotImplemented }));
  const capabilities = { maxPayloadSizeCode: 2, extendedTag: true, roleBasedErrorReporting: true };
  writer.u32(4, encodeFields(field.deviceCapabilities, { ...capabilities, functionLevelReset }));
  const control = { relaxedOrdering: true, extendedTag: true, noSnoop: true };
  writer.u16(
    8,
    encodeFields(field.deviceControl, { ...control, maxReadRequestSizeCode: 2 }),
    0x7fff,
  );
  writer.u16(0x0a, 0, 0, 0x000f);
  if (!isIntegrated(portType)) encodeLink(writer, description);
  if (slotNumber !== undefined) {
    writer.u32(0x14, encodeFields(field.slotCapabilities, { physicalSlotNumber: slotNumber }));
    writer.u16(0x1a, encodeFields(field.slotStatus, { presenceDetect: true }));
  }
  writer.u32(
    0x24,
    encodeFields(field.deviceCapabilities2, {
      ariForwarding,
      completionTimeoutDisable: true,
      tenBitTagRequester,
      tenBitTagCompleter: tenBitTagRequester,
    }),
  );
  const settable = fieldMask(field.deviceControl2, ["completionTimeoutValue", "atomicOpRequester"]);
  const ariEnable = ariForwarding ? fieldMask(field.deviceControl2, ["ariForwarding"]) : 0;
  writer.u16(0x28, 0, settable | ariEnable);
}

function encodeLink(writer: RegisterWriter, description: PcieDescription): void {
  const { speedCode = 4, width = 8, portNumber = 0 } = description;
  const link = { maxSpeedCode: speedCode, maxWidth: width, portNumber, aspmSupport: 0 };
  const isDownward = description.portType === 4 || description.portType === 6;
  const capabilities = { ...link, dataLinkActiveReporting: isDownward };
  writer.u32(0x0c, encodeFields(field.linkCapabilities, capabilities));
  writer.u16(0x10, 0, fieldMask(field.linkControl, ["aspmControl", "commonClock"]));
  const status = { speedCode, width, dataLinkActive: isDownward };
  writer.u16(0x12, encodeFields(field.linkStatus, status));
  const supportedSpeeds = (1 << speedCode) - 1;
  writer.u32(0x2c, encodeFields(field.linkCapabilities2, { supportedSpeeds }));
  writer.u16(0x30, encodeFields(field.linkControl2, { targetSpeedCode: speedCode }));
}
