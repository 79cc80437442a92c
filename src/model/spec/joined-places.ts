// Places of objects that were read from several files, and of new objects made of them. Whoever
// asks for a place need not know which file it is in.

import type { SourcePlace } from "../spec.ts";
import { Places } from "./places.ts";

export class JoinedPlaces extends Places {
  readonly #files: readonly Places[];
  readonly #texts: SourcePlace[];

  constructor(files: readonly Places[]) {
    const texts: SourcePlace[] = [];
    super((offset) => texts[offset] ?? "");
    this.#files = files;
    this.#texts = texts;
  }

  /** An object of no file, with the place of each of its values. */
  make<Made extends object>(
    parent: Made,
    where: SourcePlace,
    values: Readonly<Record<string | number, SourcePlace>>,
  ): Made {
    const offsetOf = (place: SourcePlace): number => this.#texts.push(place) - 1;
    this.enter(parent, offsetOf(where));
    for (const [key, place] of Object.entries(values)) this.add(parent, key, offsetOf(place));
    return parent;
  }

  #fileOf(parent: object): Places | null {
    if (super.knows(parent)) return null;
    return this.#files.find((file) => file.knows(parent)) ?? null;
  }

  override of(parent: object): SourcePlace {
    return this.#fileOf(parent)?.of(parent) ?? super.of(parent);
  }

  override at(parent: object, key: string | number): SourcePlace {
    return this.#fileOf(parent)?.at(parent, key) ?? super.at(parent, key);
  }

  override has(parent: object, key: string): boolean {
    return this.#fileOf(parent)?.has(parent, key) ?? super.has(parent, key);
  }

  override hasHole(parent: object): boolean {
    return this.#fileOf(parent)?.hasHole(parent) ?? super.hasHole(parent);
  }

  override keysOf(parent: object): Readonly<Record<string, SourcePlace>> {
    return this.#fileOf(parent)?.keysOf(parent) ?? super.keysOf(parent);
  }
}
