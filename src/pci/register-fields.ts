// Registers as tables. A table names the fields of one register, a single bit as its number and
// a range as [high, low]; decoding gives a boolean per bit and a number per range, encoding packs
// them again. Each capability file is then a list that reads like the specification's table.

export type FieldTable = Readonly<Record<string, number | readonly [high: number, low: number]>>;

export type Fields<T extends FieldTable> = {
  readonly [Name in keyof T]: T[Name] extends number ? boolean : number;
};

const maskOf = (width: number): number => (width >= 32 ? 0xffffffff : (1 << width) - 1) >>> 0;

/** Bits `high` down to `low` of a 32-bit value. */
export const bits = (value: number, high: number, low: number): number =>
  ((value >>> low) & maskOf(high - low + 1)) >>> 0;

const bit = (value: number, position: number): boolean => bits(value, position, position) === 1;

export function decodeFields<const T extends FieldTable>(table: T, value: number): Fields<T> {
  const entries = Object.entries(table).map(([name, place]) => [
    name,
    typeof place === "number" ? bit(value, place) : bits(value, place[0], place[1]),
  ]);
  // The entries are made from the table's own names, one by one.
  return Object.fromEntries(entries) as Fields<T>;
}

/** Packs fields into a register; absent fields are 0, and a number is cut to its range. */
export function encodeFields<const T extends FieldTable>(
  table: T,
  fields: Partial<Fields<T>>,
): number {
  let value = 0;
  for (const [name, place] of Object.entries(table)) {
    const [high, low] = typeof place === "number" ? [place, place] : place;
    value |= (Number(fields[name] ?? 0) & maskOf(high - low + 1)) << low;
  }
  return value >>> 0;
}

/** All bits of the named fields: the writable mask of a register. */
export function fieldMask<const T extends FieldTable>(
  table: T,
  names: readonly (keyof T & string)[],
): number {
  let mask = 0;
  for (const name of names) {
    const place = table[name];
    if (place === undefined) continue;
    const [high, low] = typeof place === "number" ? [place, place] : place;
    mask |= maskOf(high - low + 1) << low;
  }
  return mask >>> 0;
}
