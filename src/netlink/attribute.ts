// Netlink attributes: bytes <-> type and payload. Reading walks offsets of one view and allocates
// nothing, because an inventory reads a thousand links; it stops at the first attribute that does
// not fit and says where, and never throws.
//
//   0        2        4              length
//   +--------+--------+--------------+----------+
//   | length | type   | payload      | padding  |   length counts header and payload, u16
//   +--------+--------+--------------+----------+   the next one starts at a multiple of 4

import { attributeTypeMask } from "./kernel-numbers.ts";

export const attributeHeaderLength = 4;

/** Netlink speaks the byte order of the machine. */
export const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Not by bits: a hostile length has 32 of them and would turn negative. */
export const align4 = (length: number): number => Math.ceil(length / 4) * 4;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export type Attribute = {
  /** As on the wire, with the two flag bits. */
  readonly rawType: number;
  readonly payload: Uint8Array;
};

/** Payload at `start` to `end` of the view; a number returned is where the walk goes on. */
type AttributeVisitor = (type: number, start: number, end: number) => number | void;

/**
 * Visits the attributes between `start` and `end` of the view. Returns where it stopped: `end`
 * (or less than 4 bytes before it) when all was well formed.
 */
export function walkAttributes(
  view: DataView,
  start: number,
  end: number,
  visit: AttributeVisitor,
): number {
  let offset = start;
  while (offset + attributeHeaderLength <= end) {
    const length = view.getUint16(offset, isLittleEndian);
    if (length < attributeHeaderLength || offset + length > end) return offset;
    const type = view.getUint16(offset + 2, isLittleEndian) & attributeTypeMask;
    const next = visit(type, offset + attributeHeaderLength, offset + length);
    offset = Math.max(offset + align4(length), typeof next === "number" ? next : 0);
  }
  return Math.min(offset, end);
}

type AttributeReading = {
  readonly attributes: readonly Attribute[];
  /** Bytes after the last attribute that could be read; empty when well formed. */
  readonly rest: Uint8Array;
};

/** Every attribute of a payload, lossless: `encodeAttributes` and `rest` give the bytes back. */
export function readAttributes(bytes: Uint8Array): AttributeReading {
  const view = viewOf(bytes);
  const attributes: Attribute[] = [];
  const stop = walkAttributes(view, 0, bytes.length, (_type, start, end) => {
    const rawType = view.getUint16(start - 2, isLittleEndian);
    attributes.push({ rawType, payload: bytes.subarray(start, end) });
  });
  return { attributes, rest: bytes.subarray(stop) };
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** One attribute, padded with zeros. The length wraps at 64 KiB as the kernel's own does. */
export function encodeAttribute(rawType: number, payload: Uint8Array): Uint8Array {
  const length = attributeHeaderLength + payload.length;
  const bytes = new Uint8Array(align4(length));
  const view = viewOf(bytes);
  view.setUint16(0, length & 0xffff, isLittleEndian);
  view.setUint16(2, rawType, isLittleEndian);
  bytes.set(payload, attributeHeaderLength);
  return bytes;
}

export const encodeNest = (rawType: number, parts: readonly Uint8Array[]): Uint8Array =>
  encodeAttribute(rawType, concatBytes(parts));

export const encodeAttributes = (attributes: readonly Attribute[]): Uint8Array =>
  concatBytes(attributes.map(({ rawType, payload }) => encodeAttribute(rawType, payload)));

/** Unsigned 32-bit numbers in the machine's byte order. */
export function encodeU32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = viewOf(bytes);
  values.forEach((value, index) => view.setUint32(index * 4, value, isLittleEndian));
  return bytes;
}

export function encodeU16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  viewOf(bytes).setUint16(0, value, isLittleEndian);
  return bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** With the NUL that the kernel wants. */
export const encodeText = (text: string): Uint8Array => encoder.encode(`${text}\0`);

/** Text up to the first NUL. */
export function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end === -1 ? bytes : bytes.subarray(0, end));
}

/** Colon-separated hex pairs: MAC and InfiniBand addresses, GUIDs. */
export function formatHexPairs(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (text === "" ? "" : ":") + hexPairs[byte];
  return text;
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes of colon-separated hex pairs; null when the text is something else. */
export function parseHexPairs(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2})*$/i.test(text)) return null;
  return Uint8Array.from(text.split(":"), (pair) => Number.parseInt(pair, 16));
}
