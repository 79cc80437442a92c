// Entries of a capability list with what they say: each decoded by its row in the capability table
// where all of it is visible, and the list as a whole checked for structures that overlap or repeat.

import { extendedCapabilityName, standardCapabilityName } from "./capability-names.ts";
import type { ListEntry } from "./capability-walk.ts";
import type { CapabilityContext, CapabilityDecoder } from "./capability/capability-decoder.ts";
import type { ExtendedBody, StandardBody } from "./capability/capability-table.ts";
import { extendedDecoders, standardDecoders } from "./capability/capability-table.ts";
import { configSpaceBytes } from "./config-space.ts";
import type { Entry, Problems } from "./function-config.ts";
import { hex } from "./function-config.ts";
import { registersAt } from "./registers.ts";

/** One of the two lists: where its space ends, how its IDs are named and decoded. */
type List<Body> = {
  readonly end: number;
  readonly headerBytes: number;
  readonly nameOf: (id: number) => string;
  readonly decoders: ReadonlyMap<number, CapabilityDecoder<Body>>;
  /** IDs that may stand in a list more than once. */
  readonly repeatable: ReadonlySet<number>;
};

export const standardList: List<StandardBody> = {
  end: 0x100,
  headerBytes: 2,
  nameOf: standardCapabilityName,
  decoders: standardDecoders,
  // Null, HyperTransport, vendor-specific.
  repeatable: new Set([0x00, 0x08, 0x09]),
};

export const extendedList: List<ExtendedBody> = {
  end: configSpaceBytes,
  headerBytes: 4,
  nameOf: extendedCapabilityName,
  decoders: extendedDecoders,
  // Null, VSEC, DVSEC, DOE.
  repeatable: new Set([0x00, 0x0b, 0x23, 0x2e]),
};

type Source = {
  readonly bytes: Uint8Array;
  readonly context: CapabilityContext;
  readonly problems: Problems;
};

/** Decodes one entry; `next` is where the next structure begins, or the list's space ends. */
function decodeEntry<Body>(
  { bytes, context, problems }: Source,
  list: List<Body>,
  { id, offset }: ListEntry,
  next: number,
): Entry<Body> {
  const name = list.nameOf(id);
  const decoder = list.decoders.get(id);
  if (decoder === undefined) {
    return { id, name, offset, bytes: bytes.slice(offset, next), body: null };
  }
  const registers = registersAt(bytes, offset);
  const lengthBytes = decoder.lengthOf(registers, context);
  const report = problems.from(offset);
  const visible = bytes.slice(offset, Math.min(offset + lengthBytes, list.end));
  if (visible.length === lengthBytes) {
    const body = decoder.decode(registers, context, report);
    return { id, name, offset, bytes: visible, body };
  }
  if (offset + lengthBytes > list.end && bytes.length >= list.end) {
    const message = `${name} is ${lengthBytes} bytes long: its space ends at ${hex(list.end)}`;
    report("past-end", 0, message);
  } else {
    const message = `${name} is ${lengthBytes} bytes long: only ${visible.length} are visible`;
    report("truncated", 0, message);
  }
  return { id, name, offset, bytes: visible, body: null };
}

export function decodeList<Body>(
  source: Source,
  list: List<Body>,
  entries: readonly ListEntry[],
): Entry<Body>[] {
  const starts = entries.map(({ offset }) => offset).toSorted((left, right) => left - right);
  const decoded = entries.map((entry) => {
    const next = starts.find((offset) => offset > entry.offset) ?? list.end;
    return decodeEntry(source, list, entry, next);
  });
  reportOverlaps(decoded, list, source.problems);
  reportRepeats(decoded, list, source.problems);
  return decoded;
}

function reportOverlaps<Body>(
  entries: readonly Entry<Body>[],
  { headerBytes }: List<Body>,
  problems: Problems,
): void {
  let before: { name: string; end: number } | null = null;
  for (const entry of entries.toSorted((left, right) => left.offset - right.offset)) {
    const { name, offset, bytes, body } = entry;
    const end = offset + (body === null ? headerBytes : bytes.length);
    if (before !== null && offset < before.end) {
      const message = `${name} begins inside ${before.name}, which ends at ${hex(before.end)}`;
      problems.from(offset)("overlap", 0, message);
    }
    if (before === null || end > before.end) before = { name, end };
  }
}

function reportRepeats<Body>(
  entries: readonly Entry<Body>[],
  { repeatable }: List<Body>,
  problems: Problems,
): void {
  const firstById = new Map<number, number>();
  for (const { id, name, offset } of entries) {
    const first = firstById.get(id);
    if (first === undefined) firstById.set(id, offset);
    else if (!repeatable.has(id)) {
      const message = `${name} is a second time in the list: the first is at ${hex(first)}`;
      problems.from(offset)("duplicate", 0, message);
    }
  }
}
