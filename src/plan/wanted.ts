// What the spec wants of each PF: its VF count, and per VF the driver and policy of whoever
// claims it (a pool, a policy entry or a consumer). VF sets are disjoint, so a VF has one claim;
// a VF without one gets the spec's `unassigned` driver and no policy.

import type {
  AssignSpec,
  DriverChoice,
  Places,
  PolicySpec,
  PoolSpec,
  SourcePlace,
  Spec,
  VfPolicySpec,
  VfSet,
} from "../model/spec.ts";
import { formatAssignTarget } from "../model/assign-target.ts";
import type { Holdings } from "../model/holdings.ts";
import type { Plug } from "../model/plug.ts";
import { driverFor } from "./consumer-driver.ts";
import { heldPolicy } from "./held-policy.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { MatchedPf } from "./match.ts";

export type VfWanted = {
  readonly vfIndex: number;
  /** null: whatever it is, it stays. */
  readonly driver: DriverChoice | null;
  readonly policy: PolicySpec;
  readonly where: SourcePlace;
  /** Where each key of the claim stands. */
  readonly places: Places;
  /** `libvirt:web1/net1` of an assign entry; the MAC belongs to it. */
  readonly consumer: string | null;
  /** Words for `because`: `pool tenants`, `the policy at spec.yaml:30:5`. */
  readonly claim: string;
};

export type PfWanted = MatchedPf & {
  /** VFs after the plan; equals the present count where the spec says none. */
  readonly numVfs: number;
  readonly vfs: ReadonlyMap<number, VfWanted>;
  /** Whether VF netdevs have our alternative names; null: left alone. */
  readonly altNames: boolean | null;
};

type Claim = Omit<VfWanted, "vfIndex"> & { readonly vfs: readonly VfSet[] };

const commonOf = ({ driver, policy, where, places }: PoolSpec | VfPolicySpec | AssignSpec) => ({
  driver: driver ?? null,
  policy,
  where,
  places: places ?? {},
});

function claimsOf({ pools, virtualFunctions, assign }: Spec): Claim[] {
  const ofPools = pools.map((pool): Claim => {
    return { ...commonOf(pool), vfs: pool.vfs, consumer: null, claim: `pool ${pool.name}` };
  });
  const ofPolicies = virtualFunctions.map((entry): Claim => {
    const claim = `the policy at ${entry.where}`;
    return { ...commonOf(entry), vfs: entry.vfs, consumer: null, claim };
  });
  const ofConsumers = assign.flatMap((entry): Claim[] => {
    const { to, source } = entry;
    if (source.kind === "pool") return [];
    return [{ ...commonOf(entry), vfs: [source.vf], consumer: to, claim: to }];
  });
  return [...ofPools, ...ofPolicies, ...ofConsumers];
}

type ClaimsByPf = ReadonlyMap<string, ReadonlyMap<number, VfWanted>>;

function claimsByPf(spec: Spec): ClaimsByPf {
  const byPf = new Map<string, Map<number, VfWanted>>();
  for (const { vfs, ...claim } of claimsOf(spec)) {
    for (const { pf, vfIndexes, where } of vfs) {
      const ofPf = byPf.get(pf) ?? new Map<number, VfWanted>();
      byPf.set(pf, ofPf);
      for (const vfIndex of vfIndexes) ofPf.set(vfIndex, { ...claim, vfIndex, where });
    }
  }
  return byPf;
}

function withUnassigned(spec: Spec, claims: ReadonlyMap<number, VfWanted>, numVfs: number) {
  const { unassigned } = spec;
  if (unassigned === undefined) return claims;
  const all = new Map<number, VfWanted>();
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    const unclaimed: VfWanted = {
      vfIndex,
      driver: unassigned,
      policy: {},
      where: spec.source,
      places: {},
      consumer: null,
      claim: "defaults.unassigned",
    };
    all.set(vfIndex, claims.get(vfIndex) ?? unclaimed);
  }
  return all;
}

function missingVfs(matched: MatchedPf, claims: Iterable<VfWanted>, numVfs: number): PlanProblem[] {
  return [...claims]
    .filter(({ vfIndex }) => vfIndex >= numVfs)
    .map(({ vfIndex, where, claim }) => ({
      code: "vf-missing",
      where,
      message: `Cannot give VF ${vfIndex} of ${matched.spec.name} to ${claim}: it has ${numVfs} VFs`,
      hint: `Raise numVfs of ${matched.spec.name} to ${vfIndex + 1} or more`,
      adapter: matched.adapterName,
    }));
}

/** The pool's policy, and what the entry says otherwise. */
export function policyOfEntry({ source, policy }: AssignSpec, { pools }: Spec): PolicySpec {
  if (source.kind === "vf") return policy;
  return { ...pools.find(({ name }) => name === source.pool)?.policy, ...policy };
}

/** What an attached VF is to be: as it was given to its consumer, which may have been told otherwise
 * than its pool. */
function asAttached(known: VfWanted | undefined, plug: Plug, match: MatchedPf): VfWanted {
  const {
    pf,
    spec: { where },
  } = match;
  const to = formatAssignTarget(plug.consumer);
  return {
    where,
    places: {},
    ...known,
    vfIndex: plug.vfIndex,
    driver: driverFor(plug.consumer.kind, pf, known?.driver ?? null),
    policy: heldPolicy(known?.policy ?? {}, plug),
    consumer: to,
    claim: to,
  };
}

/** MAC and VLAN are the consumer's and go with it; the rest is cleaned when the lease ends. */
function asGivenUp(
  known: VfWanted | undefined,
  { to, from, match }: { readonly to: string; readonly from: Plug; readonly match: MatchedPf },
): VfWanted {
  const claim = `what ${to} leaves`;
  const { where } = match.spec;
  const none = { driver: null, where, places: {}, consumer: null };
  const { mac, vlan } = from;
  const policy: PolicySpec = {
    ...(mac === null ? {} : { mac: "default" }),
    ...(vlan === null ? {} : { vlan: "none" }),
    ...known?.policy,
  };
  return { ...none, claim, ...known, vfIndex: from.vfIndex, policy };
}

/** VFs of consumers, in place of what their pools say. */
function withHoldings(
  claims: ReadonlyMap<number, VfWanted>,
  match: MatchedPf,
  { spec, holdings }: { readonly spec: Spec; readonly holdings: Holdings | null },
): ReadonlyMap<number, VfWanted> {
  if (holdings === null) return claims;
  const { pf } = match;
  const all = new Map(claims);
  for (const plug of holdings.plugs) {
    if (plug.pf !== pf.address) continue;
    const known = all.get(plug.vfIndex);
    // What the spec says of the VF for another consumer waits until this one has let go.
    const isAnothers = ![undefined, null, formatAssignTarget(plug.consumer)].includes(
      known?.consumer,
    );
    all.set(plug.vfIndex, asAttached(isAnothers ? undefined : known, plug, match));
  }
  for (const { to, plug, from } of holdings.assignments) {
    if (from !== null && from.pf === pf.address && from.vfIndex !== plug.vfIndex) {
      all.set(from.vfIndex, asGivenUp(all.get(from.vfIndex), { to, from, match }));
    }
    const entry = spec.assign.find((each) => each.to === to);
    if (plug.pf !== pf.address || entry === undefined) continue;
    const { vfIndex, consumer } = plug;
    const driver = driverFor(consumer.kind, pf, entry.driver ?? all.get(vfIndex)?.driver ?? null);
    const policy = policyOfEntry(entry, spec);
    const { where: place, places = {} } = entry;
    all.set(vfIndex, { vfIndex, driver, policy, where: place, places, consumer: to, claim: to });
  }
  return all;
}

export function wantedPfs(
  spec: Spec,
  matched: readonly MatchedPf[],
  holdings: Holdings | null = null,
): { readonly wanted: readonly PfWanted[]; readonly problems: readonly PlanProblem[] } {
  const byPf = claimsByPf(spec);
  const problems: PlanProblem[] = [];
  const wanted = matched.map((match): PfWanted => {
    const own = byPf.get(match.spec.name) ?? new Map<number, VfWanted>();
    const claims = withHoldings(own, match, { spec, holdings });
    const numVfs = match.spec.numVfs ?? match.pf.numVfs;
    problems.push(...missingVfs(match, own.values(), numVfs));
    const vfs = withUnassigned(spec, claims, numVfs);
    return { ...match, numVfs, vfs, altNames: spec.altNames ?? null };
  });
  return { wanted, problems };
}
