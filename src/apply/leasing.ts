// Leases put into effect: a transition is on disk before the host is touched for it, and the next one
// only once the host was read back. Whoever is killed in between leaves a lease that says what was
// going on, and `mend` takes it up. The census comes first and again in the hygiene: the host knows
// better than any store who uses a VF.

import { candidatesOf, type Candidate } from "../lease/candidates.ts";
import type { Holder, Lease, Moment } from "../lease/lease.ts";
import { isReadyFor, selectVfs, type Choice, type Rejection, type Wish } from "../lease/select.ts";
import type { LeaseStore, LeaseTable } from "../lease/store.ts";
import type { Inventory, Owner } from "../model/inventory.ts";
import type { Spec } from "../model/spec.ts";
import { consentWord } from "../plan/disruption.ts";
import type { AwayMarks } from "./away-marks.ts";
import { cleanVf, type Baseline } from "./hygiene.ts";
import { leaseClaims, type LeaseClaims } from "./lease-claims.ts";
import type { HostAccess } from "./request.ts";

export type Leasing = HostAccess & {
  readonly store: LeaseStore;
  /** VFs that are in other network namespaces. */
  readonly away: AwayMarks;
  /** Pools, baselines and what is given away; an empty one where there is none. */
  readonly spec: Spec;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Of whoever works on VFs now: this process. */
  readonly worker: number;
};

export type HostLook = LeaseClaims & {
  readonly inventory: Inventory;
  readonly candidates: readonly Candidate[];
};

/** The VFs of the host now, with who uses them. */
export async function lookAtVfs({ host, spec }: Pick<Leasing, "host" | "spec">): Promise<HostLook> {
  const options = { census: true, netdevAttributes: true, detailOf: [], only: null };
  const inventory = await host.inventory(options);
  const claims = leaseClaims(spec, inventory);
  return { ...claims, inventory, candidates: candidatesOf(inventory, claims.claims) };
}

export const momentOf = ({ nowMs, host }: Leasing, reason: string): Moment => ({
  nowMs: nowMs(),
  bootId: host.identity.bootId,
  reason,
});

export type Terms = {
  readonly holder: Holder;
  readonly expiresAtMs: number | null;
  readonly reason: string;
};

export type Granted = {
  readonly lease: Lease;
  readonly because: readonly string[];
  /** What was done to make it ready. */
  readonly changes: readonly string[];
  readonly unverifiable: readonly string[];
};

/** A VF that could not be made ready, and why: quarantined, or in use after all. */
export type Failed = { readonly lease: Lease; readonly evidence: readonly string[] };

export type Acquired =
  | {
      readonly kind: "granted";
      readonly granted: readonly Granted[];
      readonly failed: readonly Failed[];
    }
  | {
      readonly kind: "nothing-fits";
      readonly rejections: readonly Rejection[];
      readonly failed: readonly Failed[];
    };

/** A VF that fails takes another round; a whole pool is not quarantined for one request. */
const mostRounds = 3;

/** Nothing was done to it, or all that was done is done again for the next one. */
function giveBack(leasing: Leasing, table: LeaseTable, lease: Lease, reason: string): void {
  const { vf, generation } = lease;
  const moment = momentOf(leasing, reason);
  table.step(vf, { kind: "release", generation, worker: leasing.worker }, moment);
  table.step(vf, { kind: "freed", generation }, moment);
}

function giveAllBack(leasing: Leasing, leases: readonly Lease[], reason: string): void {
  leasing.store.transact((table) => {
    for (const lease of leases) giveBack(leasing, table, lease, reason);
  });
}

/** Takes all of them, or none, in one transaction. */
function claimAll(
  leasing: Leasing,
  { wish, terms, look }: { readonly wish: Wish; readonly terms: Terms; readonly look: HostLook },
) {
  const { store, worker } = leasing;
  const { holder, expiresAtMs, reason } = terms;
  return store.transact((table) => {
    const { choices, rejections } = selectVfs(wish, look.candidates, table.all());
    const claimed = choices.map(({ candidate, because }) => {
      const { vf, claim } = candidate;
      const before = table.of(vf);
      if (before !== null && isReadyFor(before, wish.consumer)) {
        giveBack(leasing, table, before, `for ${holder.name}`);
      }
      const event = { kind: "claim", holder, pool: claim.pool, expiresAtMs, worker } as const;
      return { lease: table.step(vf, event, momentOf(leasing, reason)), because };
    });
    return { claimed, rejections };
  });
}

export const ownerWords = ({ kind, name, evidence }: Owner): string =>
  `in use by ${consentWord({ kind, name })} (${evidence})`;

export function quarantine(leasing: Leasing, lease: Lease, evidence: readonly string[]): Lease {
  const { vf, generation } = lease;
  const moment = momentOf(leasing, evidence[0] ?? "not clean");
  return leasing.store.transact((table) =>
    table.step(vf, { kind: "quarantine", generation, evidence }, moment),
  );
}

type Prepared =
  | { readonly granted: Granted }
  | { readonly failed: Failed; readonly isStuck: boolean };

async function prepare(
  leasing: Leasing,
  { lease, because }: { readonly lease: Lease; readonly because: Choice["because"] },
  baseline: Baseline,
): Promise<Prepared> {
  const { vf, generation } = lease;
  const hygiene = await cleanVf(leasing, vf, baseline);
  if (hygiene.kind === "in-use") {
    giveAllBack(leasing, [lease], "somebody uses it after all");
    return { failed: { lease, evidence: hygiene.owners.map(ownerWords) }, isStuck: false };
  }
  if (hygiene.kind === "failed") {
    const { evidence, isStuck } = hygiene;
    return { failed: { lease: quarantine(leasing, lease, evidence), evidence }, isStuck };
  }
  const prepared = leasing.store.transact((table) =>
    table.step(vf, { kind: "prepared", generation }, momentOf(leasing, "made ready")),
  );
  const { changes, unverifiable } = hygiene;
  return { granted: { lease: prepared, because, changes, unverifiable } };
}

/** Chooses, claims and makes ready as many VFs as wished, or none. */
export async function acquireVfs(leasing: Leasing, wish: Wish, terms: Terms): Promise<Acquired> {
  const failed: Failed[] = [];
  for (let round = 0; round < mostRounds; round++) {
    const look = await lookAtVfs(leasing);
    const { claimed, rejections } = claimAll(leasing, { wish, terms, look });
    if (claimed.length === 0) return { kind: "nothing-fits", rejections, failed };
    const granted: Granted[] = [];
    const failedBefore = failed.length;
    for (const [at, claim] of claimed.entries()) {
      const prepared = await prepare(leasing, claim, look.baselineOf(claim.lease.vf.address));
      if ("granted" in prepared) {
        granted.push(prepared.granted);
        continue;
      }
      failed.push(prepared.failed);
      const others = [...granted, ...claimed.slice(at + 1)].map(({ lease }) => lease);
      giveAllBack(leasing, others, "another of the wished failed");
      if (prepared.isStuck) return { kind: "nothing-fits", rejections: [], failed };
      break;
    }
    if (failed.length === failedBefore) return { kind: "granted", granted, failed };
  }
  return { kind: "nothing-fits", rejections: [], failed };
}
