// What a spec says of each VF of the host, as leases need it: its pool or consumer, and the baseline
// that it is brought to between two owners. VFs that no spec names have neither.

import type { SpecClaim } from "../lease/candidates.ts";
import type { Address } from "../model/bdf.ts";
import { vfAt, type Inventory } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { Spec, VfSet } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import { wantedPfs } from "../plan/wanted.ts";
import type { Baseline } from "./hygiene.ts";

export type LeaseClaims = {
  /** By VF address. */
  readonly claims: ReadonlyMap<Address, SpecClaim>;
  readonly baselineOf: (address: Address) => Baseline;
  readonly pools: readonly string[];
  /** Addresses of the PFs that the spec names, by their labels. */
  readonly labels: ReadonlyMap<string, Address>;
  /** PFs that the spec names and the host has not, and the like. */
  readonly problems: readonly PlanProblem[];
};

const noBaseline: Baseline = { driver: null, policy: {} };

export function leaseClaims(spec: Spec, inventory: Inventory): LeaseClaims {
  const { matched, problems } = matchPfs(spec, inventory);
  const byLabel = new Map(matched.map((match) => [match.spec.name, match.pf]));
  const claims = new Map<Address, SpecClaim>();
  const note = ({ pf: label, vfIndexes }: VfSet, claim: SpecClaim): void => {
    const pf = byLabel.get(label);
    for (const vfIndex of pf === undefined ? [] : vfIndexes) {
      const vf = pf === undefined ? null : vfAt(pf, vfIndex);
      if (vf !== null) claims.set(vf.address, claim);
    }
  };
  for (const { name, vfs } of spec.pools) {
    for (const set of vfs) note(set, { pool: name, consumer: null });
  }
  for (const { source, to } of spec.assign) {
    if (source.kind === "vf") note(source.vf, { pool: null, consumer: to });
  }
  const baselines = new Map<Address, Baseline>();
  for (const { pf, vfs } of wantedPfs(spec, matched).wanted) {
    for (const { vfIndex, driver, policy } of vfs.values()) {
      const vf = vfAt(pf, vfIndex);
      if (vf !== null) baselines.set(vf.address, { driver, policy });
    }
  }
  return {
    claims,
    baselineOf: (address) => baselines.get(address) ?? noBaseline,
    labels: new Map([...byLabel].map(([label, { address }]) => [label, address])),
    pools: spec.pools.map(({ name }) => name),
    problems,
  };
}
