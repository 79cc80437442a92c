// The part of a spec that is about some of its adapters: their PFs, and of every entry the VFs of
// those PFs.

import type { AdapterSpec, Spec, VfSet } from "./spec.ts";

export function specOfAdapters(spec: Spec, adapters: readonly AdapterSpec[]): Spec {
  const labels = new Set(
    adapters.flatMap(({ physicalFunctions }) => physicalFunctions.map(({ name }) => name)),
  );
  const isHere = ({ pf }: VfSet): boolean => labels.has(pf);
  const withVfsHere = <Entry extends { readonly vfs: readonly VfSet[] }>(
    entries: readonly Entry[],
  ): Entry[] =>
    entries
      .map((entry) => ({ ...entry, vfs: entry.vfs.filter(isHere) }))
      .filter(({ vfs }) => vfs.length > 0);
  const pools = withVfsHere(spec.pools);
  const poolNames = new Set(pools.map(({ name }) => name));
  return {
    ...spec,
    adapters,
    pools,
    virtualFunctions: withVfsHere(spec.virtualFunctions),
    assign: spec.assign.filter(({ source }) =>
      source.kind === "pool" ? poolNames.has(source.pool) : isHere(source.vf),
    ),
  };
}
