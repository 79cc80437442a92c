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
  readonly known: KnownNames;
  /** A function is only called while problems are still wanted. */
  readonly report: (problem: Problem | (() => Problem)) => void;
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

/** Names that a reference may lead to; null where something was refused that may have held some:
 * an unknown name may then only follow from that. */
export type KnownNames = Readonly<Record<"PF" | "profile" | "pool", ReadonlySet<string> | null>>;

const namesOf = (entries: readonly { readonly name?: string | undefined }[]): Set<string> =>
  new Set(entries.flatMap(({ name }) => name ?? []));

/** What `key` holds was read, whole or not there at all. */
const isWhole = (places: Places, parent: object, key: string): boolean => {
  const value = (parent as Readonly<Record<string, unknown>>)[key];
  return typeof value === "object" && value !== null
    ? !places.hasHole(value)
    : !places.has(parent, key);
};

export function knownNames(spec: LooseSpec, places: Places): KnownNames {
  const hasAllPfs =
    isWhole(places, spec, "adapters") &&
    (spec.adapters ?? []).every((adapter) => isWhole(places, adapter, "physicalFunctions"));
  const profiles = spec.profiles === undefined ? {} : places.keysOf(spec.profiles);
  return {
    PF: hasAllPfs ? namesOf(pfsOf(spec)) : null,
    profile: isWhole(places, spec, "profiles") ? new Set(Object.keys(profiles)) : null,
    pool: isWhole(places, spec, "pools") ? namesOf(spec.pools ?? []) : null,
  };
}

export function checkReference(
  { report, known }: Check,
  what: keyof KnownNames,
  { name, where }: { readonly name: string; readonly where: string },
): void {
  const names = known[what];
  if (names === null || names.has(name)) return;
  report(() => {
    const guess = nearest(name, names);
    const some = [...names].slice(0, 8).join(", ");
    const wanted = guess ?? (names.size === 0 ? `a ${what} of this spec, which has none` : some);
    return {
      code: "unknown-name",
      where,
      message: `No ${what} is named ${name}: wanted ${wanted}`,
      ...(guess === null ? {} : { hint: `The nearest name of a ${what} is ${guess}` }),
    };
  });
}
