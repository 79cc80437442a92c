// Leases of VFs that are attached: nobody is given a VF that is not leased to them, and once changes of
// plugs have run, each lease is brought to what its consumer says. Asked in the same way after an attach, a
// detach, an undo and a recovery, so whatever was killed in between, the same thing comes out.

import {
  formatAssignTarget,
  isOfTarget,
  needsNetdev,
  parseAssignTarget,
  type AssignTarget,
} from "../model/assign-target.ts";
import { isPlugChange, type Action, type PlugChange } from "../model/action.ts";
import type { Outcome } from "./journal.ts";
import { SriovError } from "../model/errors.ts";
import type { Owner } from "../model/inventory.ts";
import { isWhole, type Plug } from "../model/plug.ts";
import type { Problem } from "../model/problem.ts";
import { isInHand, leaseWords, targetOf, type Lease } from "../lease/lease.ts";
import type { Candidate } from "../lease/candidates.ts";
import type { LeaseTable } from "../lease/store.ts";
import { hasReturned, type Finding } from "../lease/reconcile.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Hygiene } from "./hygiene.ts";
import { findingsOf, mend, type Mended } from "./lease-mend.ts";
import { cleanReleased } from "./lease-release.ts";
import { lookAtVfs, momentOf, ownerWords, type Leasing } from "./leasing.ts";
import { mayHave } from "./plugging.ts";
import { noConsumers } from "./request.ts";
import type { Session } from "./session.ts";

const closingMs = 10_000;
const closingPollMs = 500;

/** The lease by which the plug's consumer has its VF; null: it has none. */
export function leaseOfPlug({ store }: Leasing, plug: Plug): Lease | null {
  const name = formatAssignTarget(plug.consumer);
  const isIts = ({ vf, holder }: Lease): boolean =>
    vf.pf === plug.pf && vf.vfIndex === plug.vfIndex && holder?.name === name;
  return store.leases().find((lease) => isInHand(lease) && isIts(lease)) ?? null;
}

function notLeased(plug: Plug, leases: readonly Lease[]): SriovError {
  const target = formatAssignTarget(plug.consumer);
  const lease = leases.find(({ vf, state }) => vf.address === plug.vf && state !== "free");
  const why = lease === undefined ? "it is not leased to it" : `it ${leaseWords(lease)}`;
  const message = `Cannot attach ${plug.vf} to ${target}: ${why}`;
  return new SriovError("lease-refused", message, { operation: "attach VF", target });
}

type ReadyClaim = {
  readonly candidate: Candidate;
  readonly consumer: AssignTarget;
  readonly reason: string;
};

/** Of a VF that needs no cleaning. Throws `lease-refused` where it is somebody's. */
export function claimReady(
  leasing: Leasing,
  table: LeaseTable,
  { candidate: { vf, claim }, consumer, reason }: ReadyClaim,
): Lease {
  const { worker } = leasing;
  const holder = { name: formatAssignTarget(consumer), pid: worker };
  const event = { kind: "claim", holder, pool: claim.pool, expiresAtMs: null, worker } as const;
  const moment = momentOf(leasing, reason);
  const { generation } = table.step(vf, event, moment);
  return table.step(vf, { kind: "prepared", generation }, moment);
}

/** For a plan that has brought the VF to what the spec says of it. Throws as `claimReady`. */
async function claim(leasing: Leasing, { consumer, pf, vfIndex }: Plug): Promise<void> {
  const { candidates } = await lookAtVfs(leasing);
  const found = candidates.find(({ vf }) => vf.pf === pf && vf.vfIndex === vfIndex);
  if (found === undefined || found.owners.some((owner) => !isOfTarget(consumer, owner))) return;
  const reason = "assigned by the spec";
  leasing.store.transact((table) =>
    claimReady(leasing, table, { candidate: found, consumer, reason }),
  );
}

/** A VF that its consumer has again on other terms; who has it at last is settled in the end. */
function noteTerms(leasing: Leasing, plug: Plug): void {
  const lease = leaseOfPlug(leasing, plug);
  if (lease?.state !== "attached" || JSON.stringify(lease.plug) === JSON.stringify(plug)) return;
  const { vf, generation } = lease;
  const event = { kind: "attached", generation, plug } as const;
  leasing.store.transact((table) => table.step(vf, event, momentOf(leasing, "attached again")));
}

export function noteAway({ away }: Leasing, { consumer, vf }: Plug): void {
  if (needsNetdev(consumer.kind)) away.set(vf);
}

/** The session's consumers; none of them takes a VF that is not leased to it. */
export function leasedConsumers(
  { consumers = noConsumers, leasing }: Session,
  mode: "leased" | "claiming",
): Consumers {
  if (leasing === undefined) return consumers;
  return async (kind) => {
    const adapter = await consumers(kind);
    if (adapter === null) return null;
    return {
      look: async (plug) => await adapter.look(plug),
      check: async (plug) => await adapter.check(plug),
      checkUnplug: async (plug) => await adapter.checkUnplug(plug),
      unplug: async (plug, options) => {
        // What comes back now is ours to clean.
        if (needsNetdev(plug.consumer.kind)) (await leasing()).away.clear(plug.vf);
        return await adapter.unplug(plug, options);
      },
      plug: async (plug, deadlineMs) => {
        // Leases are of VFs; a complete device was looked at under the lock.
        if (isWhole(plug)) return await adapter.plug(plug, deadlineMs);
        const its = await leasing();
        if (leaseOfPlug(its, plug) === null && mode === "claiming") await claim(its, plug);
        if (leaseOfPlug(its, plug) === null) throw notLeased(plug, its.store.leases());
        noteAway(its, plug);
        const plugged = await adapter.plug(plug, deadlineMs);
        noteTerms(its, plug);
        return plugged;
      },
    };
  };
}

/** The last change of each VF and consumer. */
function lastChanges(actions: readonly Action[]): PlugChange[] {
  const changes = new Map<string, PlugChange>();
  for (const { change } of actions) {
    if (!isPlugChange(change)) continue;
    changes.set(`${change.plug.vf} ${formatAssignTarget(change.plug.consumer)}`, change);
  }
  return [...changes.values()];
}

/** A VF that is set aside for an application is as it was when that is over: what is left to see is
 * whether the application has it open. */
const isHeldOpen = async ({ host }: Leasing, { vf }: Plug): Promise<boolean> =>
  ((await host.owners([vf])).get(vf) ?? []).length > 0;

const endsWithout: Readonly<Record<PlugChange["kind"], Outcome>> = {
  "attach-vf": "undone",
  "detach-vf": "done",
};

/** What a consumer has is `attached`; what it has not is given back, unless it was leased by hand. The
 * answer are those that are to be cleaned now. */
export async function settleLeases(
  { leasing, consumers = noConsumers }: Session,
  actions: readonly Action[],
  outcome: Outcome | null = null,
): Promise<readonly Lease[]> {
  const changes = lastChanges(actions);
  if (leasing === undefined || changes.length === 0) return [];
  const its = await leasing();
  const toClean: Lease[] = [];
  for (const { kind, plug: planned } of changes) {
    const lease = leaseOfPlug(its, planned);
    if (lease === null) continue;
    const { vf, generation } = lease;
    // Each plug has noted its terms, also one that took another back.
    const last = lease.state === "attached" ? lease.plug : null;
    const plug = { ...(last ?? planned), vf: vf.address };
    const isOver = outcome === endsWithout[kind] && plug.consumer.kind === "dpdk";
    if (await (isOver ? isHeldOpen(its, plug) : mayHave(plug, consumers))) {
      const event = { kind: "attached", generation, plug } as const;
      its.store.transact((table) => table.step(vf, event, momentOf(its, "attached")));
      noteAway(its, plug);
    } else if (lease.state === "attached" || lease.holder?.pid !== null) {
      const event = { kind: "release", generation, worker: its.worker } as const;
      const moment = momentOf(its, "detached");
      toClean.push(its.store.transact((table) => table.step(vf, event, moment)));
    }
  }
  return toClean;
}

const isIts = ({ holder }: Lease, owner: Owner): boolean => {
  const target = holder === null ? null : parseAssignTarget(holder.name);
  return target !== null && isOfTarget(target, owner);
};

/** A consumer that has let go may hold the VF open for a moment: QEMU says that a device is deleted before
 * it closes its descriptors. */
async function cleanLetGo(leasing: Leasing, lease: Lease): Promise<Hygiene> {
  const { host } = leasing;
  const until = host.now() + closingMs;
  for (;;) {
    const { hygiene } = await cleanReleased(leasing, lease);
    if (hygiene.kind !== "in-use" || host.now() >= until) return hygiene;
    if (!hygiene.owners.every((owner) => isIts(lease, owner))) return hygiene;
    await host.sleep(closingPollMs);
  }
}

/** Cleans what came back. A VF that cannot be cleaned is quarantined, which is said. */
export async function cleanGivenBack(
  { leasing }: Session,
  leases: readonly Lease[],
): Promise<readonly Problem[]> {
  if (leasing === undefined || leases.length === 0) return [];
  const its = await leasing();
  const problems: Problem[] = [];
  for (const lease of leases) {
    const hygiene = await cleanLetGo(its, lease);
    if (hygiene.kind === "clean") continue;
    const where = targetOf(lease.vf);
    const isUsed = hygiene.kind === "in-use";
    const seen = isUsed ? hygiene.owners.map(ownerWords) : hygiene.evidence;
    const message = `${where} is ${isUsed ? "not free yet" : "in quarantine"}: ${seen.join("; ")}`;
    const hint = isUsed
      ? "Once nobody uses it: sriovctl lease reconcile"
      : `Once that is settled: sriovctl lease release ${where}`;
    problems.push({ code: "vf-not-clean", where, message, hint });
  }
  return problems;
}

const isOfConsumer = ({ holder }: Lease): boolean =>
  holder !== null && parseAssignTarget(holder.name) !== null;

/** Left by an attach or detach that was killed: a consumer's lease had no other reason to end half-way. */
export const isAbandoned = ({ kind, lease }: Finding): boolean =>
  isOfConsumer(lease) &&
  (kind === "interrupted" || (kind === "holder-gone" && lease.state === "prepared"));

/** Takes back consumers' leases, for which nobody has to agree, where nobody uses the VF. */
export async function mendLeft(
  leasing: Leasing,
  isLeft: (finding: Finding) => boolean,
): Promise<readonly Mended[]> {
  const leases = leasing.store.leases();
  if (!leases.some(isOfConsumer)) return [];
  const { candidates } = await lookAtVfs(leasing);
  const found = findingsOf(leasing.host, leasing.nowMs(), { leases, candidates });
  const mended: Mended[] = [];
  for (const finding of found) {
    if (finding.remedy !== "clean" || !isLeft(finding)) continue;
    mended.push(await mend(leasing, finding, candidates));
  }
  return mended;
}

export const mendAbandoned = async (leasing: Leasing): Promise<readonly Mended[]> =>
  await mendLeft(leasing, isAbandoned);

/** What namespaces that have ended gave back. Marks that stand for nothing go. */
export async function mendReturned(leasing: Leasing): Promise<readonly Mended[]> {
  const { away, store } = leasing;
  const attached = new Set(
    store.leases().flatMap(({ state, vf }) => (state === "attached" ? [vf.address] : [])),
  );
  for (const vf of away.list()) if (!attached.has(vf)) away.clear(vf);
  return await mendLeft(leasing, hasReturned);
}
