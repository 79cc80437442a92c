// Leases compared with the host, which is the truth: what of them cannot be so any more, in words,
// and what would mend it. Nothing is mended here, and what somebody still uses has no remedy but
// that somebody lets go of it.

import { isOfTarget, needsNetdev, parseAssignTarget } from "../model/assign-target.ts";
import type { Owner } from "../model/inventory.ts";
import type { Candidate } from "./candidates.ts";
import { isInHand, isPluggedIn, leaseWords, targetOf, type Lease } from "./lease.ts";
import { vfKey } from "./select.ts";

/** `forget` has nothing to clean, `clean` makes it free by way of the hygiene, `move` notes where
 * the VF is now. `detach` is for `sriovctl detach`: its consumer has it in its configuration, though
 * nothing uses it. null: nothing can be done here. */
type Remedy = "forget" | "clean" | "move" | "detach" | null;

export type Finding = {
  readonly kind: "vanished" | "moved" | "in-use" | "interrupted" | "holder-gone" | "expired";
  readonly lease: Lease;
  readonly message: string;
  readonly remedy: Remedy;
};

type Surroundings = {
  readonly candidates: readonly Candidate[];
  readonly bootId: string | null;
  readonly nowMs: number;
  /** Whether a process of this boot still runs. */
  readonly isAlive: (pid: number) => boolean;
};

/** `vm:web1`, `libvirt:web1/net1` -> `web1`. */
const bareName = (holder: string): string =>
  (holder.split(":").slice(1).join(":").split("/")[0] ?? "") || holder;

/** Users that are nobody's own netdev: those the host's own holder would be mistaken for. */
const foreignKinds: ReadonlySet<Owner["kind"]> = new Set(["vm", "process", "netns", "unknown"]);

function isHoldersUse({ holder }: Lease, owner: Owner): boolean {
  if (holder === null) return false;
  const target = parseAssignTarget(holder.name);
  if (target !== null && isOfTarget(target, owner)) return true;
  const { name, pid } = owner;
  return name === bareName(holder.name) || (pid !== null && pid === holder.pid);
}

/** An interface that is plugged in is in another network namespace, and the census says so. One that
 * nobody has, or the host itself, came back when its namespace died (default_device_exit_net()). */
const hasLostPlug = (lease: Lease, { owners }: Candidate): boolean =>
  isPluggedIn(lease) &&
  needsNetdev(lease.plug.consumer.kind) &&
  !owners.some(({ kind }) => kind === "netns" || kind === "container" || kind === "unknown");

const usersOf = ({ owners }: Candidate): string =>
  owners.map(({ kind, name, evidence }) => `${kind}:${name} (${evidence})`).join(", ");

const isGone = ({ bootId }: Lease, pid: number | null, around: Surroundings): boolean =>
  pid !== null && (bootId !== around.bootId || !around.isAlive(pid));

const timeWords = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

/** What ails a lease whose VF is there; null: nothing. */
function ailmentOf(lease: Lease, place: Candidate, around: Surroundings): Finding | null {
  // It is nobody's, so nobody who uses it does so instead of its holder.
  if (lease.state === "quarantined") return null;
  const target = targetOf(lease.vf);
  const find = (kind: Finding["kind"], message: string, remedy: Remedy): Finding => ({
    kind,
    lease,
    message,
    remedy,
  });
  const foreign = place.owners.filter(
    (owner) => foreignKinds.has(owner.kind) && !isHoldersUse(lease, owner),
  );
  if (foreign.length > 0) {
    const users = usersOf({ ...place, owners: foreign });
    return find("in-use", `${target} ${leaseWords(lease)}, and ${users} uses it`, null);
  }
  const remedy: Remedy = place.owners.length > 0 ? null : "clean";
  const still = remedy === null ? `, but ${usersOf(place)} still uses it` : "";
  if (lease.state === "claimed" || lease.state === "releasing") {
    if (!isGone(lease, lease.worker, around)) return null;
    const words = `${target} ${leaseWords(lease)}, and process ${lease.worker} that worked on it ended`;
    return find("interrupted", `${words}${still}`, remedy);
  }
  if (!isInHand(lease) || lease.holder === null) return null;
  const { name, pid } = lease.holder;
  if (hasLostPlug(lease, place)) {
    const words = `${target} is attached to ${name}, which has lost it: its namespace has ended`;
    return find("holder-gone", `${words}${still}`, remedy);
  }
  if (isGone(lease, pid, around)) {
    const words = `${target} is leased to ${name}, whose process ${pid} has ended`;
    return find("holder-gone", `${words}${still}`, remedy);
  }
  if (lease.expiresAtMs === null || lease.expiresAtMs > around.nowMs) return null;
  const words = `${target} is leased to ${name} until ${timeWords(lease.expiresAtMs)}, which is over`;
  // While its consumer does not run, nobody but the consumer knows of it.
  const mending = remedy === "clean" && isPluggedIn(lease) ? "detach" : remedy;
  return find("expired", `${words}${still}`, mending);
}

/** It came back when its namespace ended; an interface is nobody's process, so its lease has none. */
export const hasReturned = ({ kind, lease }: Finding): boolean =>
  kind === "holder-gone" && isPluggedIn(lease);

/** One finding a lease at most, the gravest, in the order of the leases. */
export function reconcile(leases: readonly Lease[], around: Surroundings): Finding[] {
  const places = new Map(around.candidates.map((place) => [vfKey(place.vf), place]));
  const addressed = around.candidates.filter(({ vf }) => vf.pfKey === `at:${vf.pf}`);
  const byAddress = new Map(addressed.map((place) => [place.vf.address, place]));
  return leases.flatMap((lease): Finding[] => {
    if (lease.state === "free") return [];
    // A PF whose MAC cannot be read now (it is in another namespace) has not gone.
    const place = places.get(vfKey(lease.vf)) ?? byAddress.get(lease.vf.address);
    const target = targetOf(lease.vf);
    if (place === undefined) {
      const message = `${target} ${leaseWords(lease)}, and the host has no such VF`;
      return [{ kind: "vanished", lease, message, remedy: "forget" }];
    }
    const { pf, address } = place.vf;
    if (pf !== lease.vf.pf || address !== lease.vf.address) {
      const message = `${target} ${leaseWords(lease)}, and is now ${targetOf(place.vf)}`;
      return [{ kind: "moved", lease, message, remedy: "move" }];
    }
    const ailment = ailmentOf(lease, place, around);
    return ailment === null ? [] : [ailment];
  });
}
