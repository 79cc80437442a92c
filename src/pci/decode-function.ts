// Config space of one function as data. Total: any bytes give a FunctionConfig, every doubt is a
// problem with its offset, and what cannot be decoded stays visible as bytes. What is missing
// because fewer bytes were read than the function has is reported as truncated, never as absent.

import type { ListEntry } from "./capability-walk.ts";
import { walkExtendedList, walkStandardList } from "./capability-walk.ts";
import { configSpaceBytes } from "./config-space.ts";
import { decodeList, extendedList, standardList } from "./decode-list.ts";
import type { Capability, FunctionConfig, Problems } from "./function-config.ts";
import { collectProblems, hex } from "./function-config.ts";
import { capabilityPointerOf, decodeHeader } from "./header.ts";
import type { Registers } from "./registers.ts";
import { registersAt } from "./registers.ts";

/** Linux drivers/pci/probe.c pci_ext_cfg_is_aliased(): some bridges repeat the first 256 bytes
 * instead of giving extended space. */
function isAliased(registers: Registers): boolean {
  const identity = registers.u32(0);
  for (let at = 0x100; at + 4 <= registers.length; at += 0x100) {
    if (registers.u32(at) !== identity) return false;
  }
  return true;
}

/** Whether the function should have extended space (probe.c pci_cfg_space_size()): it is PCI
 * Express, or PCI-X at 266 or 533 MHz. */
function expectsExtendedSpace(
  registers: Registers,
  headerType: number,
  capabilities: readonly Capability[],
): boolean {
  return capabilities.some(({ id, offset }) => {
    if (id === 0x10) return true;
    if (id !== 0x07) return false;
    const fast =
      headerType === 1 ? registers.u16(offset + 2) >>> 14 : registers.u32(offset + 4) >>> 30;
    return fast !== 0 && offset + 8 <= registers.length;
  });
}

function extendedEntries(
  registers: Registers,
  isExpected: boolean,
  problems: Problems,
): ListEntry[] {
  const report = problems.from(0);
  if (registers.length <= standardList.end) {
    if (isExpected) {
      const message = `Extended capabilities begin at 0x100: only ${registers.length} bytes are visible`;
      report("truncated", registers.length, message);
    }
    return [];
  }
  if (isAliased(registers)) {
    report("extended-space-alias", 0x100, "Extended space repeats the header: there is none");
    return [];
  }
  if (registers.u32(0x100) === 0xffffffff && isExpected) {
    report("extended-space-ones", 0x100, "Extended space reads as ones: it cannot be reached");
  }
  return walkExtendedList(registers, report);
}

/** Reports a function that does not answer, and says so. */
function reportSilence(bytes: Uint8Array, problems: Problems): boolean {
  for (const [value, code, meaning] of [
    [0xff, "all-ones", "the function is gone or cannot be reached"],
    [0x00, "all-zeros", "no function is there"],
  ] as const) {
    if (!bytes.every((byte) => byte === value)) continue;
    problems.from(0)(code, 0, `All ${bytes.length} bytes are ${hex(value)}: ${meaning}`);
    return true;
  }
  return false;
}

/** Fields of the first 16 bytes, each null where it is not visible. */
function decodeIdentity(registers: Registers) {
  const { length, u8, u16 } = registers;
  const wholeHeaderType = length > 0x0e ? u8(0x0e) : null;
  return {
    length,
    vendorId: length >= 2 ? u16(0) : null,
    deviceId: length >= 4 ? u16(2) : null,
    revision: length > 8 ? u8(8) : null,
    classCode: length >= 0x0c ? u8(9) | (u16(0x0a) << 8) : null,
    headerType: wholeHeaderType === null ? null : wholeHeaderType & 0x7f,
  };
}

/** Decodes up to 4096 bytes of config space; what follows them is not looked at. */
export function decodeFunction(given: Uint8Array): FunctionConfig {
  // A copy, and a plain array: a Buffer's slices would go on sharing the reader's memory.
  const bytes = Uint8Array.from(given.subarray(0, configSpaceBytes));
  const registers = registersAt(bytes, 0);
  const problems = collectProblems();
  const identity = decodeIdentity(registers);
  const nothing = { header: null, capabilities: [], extendedCapabilities: [] };
  const isSilent = bytes.length > 0 && reportSilence(bytes, problems);
  if (isSilent) return { ...identity, ...nothing, problems: problems.found };
  const header = decodeHeader(registers, problems.from(0));
  if (header === null) {
    const message = `The header is 64 bytes long: only ${bytes.length} are visible`;
    problems.from(0)("truncated", bytes.length, message);
    return { ...identity, ...nothing, problems: problems.found };
  }

  const headerType = identity.headerType ?? 0;
  const pointer = capabilityPointerOf(header);
  const at = headerType === 2 ? 0x14 : 0x34;
  const standardEntries =
    pointer === null ? [] : walkStandardList(registers, { at, pointer }, problems.from(0));
  const pcieEntry = standardEntries.find(({ id }) => id === 0x10);
  const portType = pcieEntry === undefined ? null : registers.u8(pcieEntry.offset + 2) >>> 4;
  const source = { bytes, context: { headerType, portType }, problems };
  const capabilities = decodeList(source, standardList, standardEntries);

  const isExpected = expectsExtendedSpace(registers, headerType, capabilities);
  const listed = extendedEntries(registers, isExpected, problems);
  const extendedCapabilities = decodeList(source, extendedList, listed).map((entry, index) => ({
    ...entry,
    version: listed[index]?.version ?? 0,
  }));
  return { ...identity, header, capabilities, extendedCapabilities, problems: problems.found };
}
