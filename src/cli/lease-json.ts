// The public JSON of `lease`: written by hand, so that leases may change inside while what programs
// read does not. Times are ISO 8601, unknown is null.

import type { Acquired, Failed, Granted } from "../apply/leasing.ts";
import type { Released } from "../apply/lease-release.ts";
import { targetOf, type Lease, type VfPlace } from "../lease/lease.ts";
import type { Finding } from "../lease/reconcile.ts";
import type { StoredEntry } from "../lease/rows.ts";
import type { Rejection } from "../lease/select.ts";
import { exitCodeOf, type SriovError } from "../model/errors.ts";

const timeOf = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();

const leaseJson = (lease: Lease) => ({
  vf: targetOf(lease.vf),
  address: lease.vf.address,
  pf: lease.vf.pf,
  vfIndex: lease.vf.vfIndex,
  state: lease.state,
  generation: lease.generation,
  holder: lease.holder?.name ?? null,
  pid: lease.holder?.pid ?? null,
  pool: lease.pool,
  since: timeOf(lease.sinceMs),
  expires: timeOf(lease.expiresAtMs),
  reason: lease.reason,
  evidence: lease.evidence,
});

export const findingJson = ({ kind, lease, message, remedy }: Finding) => ({
  kind,
  vf: targetOf(lease.vf),
  generation: lease.generation,
  message,
  remedy,
});

export const leasesJson = (leases: readonly Lease[], findings: readonly Finding[]) => ({
  format: "sriovctl-leases/1",
  leases: leases.map(leaseJson),
  findings: findings.map(findingJson),
});

const failedJson = ({ lease, evidence }: Failed) => ({ ...leaseJson(lease), evidence });

const grantedJson = ({ lease, because, changes, unverifiable }: Granted) => ({
  ...leaseJson(lease),
  because,
  changes,
  unverifiable,
});

export const rejectionJson = ({ candidate, because, kind }: Rejection) => ({
  vf: targetOf(candidate.vf),
  address: candidate.vf.address,
  kind,
  because,
});

/** What is added to a document where something was refused or missed. */
export const failureJson = ({ code, message, hint }: SriovError) => ({
  exitCode: exitCodeOf(code),
  error: { code, message, hint },
});

export const acquiredJson = (acquired: Acquired, error: SriovError | null) => ({
  format: "sriovctl-acquired/1",
  outcome: acquired.kind,
  ...(error === null ? {} : failureJson(error)),
  leases: acquired.kind === "granted" ? acquired.granted.map(grantedJson) : [],
  failed: acquired.failed.map(failedJson),
  rejections: acquired.kind === "granted" ? [] : acquired.rejections.map(rejectionJson),
});

/** A VF that was not released. */
export type Refused = { readonly vf: VfPlace; readonly error: SriovError };

const releasedJson = ({ lease, hygiene }: Released) => ({
  ...leaseJson(lease),
  changes: hygiene.kind === "clean" ? hygiene.changes : [],
  usedBy: hygiene.kind === "in-use" ? hygiene.owners : [],
});

export const releasedDocument = (released: readonly Released[], refused: readonly Refused[]) => ({
  format: "sriovctl-released/1",
  leases: released.map(releasedJson),
  refused: refused.map(({ vf, error }) => ({
    vf: targetOf(vf),
    address: vf.address,
    ...failureJson(error),
  })),
});

export const entriesJson = (entries: readonly StoredEntry[]) => ({
  format: "sriovctl-lease-history/1",
  events: entries.map((entry) => ({
    number: entry.number,
    at: timeOf(entry.atMs),
    vf: targetOf(entry.vf),
    address: entry.vf.address,
    event: entry.event,
    from: entry.from,
    to: entry.to,
    generation: entry.generation,
    holder: entry.holder,
    reason: entry.reason,
    evidence: entry.evidence,
  })),
});
