// What reading leaves behind: values with holes where something was refused, and beside them the
// place of each value. Places are kept apart so that values stay plain data.

import type { AssignTarget } from "../assign-target.ts";
import type { Problem } from "../problem.ts";
import type { DriverChoice, SourcePlace } from "../spec.ts";
import type { VfRanges } from "../vf-range.ts";

type Whole = VfRanges | { text: string; target: AssignTarget } | DriverChoice;

/** A value of which any key may be missing, because what stood there was refused. */
export type Loose<T> = T extends Whole
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Loose<Item>[]
    : T extends object
      ? { readonly [K in keyof T]?: Loose<T[K]> }
      : T;

/** Where things stand: the value of each key or index of an object or list that was read. */
export class Places {
  readonly #byParent = new WeakMap<object, Map<string | number, SourcePlace>>();
  readonly #own = new WeakMap<object, SourcePlace>();

  readonly #holed = new WeakSet<object>();

  enter(parent: object, place: SourcePlace): void {
    this.#own.set(parent, place);
    this.#byParent.set(parent, new Map());
  }

  add(parent: object, key: string | number, place: SourcePlace): void {
    this.#byParent.get(parent)?.set(key, place);
  }

  /** Place of the object itself. */
  of(parent: object): SourcePlace {
    return this.#own.get(parent) ?? "";
  }

  /** Place of the value at `key`, else of the object. */
  at(parent: object, key: string | number): SourcePlace {
    return this.#byParent.get(parent)?.get(key) ?? this.of(parent);
  }

  /** The key was written, whether or not its value could be read. */
  has(parent: object, key: string): boolean {
    return this.#byParent.get(parent)?.has(key) ?? false;
  }

  /** Something in `parent` was refused as a whole: what it would have named is not known. */
  addHole(parent: object): void {
    this.#holed.add(parent);
  }

  hasHole(parent: object): boolean {
    return this.#holed.has(parent);
  }

  keysOf(parent: object): Readonly<Record<string, SourcePlace>> {
    return Object.fromEntries(this.#byParent.get(parent) ?? []);
  }
}

const lineAndColumn = ({ where }: Problem): number[] => where.split(":").slice(-2).map(Number);

/** Orders problems as they stand in the text. */
export function byPlace(left: Problem, right: Problem): number {
  const [line = 0, column = 0] = lineAndColumn(left);
  const [otherLine = 0, otherColumn = 0] = lineAndColumn(right);
  return line - otherLine || column - otherColumn;
}
