// Config space from a description: header, standard list, extended list, with the bits that a
// write may change. The emulated host builds its functions from this, so what it shows through
// `config` is decoded by the same code as a real function's.

import { assert } from "../model/assert.ts";
import { encodeBaseAddress } from "./base-address.ts";
import { encodeAcs } from "./capability/acs.ts";
import { encodeAdvancedErrorReporting } from "./capability/advanced-error-reporting.ts";
import { encodeAri } from "./capability/ari.ts";
import { encodeDeviceSerialNumber } from "./capability/device-serial-number.ts";
import { encodeMsi, encodeMsix } from "./capability/interrupts.ts";
import { encodePcie } from "./capability/pcie.ts";
import { encodePowerManagement } from "./capability/power-management.ts";
import { encodeSriov } from "./capability/sriov.ts";
import type { ConfigSpace, RegisterWriter } from "./config-space.ts";
import { configSpaceBytes, emptyConfigSpace, writerAt } from "./config-space.ts";
import type {
  BridgeHeader,
  ExtendedCapabilityDescription,
  FunctionDescription,
  Placed,
  StandardCapabilityDescription,
  Window,
} from "./function-description.ts";

type Row<Description> = {
  readonly id: number;
  readonly lengthBytes: number;
  readonly encode: (writer: RegisterWriter, description: Description) => void;
};

type Rows<Union extends { kind: string }> = {
  readonly [Kind in Union["kind"]]: Row<Extract<Union, { kind: Kind }>>;
};

const standardRows: Rows<StandardCapabilityDescription> = {
  powerManagement: { id: 0x01, lengthBytes: 8, encode: encodePowerManagement },
  msi: { id: 0x05, lengthBytes: 0x18, encode: encodeMsi },
  msix: { id: 0x11, lengthBytes: 12, encode: encodeMsix },
  pcie: { id: 0x10, lengthBytes: 0x3c, encode: encodePcie },
};

const extendedRows: Rows<ExtendedCapabilityDescription> = {
  advancedErrorReporting: { id: 0x01, lengthBytes: 0x48, encode: encodeAdvancedErrorReporting },
  deviceSerialNumber: { id: 0x03, lengthBytes: 12, encode: encodeDeviceSerialNumber },
  acs: { id: 0x0d, lengthBytes: 8, encode: encodeAcs },
  ari: { id: 0x0e, lengthBytes: 8, encode: encodeAri },
  sriov: { id: 0x10, lengthBytes: 0x40, encode: encodeSriov },
};

const alignUp = (offset: number, alignment: number): number =>
  Math.ceil(offset / alignment) * alignment;

type Place<Description> = {
  readonly offset: number;
  readonly description: Description;
  readonly row: Row<Description>;
};

/** Gives each capability its offset: as described, else the next free one. */
function placeAll<Description extends { kind: string }>(
  descriptions: readonly Placed<Description>[],
  rows: Readonly<Record<string, Row<never>>>,
  { first, end, alignment }: { first: number; end: number; alignment: number },
): Place<Description>[] {
  let free = first;
  return descriptions.map((description) => {
    // Rows are keyed by the kinds of the same union.
    const row = rows[description.kind] as unknown as Row<Description>;
    const offset = description.offset ?? alignUp(free, alignment);
    assert(offset % 4 === 0 && offset >= first, `capability lies at a dword from ${first} on`);
    assert(offset + row.lengthBytes <= end, `${description.kind} fits below offset ${end}`);
    free = Math.max(free, offset + row.lengthBytes);
    return { offset, description, row };
  });
}

function encodeStandardList(space: ConfigSpace, description: FunctionDescription): void {
  const range = { first: 0x40, end: 0x100, alignment: 4 };
  const places = placeAll(description.capabilities, standardRows, range);
  const header = writerAt(space, 0);
  header.u8(0x34, places[0]?.offset ?? 0);
  places.forEach(({ offset, description, row }, index) => {
    const writer = writerAt(space, offset);
    writer.u8(0, row.id);
    writer.u8(1, places[index + 1]?.offset ?? 0);
    row.encode(writer, description);
  });
}

function encodeExtendedList(space: ConfigSpace, description: FunctionDescription): void {
  const range = { first: 0x100, end: configSpaceBytes, alignment: 16 };
  const places = placeAll(description.extendedCapabilities, extendedRows, range);
  const first = places[0];
  assert(first === undefined || first.offset === 0x100, "the extended list starts at 0x100");
  places.forEach(({ offset, description, row }, index) => {
    const writer = writerAt(space, offset);
    const version = 1;
    const next = places[index + 1]?.offset ?? 0;
    writer.u32(0, row.id | (version << 16) | (next << 20));
    row.encode(writer, description);
  });
}

/** I/O Space, Memory Space, Bus Master, Parity Error Response, SERR#, Interrupt Disable. */
const commandBits = 0x0547;
/** A VF's memory decoding is VF MSE in its PF; only Bus Master is its own. */
const vfCommandBits = 0x0004;
const statusClearableBits = 0xf900;
const statusCapabilitiesList = 0x0010;

const ones = 0xffff;
const mib = 0x100000;

/** High 12 bits of base and limit in units of 1 MiB, and the window's type in the low nibble (1:
 * upper halves exist); a closed window has base above limit. */
function encodeWindow(writer: RegisterWriter, at: number, window: Window, type: number): void {
  const base = window === null ? 0xfff0 : (Math.floor(window.base / mib) & 0xfff) << 4;
  const limit = window === null ? 0 : (Math.floor(window.limit / mib) & 0xfff) << 4;
  writer.u16(at, base | type, 0xfff0);
  writer.u16(at + 2, limit | type, 0xfff0);
}

function encodeBridge(writer: RegisterWriter, header: BridgeHeader): void {
  for (const bar of header.bars) encodeBaseAddress(writer, 0x10, bar);
  writer.u8(0x18, header.primaryBus, 0xff);
  writer.u8(0x19, header.secondaryBus, 0xff);
  writer.u8(0x1a, header.subordinateBus, 0xff);
  // No I/O window: base above limit.
  writer.u8(0x1c, 0xf0, 0xf0);
  writer.u8(0x1d, 0x00, 0xf0);
  encodeWindow(writer, 0x20, header.memoryWindow, 0);
  encodeWindow(writer, 0x24, header.prefetchableWindow, 1);
  const { base, limit } = header.prefetchableWindow ?? { base: 0, limit: 0 };
  writer.u32(0x28, Math.floor(base / 2 ** 32), 0xffffffff);
  writer.u32(0x2c, Math.floor(limit / 2 ** 32), 0xffffffff);
}

function encodeHeader(space: ConfigSpace, description: FunctionDescription): void {
  const writer = writerAt(space, 0);
  const { header } = description;
  const isVf = header.kind === "vf";
  writer.u16(0x00, isVf ? ones : description.vendorId);
  writer.u16(0x02, isVf ? ones : description.deviceId);
  writer.u16(0x04, 0, isVf ? vfCommandBits : commandBits);
  const hasCapabilities = description.capabilities.length > 0;
  writer.u16(0x06, hasCapabilities ? statusCapabilitiesList : 0, 0, statusClearableBits);
  writer.u8(0x08, description.revision);
  writer.u8(0x09, description.classCode & 0xff);
  writer.u16(0x0a, description.classCode >>> 8);
  const multifunction = !isVf && description.isMultifunction === true ? 0x80 : 0;
  writer.u8(0x0e, (header.kind === "bridge" ? 1 : 0) | multifunction);
  if (!isVf) {
    writer.u8(0x0c, 0, 0xff);
    writer.u8(0x3c, 0, 0xff);
  }
  if (header.kind === "bridge") {
    encodeBridge(writer, header);
    return;
  }
  writer.u16(0x2c, header.subsystemVendorId);
  writer.u16(0x2e, header.subsystemDeviceId);
  if (header.kind === "vf") return;
  for (const bar of header.bars) encodeBaseAddress(writer, 0x10, bar);
  writer.u8(0x3d, header.interruptPin);
}

/** 4096 bytes with their masks. Asserts that offsets fit; the values are taken as they are. */
export function encodeFunction(description: FunctionDescription): ConfigSpace {
  const space = emptyConfigSpace();
  encodeHeader(space, description);
  encodeStandardList(space, description);
  encodeExtendedList(space, description);
  return space;
}
