// The list of VFs in a link message, past its 64 KiB. An attribute's length has 16 bits, and the
// kernel writes a longer list whole but its length modulo 65536 (222 VFs with statistics, 335
// without), so a plain reader sees a few entries and takes the others for attributes of the link.
// The way back: entries are recognisable (a VF_INFO starts with a VF_MAC), so walk them and accept
// the end that agrees with the length that was stored.

import { align4, attributeHeaderLength, isLittleEndian, walkAttributes } from "./attribute.ts";
import { attributeTypeMask, vfAttribute } from "./kernel-numbers.ts";

const lengthModulus = 65536;

/** A payload, by offsets. */
export type Span = { readonly start: number; readonly end: number };

type VfListReading = {
  /** Payloads of the VF_INFO nests, in the order in which they came. */
  readonly entries: readonly Span[];
  /** Where the attribute after the list starts. */
  readonly next: number;
};

type VfListPlace = {
  readonly view: DataView;
  /** First byte after the header of the list. */
  readonly start: number;
  /** The 16 bits of the header, which count the header too. */
  readonly storedLength: number;
  /** End of the message. */
  readonly limit: number;
  /** IFLA_NUM_VF, when it came. */
  readonly numVf: number | null;
};

const isVfInfo = (view: DataView, offset: number): boolean =>
  (view.getUint16(offset + 2, isLittleEndian) & attributeTypeMask) === vfAttribute.IFLA_VF_INFO;

/** A VF_INFO starts with a VF_MAC, and its attributes fill it exactly. */
function isWholeVfInfo(view: DataView, { start, end }: Span): boolean {
  let isFirst = true;
  let startsWithMac = false;
  const stop = walkAttributes(view, start, end, (type, from, to) => {
    if (isFirst) startsWithMac = type === vfAttribute.IFLA_VF_MAC && to - from >= 8;
    isFirst = false;
  });
  return startsWithMac && stop === end;
}

/** The entry at `offset`, or null when there is none that ends before `limit`. */
function entryAt(view: DataView, offset: number, limit: number): Span | null {
  if (offset + attributeHeaderLength > limit) return null;
  const length = view.getUint16(offset, isLittleEndian);
  if (length < attributeHeaderLength || offset + length > limit) return null;
  return isVfInfo(view, offset)
    ? { start: offset + attributeHeaderLength, end: offset + length }
    : null;
}

/** Entries from `start` on for as long as they look whole. */
function wholeEntries({ view, start, limit }: VfListPlace): Span[] {
  const entries: Span[] = [];
  let entry = entryAt(view, start, limit);
  while (entry !== null && isWholeVfInfo(view, entry)) {
    entries.push(entry);
    entry = entryAt(view, align4(entry.end), limit);
  }
  return entries;
}

/** What a plain reader sees: the stored length taken at its word. */
function declaredEntries(place: VfListPlace): VfListReading {
  const { view, start, storedLength, limit } = place;
  const end = Math.min(limit, start + Math.max(0, storedLength - attributeHeaderLength));
  const entries: Span[] = [];
  walkAttributes(view, start, end, (type, from, to) => {
    if (type === vfAttribute.IFLA_VF_INFO) entries.push({ start: from, end: to });
  });
  return { entries, next: Math.min(limit, align4(end)) };
}

/** Reads the list whose stored length may have wrapped. */
export function readVfList(place: VfListPlace): VfListReading {
  const { start, storedLength, numVf } = place;
  const entries = wholeEntries(place);
  const lengthOf = (count: number): number => {
    const last = entries[count - 1];
    return attributeHeaderLength + (last === undefined ? 0 : align4(last.end) - start);
  };
  const agreeing = Array.from({ length: entries.length + 1 }, (_, count) => count).filter(
    (count) => lengthOf(count) % lengthModulus === storedLength,
  );
  // With entries of one size there is one such end below 16,384 VFs; IFLA_NUM_VF settles the rest.
  const fitting = agreeing.filter((count) => numVf === null || count <= numVf);
  const count = agreeing.find((each) => each === numVf) ?? fitting.at(-1) ?? agreeing[0];
  if (count !== undefined) {
    const next = start + lengthOf(count) - attributeHeaderLength;
    return { entries: entries.slice(0, count), next };
  }
  // No end agrees: the message is cut short, or its entries are of a kind not known here.
  const declared = declaredEntries(place);
  const seen = entries.at(-1);
  return seen === undefined || seen.end <= declared.next
    ? declared
    : { entries, next: align4(seen.end) };
}
