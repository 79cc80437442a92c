// VF sets against their PFs and against each other: labels exist, indexes are below numVfs where
// that is given, and no VF is in two sets.

import { commonRanges, formatVfRanges } from "../vf-range.ts";
import { maxProblems } from "./read.ts";
import { type Check, checkReference, type PlacedSet, pfsOf, setsOf } from "./reference.ts";

function allSets({ spec, places }: Check): PlacedSet[] {
  const entries = [...(spec.pools ?? []), ...(spec.virtualFunctions ?? [])];
  const assigned = (spec.assign ?? []).flatMap((entry) =>
    entry.vf === undefined ? [] : [{ set: entry.vf, where: places.at(entry, "vf") }],
  );
  return [...entries.flatMap((entry) => setsOf(entry, places)), ...assigned];
}

/** Every overlap of a set with an earlier one, once a pair. */
function checkDisjoint({ report }: Check, sets: readonly PlacedSet[]): void {
  const holderByPf = new Map<string, (PlacedSet | undefined)[]>();
  let overlapCount = 0;
  for (const placed of sets) {
    const { set, where } = placed;
    const holders = holderByPf.get(set.pf) ?? [];
    holderByPf.set(set.pf, holders);
    const others = new Set<PlacedSet>();
    for (const [first, last] of set.ranges) {
      for (let vfIndex = first; vfIndex <= last; vfIndex++) {
        const holder = holders[vfIndex];
        if (holder === undefined) holders[vfIndex] = placed;
        else others.add(holder);
      }
    }
    for (const other of others) {
      const common = formatVfRanges({ pf: set.pf, ranges: commonRanges(set, other.set) });
      const message = `${common} is in two sets: wanted in one, first at ${other.where}`;
      report({ code: "vf-overlap", where, message });
    }
    overlapCount += others.size;
    // Keeps a hostile file from making us walk 65,535 VFs for each of its lines.
    if (overlapCount > maxProblems) return;
  }
}

export function checkSets(check: Check): void {
  const { spec, report } = check;
  const sets = allSets(check);
  const pfs = new Map(pfsOf(spec).map((pf) => [pf.name, pf]));
  for (const { set, where } of sets) {
    checkReference(check, "PF", { name: set.pf, where });
    const numVfs = pfs.get(set.pf)?.numVfs;
    const last = set.ranges.at(-1)?.[1] ?? 0;
    if (numVfs === undefined || last < numVfs) continue;
    const wanted = numVfs === 0 ? "a numVfs above 0" : `VF 0 to ${numVfs - 1}`;
    const message = `${formatVfRanges(set)} names VF ${last} but numVfs is ${numVfs}: wanted ${wanted}`;
    report({ code: "vf-out-of-range", where, message });
  }
  checkDisjoint(check, sets);
}
