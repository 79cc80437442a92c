// What becomes of a lease that somebody has: renewed, given back, or quarantined by hand. Whoever asks
// names the holder or the generation that it was given; a VF that is in use is given back by nobody.

import { isPluggedIn, leaseWords, targetOf, type Lease, type VfPlace } from "../lease/lease.ts";
import type { LeaseTable } from "../lease/store.ts";
import { formatAssignTarget } from "../model/assign-target.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt } from "../model/inventory.ts";
import type { Consumers } from "../vmm/consumer.ts";
import { cleanVf, type Hygiene } from "./hygiene.ts";
import {
  lookAtVfs,
  momentOf,
  ownerWords,
  quarantine,
  type HostLook,
  type Leasing,
  type Terms,
} from "./leasing.ts";
import { isAlive } from "./lock.ts";
import { mayHave } from "./plugging.ts";
import { noConsumers } from "./request.ts";

export type HolderProof = {
  /** null: not said. */
  readonly holder: string | null;
  readonly generation: number | null;
};

export function refused(operation: string, target: string, why: string, hint?: string): SriovError {
  const detail = {
    operation: `${operation} lease`,
    target,
    ...(hint === undefined ? {} : { hint }),
  };
  return new SriovError("lease-refused", `Cannot ${operation} ${target}: ${why}`, detail);
}

/** The lease, if whoever asks may speak for its holder. Throws `lease-refused`. */
function ownLease(
  table: LeaseTable,
  place: VfPlace,
  { operation, proof }: { readonly operation: string; readonly proof: HolderProof },
): Lease {
  const target = targetOf(place);
  const lease = table.of(place);
  if (lease === null || lease.state === "free") throw refused(operation, target, "nobody has it");
  const { holder, generation } = lease;
  if (holder === null) return lease;
  if (proof.generation !== null && proof.generation !== generation) {
    const why = `generation ${proof.generation} is over, it ${leaseWords(lease)}`;
    throw refused(operation, target, why);
  }
  if (proof.holder !== null && proof.holder !== holder.name) {
    throw refused(operation, target, `it ${leaseWords(lease)}, not for ${proof.holder}`);
  }
  if (proof.holder === null && proof.generation === null) {
    const hint = `If you speak for it: --for ${holder.name}`;
    throw refused(operation, target, `it ${leaseWords(lease)}`, hint);
  }
  return lease;
}

export type Released = { readonly lease: Lease; readonly hygiene: Hygiene };

/** Its PF is there and has fewer VFs: what the VF was went with it, and a new one is fresh. */
function isGone({ inventory }: HostLook, { pf: address, vfIndex }: VfPlace): boolean {
  const pf = inventory.physicalFunctions.find((each) => each.address === address);
  return pf !== undefined && !pf.isChanging && vfAt(pf, vfIndex) === null;
}

/** Cleans a VF whose lease is `releasing`: it is free then, or quarantined, or still in use. */
export async function cleanReleased(leasing: Leasing, lease: Lease): Promise<Released> {
  const { vf, generation } = lease;
  const look = await lookAtVfs(leasing);
  if (isGone(look, vf)) {
    const moment = momentOf(leasing, "its PF has fewer VFs now");
    const forgotten = leasing.store.transact((table) =>
      table.step(vf, { kind: "vanished" }, moment),
    );
    return { lease: forgotten, hygiene: { kind: "clean", changes: [], unverifiable: [] } };
  }
  const hygiene = await cleanVf(leasing, vf, look.baselineOf(vf.address));
  if (hygiene.kind === "in-use") return { lease, hygiene };
  if (hygiene.kind === "failed") {
    return { lease: quarantine(leasing, lease, hygiene.evidence), hygiene };
  }
  const freed = leasing.store.transact((table) =>
    table.step(vf, { kind: "freed", generation }, momentOf(leasing, "clean")),
  );
  return { lease: freed, hygiene };
}

type Release = {
  readonly proof: HolderProof;
  readonly reason: string;
  /** Asked about VFs that are attached. */
  readonly consumers?: Consumers;
};

/** Throws `would-disrupt` while somebody uses the VF, or would once it runs. */
async function refuseWhileUsed({ host }: Leasing, lease: Lease, consumers: Consumers) {
  const { address } = lease.vf;
  const [owner] = (await host.owners([address])).get(address) ?? [];
  const isTheirs = isPluggedIn(lease) && (await mayHave(lease.plug, consumers));
  if (owner === undefined && !isTheirs) return;
  const target = targetOf(lease.vf);
  const use = owner === undefined ? leaseWords(lease) : `is ${ownerWords(owner)}`;
  const hint = isTheirs
    ? `Take it out first: sriovctl detach ${formatAssignTarget(lease.plug.consumer)}`
    : "Have it let go of the VF first";
  const detail = { operation: "release lease", target, hint };
  throw new SriovError("would-disrupt", `Cannot release ${target}: it ${use}`, detail);
}

/** By its holder, or of a quarantined VF by anybody. Throws `lease-refused` and `would-disrupt`. */
export async function releaseVf(
  leasing: Leasing,
  place: VfPlace,
  { proof, reason, consumers = noConsumers }: Release,
): Promise<Released> {
  const { worker } = leasing;
  const own = leasing.store.transact((table) =>
    ownLease(table, place, { operation: "release", proof }),
  );
  await refuseWhileUsed(leasing, own, consumers);
  const lease = leasing.store.transact((table) => {
    const lease = ownLease(table, place, { operation: "release", proof });
    const { state, generation, vf } = lease;
    const isWorkLeft = state === "releasing" || state === "quarantined";
    if (state === "releasing" && isWorking(leasing, lease)) {
      throw refused("release", targetOf(vf), `process ${lease.worker} is cleaning it`);
    }
    const event = isWorkLeft
      ? ({ kind: "revoke", worker } as const)
      : ({ kind: "release", generation, worker } as const);
    return table.step(vf, event, momentOf(leasing, reason));
  });
  return await cleanReleased(leasing, lease);
}

const isWorking = ({ host }: Leasing, { worker, bootId }: Lease): boolean =>
  worker !== null && bootId === host.identity.bootId && isAlive(worker);

/** Throws `lease-refused`. */
export function renewLease(
  leasing: Leasing,
  place: VfPlace,
  {
    proof,
    terms,
  }: { readonly proof: HolderProof; readonly terms: Pick<Terms, "expiresAtMs" | "reason"> },
): Lease {
  const { expiresAtMs, reason } = terms;
  return leasing.store.transact((table) => {
    const { vf, generation } = ownLease(table, place, { operation: "renew", proof });
    return table.step(vf, { kind: "renew", generation, expiresAtMs }, momentOf(leasing, reason));
  });
}

/** By hand. A VF that somebody has is taken from nobody who is not named. Throws `lease-refused`. */
export function quarantineVf(
  leasing: Leasing,
  place: VfPlace,
  { proof, reason }: { readonly proof: HolderProof; readonly reason: string },
): Lease {
  return leasing.store.transact((table) => {
    const known = table.of(place);
    const isFree = known === null || known.state === "free";
    const { vf, generation } = isFree
      ? { vf: place, generation: known?.generation ?? 0 }
      : ownLease(table, place, { operation: "quarantine", proof });
    const event = { kind: "quarantine", generation, evidence: [reason] } as const;
    return table.step(vf, event, momentOf(leasing, reason));
  });
}
