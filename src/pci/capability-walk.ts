// The two capability lists as chains of pointers, walked so that any bytes end the walk: each
// offset is visited once, and what the list says that cannot be is a problem with its offset. This
// is stricter than Linux, which only counts (48 and 480 entries, drivers/pci/pci.c).

import type { Report } from "./capability/capability-decoder.ts";
import type { Registers } from "./registers.ts";

/** One entry of a list: where it is and its header, not yet what it says. */
export type ListEntry = { readonly id: number; readonly version: number; readonly offset: number };

const hex = (value: number): string => `0x${value.toString(16)}`;

const truncatedMessage = (offset: number, length: number): string =>
  `Capability list goes on at ${hex(offset)}: only ${length} bytes are visible`;

/** A pointer and where it stands. */
type Step = { readonly at: number; readonly pointer: number };

/** Entries of the list at 0x40 and above, `first` being the header's pointer. */
export function walkStandardList(registers: Registers, first: Step, report: Report): ListEntry[] {
  const entries: ListEntry[] = [];
  const visited = new Set<number>();
  let { at, pointer } = first;
  while (pointer !== 0) {
    // Linux masks the two low bits, which are reserved.
    const offset = pointer & 0xfc;
    if (offset !== pointer) {
      const message = `Pointer to ${hex(pointer)} is not aligned to 4 bytes: read as ${hex(offset)}`;
      report("pointer-unaligned", at, message);
    }
    if (offset === 0) break;
    if (offset < 0x40) {
      report("pointer-into-header", at, `Pointer to ${hex(offset)}: the list starts at 0x40`);
      break;
    }
    if (visited.has(offset)) {
      report("list-loop", at, `Pointer to ${hex(offset)} leads back into the list`);
      break;
    }
    if (offset + 2 > registers.length) {
      report("truncated", at, truncatedMessage(offset, registers.length));
      break;
    }
    visited.add(offset);
    const id = registers.u8(offset);
    if (id === 0xff) {
      report("list-broken", offset, `Capability ID at ${hex(offset)} is 0xff: no function answers`);
      break;
    }
    entries.push({ id, version: 0, offset });
    at = offset + 1;
    pointer = registers.u8(at);
  }
  return entries;
}

/** Entries of the extended list, which starts at 0x100 and has no head pointer. */
export function walkExtendedList(registers: Registers, report: Report): ListEntry[] {
  const entries: ListEntry[] = [];
  const visited = new Set<number>();
  let at = 0x100;
  let offset = 0x100;
  for (;;) {
    if (visited.has(offset)) {
      report("list-loop", at, `Pointer to ${hex(offset)} leads back into the list`);
      return entries;
    }
    if (offset + 4 > registers.length) {
      report("truncated", at, truncatedMessage(offset, registers.length));
      return entries;
    }
    visited.add(offset);
    const header = registers.u32(offset);
    if (header === 0 || header === 0xffffffff) {
      // At 0x100 it is how a function says that it has no extended capabilities.
      if (offset !== 0x100) {
        const content = header === 0 ? "zeros" : "ones";
        report("list-broken", at, `Pointer to ${hex(offset)} leads to ${content}: wanted a header`);
      }
      return entries;
    }
    const pointer = header >>> 20;
    entries.push({ id: header & 0xffff, version: (header >>> 16) & 0xf, offset });
    if (pointer === 0) return entries;
    at = offset;
    offset = pointer & 0xffc;
    if (offset !== pointer) {
      const message = `Pointer to ${hex(pointer)} is not aligned to 4 bytes: read as ${hex(offset)}`;
      report("pointer-unaligned", at, message);
    }
    if (offset < 0x100) {
      const message = `Pointer to ${hex(offset)}: extended capabilities start at 0x100`;
      report("pointer-into-header", at, message);
      return entries;
    }
  }
}
