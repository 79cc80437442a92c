// The part of a spec that is about certain VFs: their drivers and policies, and nothing of their PFs
// or of other VFs. A guest's start is no moment to change how many VFs there are.

import type { AdapterSpec, DriverChoice, PfSpec, Spec, VfSet } from "../model/spec.ts";

/** VFs by the label of their PF. */
export type VfsByLabel = ReadonlyMap<string, ReadonlySet<number>>;

const narrowPf = ({ name, match, where }: PfSpec): PfSpec => ({ name, match, where, protect: [] });

function narrowAdapter(
  { name, match, where, ...rest }: AdapterSpec,
  vfs: VfsByLabel,
): AdapterSpec[] {
  const physicalFunctions = rest.physicalFunctions.filter((pf) => vfs.has(pf.name)).map(narrowPf);
  return physicalFunctions.length === 0 ? [] : [{ name, match, where, physicalFunctions }];
}

function narrowSets(sets: readonly VfSet[], vfs: VfsByLabel): VfSet[] {
  return sets
    .map((set) => ({
      ...set,
      vfIndexes: set.vfIndexes.filter((index) => vfs.get(set.pf)?.has(index) === true),
    }))
    .filter(({ vfIndexes }) => vfIndexes.length > 0);
}

const narrowAll = <Entry extends { readonly vfs: readonly VfSet[] }>(
  entries: readonly Entry[],
  vfs: VfsByLabel,
): Entry[] =>
  entries
    .map((entry) => ({ ...entry, vfs: narrowSets(entry.vfs, vfs) }))
    .filter((entry) => entry.vfs.length > 0);

export function narrowSpec({ source, ...spec }: Spec, vfs: VfsByLabel): Spec {
  return {
    source,
    adapters: spec.adapters.flatMap((adapter) => narrowAdapter(adapter, vfs)),
    pools: narrowAll(spec.pools, vfs),
    virtualFunctions: narrowAll(spec.virtualFunctions, vfs),
    assign: spec.assign.filter(
      (entry) => entry.source.kind === "vf" && narrowSets([entry.source.vf], vfs).length > 0,
    ),
  };
}

const withoutDriver = <Entry extends { readonly driver?: DriverChoice }>({
  driver: _driver,
  ...entry
}: Entry): Omit<Entry, "driver"> => entry;

/** The policies alone: whoever has bound the VFs for a guest keeps their drivers as they are. */
export const withoutDrivers = (spec: Spec): Spec => ({
  ...spec,
  pools: spec.pools.map(withoutDriver),
  virtualFunctions: spec.virtualFunctions.map(withoutDriver),
  assign: spec.assign.map(withoutDriver),
});
