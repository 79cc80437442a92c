// What reading leaves behind: values with holes where something was refused, and beside them the
// place of each value. Places are kept apart so that values stay plain data.

import type { AssignTarget } from "../assign-target.ts";
import type { Problem } from "../problem.ts";
import type { DriverChoice, SourcePlace } from "../spec.ts";
import type { VfRanges } from "../vf-range.ts";
import type { Offset, PlaceAt } from "./tree.ts";

type Whole = VfRanges | { text: string; target: AssignTarget } | DriverChoice;

/** A value of which any key may be missing, because what stood there was refused. */
export type Loose<T> = T extends Whole
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Loose<Item>[]
    : T extends object
      ? { readonly [K in keyof T]?: Loose<T[K]> }
      : T;

type Held = { readonly own: Offset; readonly keys: Record<string | number, Offset> };

/**
 * Where things stand: the value of each key or index of an object or list that was read. Kept as
 * offsets in plain objects and told as text when asked for: a spec may have a million of them.
 */
export class Places {
  readonly #placeAt: PlaceAt;
  readonly #byParent = new Map<object, Held>();
  readonly #holed = new Set<object>();

  constructor(placeAt: PlaceAt) {
    this.#placeAt = placeAt;
  }

  knows(parent: object): boolean {
    return this.#byParent.has(parent);
  }

  textOf(offset: Offset): SourcePlace {
    return this.#placeAt(offset);
  }

  enter(parent: object, offset: Offset): void {
    this.#byParent.set(parent, { own: offset, keys: {} });
  }

  add(parent: object, key: string | number, offset: Offset): void {
    const held = this.#byParent.get(parent);
    if (held !== undefined) held.keys[key] = offset;
  }

  /** Place of the object itself. */
  of(parent: object): SourcePlace {
    const held = this.#byParent.get(parent);
    return held === undefined ? "" : this.#placeAt(held.own);
  }

  /** Place of the value at `key`, else of the object. */
  at(parent: object, key: string | number): SourcePlace {
    const held = this.#byParent.get(parent);
    const offset = held !== undefined && Object.hasOwn(held.keys, key) ? held.keys[key] : undefined;
    return offset === undefined ? this.of(parent) : this.#placeAt(offset);
  }

  /** The key was written, whether or not its value could be read. */
  has(parent: object, key: string): boolean {
    const held = this.#byParent.get(parent);
    return held !== undefined && Object.hasOwn(held.keys, key);
  }

  /** Something in `parent` was refused as a whole: what it would have named is not known. */
  addHole(parent: object): void {
    this.#holed.add(parent);
  }

  hasHole(parent: object): boolean {
    return this.#holed.has(parent);
  }

  keysOf(parent: object): Readonly<Record<string, SourcePlace>> {
    const places: Record<string, SourcePlace> = {};
    for (const [key, offset] of Object.entries(this.#byParent.get(parent)?.keys ?? {})) {
      places[key] = this.#placeAt(offset);
    }
    return places;
  }
}

const lineAndColumn = ({ where }: Problem): number[] => where.split(":").slice(-2).map(Number);

/** Orders problems as they stand in the text. */
export function byPlace(left: Problem, right: Problem): number {
  const [line = 0, column = 0] = lineAndColumn(left);
  const [otherLine = 0, otherColumn = 0] = lineAndColumn(right);
  return line - otherLine || column - otherColumn;
}
