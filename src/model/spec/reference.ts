// What the checks between keys share: the loose spec with its places, VF sets with theirs, and
// the two questions that most checks ask: is a name given once, and does a reference lead anywhere.

import type { Problem } from "../problem.ts";
import type { VfRanges } from "../vf-range.ts";
import { nearest } from "./nearest.ts";
import type { Loose, Places } from "./places.ts";
import type { SpecText } from "./shape.ts";

export type LooseSpec = Loose<SpecText>;
export type LooseAdapter = NonNullable<LooseSpec["adapters"]>[number];
export type LoosePf = NonNullable<LooseAdapter["physicalFunctions"]>[number];

export type Check = {
  readonly spec: LooseSpec;
  readonly places: Places;
  readonly report: (problem: Problem) => void;
};

/** A VF set with the place where it stands. */
export type PlacedSet = { readonly set: VfRanges; readonly where: string };

export const pfsOf = (spec: LooseSpec): LoosePf[] =>
  (spec.adapters ?? []).flatMap(({ physicalFunctions }) => [...(physicalFunctions ?? [])]);

/** The sets of a `vfs` key, which holds one or a list. */
export function setsOf(
  entry: { readonly vfs?: VfRanges | readonly VfRanges[] | undefined },
  places: Places,
): PlacedSet[] {
  const { vfs } = entry;
  if (vfs === undefined) return [];
  if ("pf" in vfs) return [{ set: vfs, where: places.at(entry, "vfs") }];
  return vfs.map((set, index) => ({ set, where: places.at(vfs, index) }));
}

export function checkUnique(
  { places, report }: Check,
  what: string,
  entries: readonly { readonly name?: string | undefined }[],
): void {
  const placeByName = new Map<string, string>();
  for (const entry of entries) {
    if (entry.name === undefined) continue;
    const where = places.at(entry, "name");
    const first = placeByName.get(entry.name);
    if (first === undefined) placeByName.set(entry.name, where);
    else {
      const message = `${what} ${entry.name} is named twice: first at ${first}`;
      report({ code: "duplicate-name", where, message });
    }
  }
}

export function checkReference(
  { report }: Check,
  reference: { readonly what: string; readonly name: string; readonly where: string },
  known: ReadonlySet<string>,
): void {
  const { what, name, where } = reference;
  if (known.has(name)) return;
  const guess = nearest(name, known);
  const some = [...known].slice(0, 8).join(", ");
  const wanted = guess ?? (known.size === 0 ? `a ${what} of this spec, which has none` : some);
  const message = `No ${what} is named ${name}: wanted ${wanted}`;
  report({
    code: "unknown-name",
    where,
    message,
    ...(guess === null ? {} : { hint: `The nearest name of a ${what} is ${guess}` }),
  });
}
