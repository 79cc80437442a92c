// The configuration header: 64 bytes, of which the first 16 mean the same in every function and
// the rest depend on the header type (0 endpoint, 1 PCI-to-PCI bridge, 2 CardBus bridge).

import type { BaseAddress, BaseAddresses } from "./base-address.ts";
import { decodeBaseAddresses } from "./base-address.ts";
import type { Report } from "./capability/capability-decoder.ts";
import type { Fields } from "./register-fields.ts";
import { decodeFields } from "./register-fields.ts";
import type { Registers } from "./registers.ts";

const commandRegister = {
  ioSpace: 0,
  memorySpace: 1,
  busMaster: 2,
  specialCycles: 3,
  memoryWriteInvalidate: 4,
  vgaPaletteSnoop: 5,
  parityErrorResponse: 6,
  addressStepping: 7,
  serr: 8,
  fastBackToBack: 9,
  interruptDisable: 10,
} as const;

const statusRegister = {
  immediateReadiness: 0,
  interrupt: 3,
  capabilitiesList: 4,
  capable66Mhz: 5,
  fastBackToBack: 7,
  masterDataParityError: 8,
  devselTiming: [10, 9],
  signaledTargetAbort: 11,
  receivedTargetAbort: 12,
  receivedMasterAbort: 13,
  signaledSystemError: 14,
  detectedParityError: 15,
} as const;

const bridgeControlRegister = {
  parityErrorResponse: 0,
  serr: 1,
  isa: 2,
  vga: 3,
  vga16Bit: 4,
  masterAbort: 5,
  secondaryBusReset: 6,
  fastBackToBack: 7,
  primaryDiscardTimer: 8,
  secondaryDiscardTimer: 9,
  discardTimerStatus: 10,
  discardTimerSerr: 11,
} as const;

export type Header = {
  readonly command: Fields<typeof commandRegister>;
  readonly status: Fields<typeof statusRegister>;
  readonly cacheLineBytes: number;
  readonly latencyTimer: number;
  readonly isMultifunction: boolean;
  readonly bist: number;
  readonly interruptLine: number;
  /** 0 none, 1 to 4 INTA to INTD. */
  readonly interruptPin: number;
  readonly layout: EndpointLayout | BridgeLayout | CardBusLayout | UnknownLayout;
};

type ExpansionRom = { readonly enable: boolean; readonly address: number };

type EndpointLayout = {
  readonly type: "endpoint";
  readonly bars: readonly BaseAddress[];
  readonly cardBusCisPointer: number;
  readonly subsystemVendorId: number;
  readonly subsystemDeviceId: number;
  readonly expansionRom: ExpansionRom;
  readonly capabilityPointer: number;
};

/** First and last address that a bridge forwards, as the registers say; closed where base is
 * above limit. */
export type BridgeWindow = { readonly base: bigint; readonly limit: bigint };

type BridgeLayout = {
  readonly type: "bridge";
  readonly bars: readonly BaseAddress[];
  readonly primaryBus: number;
  readonly secondaryBus: number;
  readonly subordinateBus: number;
  readonly secondaryLatencyTimer: number;
  readonly ioWindow: BridgeWindow;
  readonly memoryWindow: BridgeWindow;
  readonly prefetchableWindow: BridgeWindow;
  readonly secondaryStatus: number;
  readonly expansionRom: ExpansionRom;
  readonly bridgeControl: Fields<typeof bridgeControlRegister>;
  readonly capabilityPointer: number;
};

type CardBusLayout = {
  readonly type: "cardbus";
  readonly socketBase: number;
  readonly primaryBus: number;
  readonly cardBusBus: number;
  readonly subordinateBus: number;
  readonly cardBusLatencyTimer: number;
  readonly secondaryStatus: number;
  readonly memoryWindows: readonly BridgeWindow[];
  readonly ioWindows: readonly BridgeWindow[];
  readonly bridgeControl: number;
  /** null where the dump ends before 0x48. */
  readonly subsystemVendorId: number | null;
  readonly subsystemDeviceId: number | null;
  readonly capabilityPointer: number;
};

type UnknownLayout = { readonly type: "unknown" };

const headerBytes = 0x40;

function reportBars({ cutOff, reservedType }: BaseAddresses, report: Report): void {
  for (const index of cutOff) {
    const message = `BAR ${index} is 64 bits wide: no register is left for its upper half`;
    report("bar-cut-off", 0x10 + 4 * index, message);
  }
  for (const index of reservedType) {
    report("bar-reserved-type", 0x10 + 4 * index, `BAR ${index} has the reserved type 11`);
  }
}

function decodeRom(value: number): ExpansionRom {
  return { enable: (value & 1) === 1, address: (value & 0xfffff800) >>> 0 };
}

function decodeEndpoint(registers: Registers, report: Report): EndpointLayout {
  const bars = decodeBaseAddresses(registers, 0x10, 6);
  reportBars(bars, report);
  return {
    type: "endpoint",
    bars: bars.bars,
    cardBusCisPointer: registers.u32(0x28),
    subsystemVendorId: registers.u16(0x2c),
    subsystemDeviceId: registers.u16(0x2e),
    expansionRom: decodeRom(registers.u32(0x30)),
    capabilityPointer: registers.u8(0x34),
  };
}

/** I/O windows are in units of 4 KiB; type 1 in the low nibble: 32 bits, else 16. */
function decodeIoWindow(registers: Registers): BridgeWindow {
  const [base, limit] = [registers.u8(0x1c), registers.u8(0x1d)];
  const isWide = (base & 0xf) === 1;
  const upper = (at: number): number => (isWide ? registers.u16(at) * 0x10000 : 0);
  return {
    base: BigInt(upper(0x30) + ((base & 0xf0) << 8)),
    limit: BigInt(upper(0x32) + ((limit & 0xf0) << 8) + 0xfff),
  };
}

/** Memory windows are in units of 1 MiB; type 1 in the low nibble: 64 bits. */
function decodeMemoryWindow(
  registers: Registers,
  at: number,
  upperAt: number | null,
): BridgeWindow {
  const [base, limit] = [registers.u16(at), registers.u16(at + 2)];
  const isWide = upperAt !== null && (base & 0xf) === 1;
  const upper = (offset: number): bigint =>
    isWide ? BigInt(registers.u32(upperAt + offset)) << 32n : 0n;
  return {
    base: upper(0) | (BigInt(base & 0xfff0) << 16n),
    limit: upper(4) | (BigInt(limit & 0xfff0) << 16n) | 0xfffffn,
  };
}

function decodeBridge(registers: Registers, report: Report): BridgeLayout {
  const bars = decodeBaseAddresses(registers, 0x10, 2);
  reportBars(bars, report);
  return {
    type: "bridge",
    bars: bars.bars,
    primaryBus: registers.u8(0x18),
    secondaryBus: registers.u8(0x19),
    subordinateBus: registers.u8(0x1a),
    secondaryLatencyTimer: registers.u8(0x1b),
    ioWindow: decodeIoWindow(registers),
    memoryWindow: decodeMemoryWindow(registers, 0x20, null),
    prefetchableWindow: decodeMemoryWindow(registers, 0x24, 0x28),
    secondaryStatus: registers.u16(0x1e),
    expansionRom: decodeRom(registers.u32(0x38)),
    bridgeControl: decodeFields(bridgeControlRegister, registers.u16(0x3e)),
    capabilityPointer: registers.u8(0x34),
  };
}

function decodeCardBus(registers: Registers): CardBusLayout {
  const window = (at: number, unitMask: number): BridgeWindow => ({
    base: BigInt((registers.u32(at) & ~unitMask) >>> 0),
    limit: BigInt((registers.u32(at + 4) | unitMask) >>> 0),
  });
  const hasSubsystem = registers.length >= 0x44;
  return {
    type: "cardbus",
    socketBase: registers.u32(0x10),
    primaryBus: registers.u8(0x18),
    cardBusBus: registers.u8(0x19),
    subordinateBus: registers.u8(0x1a),
    cardBusLatencyTimer: registers.u8(0x1b),
    secondaryStatus: registers.u16(0x16),
    memoryWindows: [window(0x1c, 0xfff), window(0x24, 0xfff)],
    ioWindows: [window(0x2c, 3), window(0x34, 3)],
    bridgeControl: registers.u16(0x3e),
    subsystemVendorId: hasSubsystem ? registers.u16(0x40) : null,
    subsystemDeviceId: hasSubsystem ? registers.u16(0x42) : null,
    capabilityPointer: registers.u8(0x14),
  };
}

function decodeLayout(headerType: number, registers: Registers, report: Report): Header["layout"] {
  if (headerType === 0) return decodeEndpoint(registers, report);
  if (headerType === 1) return decodeBridge(registers, report);
  if (headerType === 2) return decodeCardBus(registers);
  const message = `Header type is ${headerType}: 0, 1 and 2 are known`;
  report("header-type", 0x0e, message);
  return { type: "unknown" };
}

/** null where not all of the 64 header bytes are visible. */
export function decodeHeader(registers: Registers, report: Report): Header | null {
  if (registers.length < headerBytes) return null;
  const headerType = registers.u8(0x0e);
  return {
    command: decodeFields(commandRegister, registers.u16(0x04)),
    status: decodeFields(statusRegister, registers.u16(0x06)),
    cacheLineBytes: registers.u8(0x0c) * 4,
    latencyTimer: registers.u8(0x0d),
    isMultifunction: (headerType & 0x80) !== 0,
    bist: registers.u8(0x0f),
    interruptLine: registers.u8(0x3c),
    interruptPin: registers.u8(0x3d),
    layout: decodeLayout(headerType & 0x7f, registers, report),
  };
}

/** Where the standard list starts, as the register says; null where there is no list. */
export function capabilityPointerOf(header: Header): number | null {
  if (!header.status.capabilitiesList || header.layout.type === "unknown") return null;
  return header.layout.capabilityPointer;
}
