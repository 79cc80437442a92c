// Which VFs a wish gets, and why: a pure choice among candidates, given the leases. What does not fit
// is told candidate by candidate, because "none left" helps nobody who has sixty-four of them.
// One VF after the other is taken, each the best of those that still fit; that is exact for every
// wish here, as any VF of a PF (or card) serves as well as another to keep two apart.

import { compareAddresses, type Address } from "../model/bdf.ts";
import type { Candidate } from "./candidates.ts";
import { targetOf, type Lease } from "./lease.ts";

export type Wish = {
  /** `KIND:NAME`, for whom. */
  readonly holder: string;
  readonly count: number;
  /** null: any. */
  readonly pool: string | null;
  /** Empty: any. */
  readonly pfs: readonly Address[];
  /** Empty: any. */
  readonly vfs: readonly Address[];
  readonly numa: {
    readonly node: number;
    /** false: another node is taken when this one has none left. */
    readonly isStrict: boolean;
  } | null;
  /** Only VFs that share their IOMMU group with no other function. */
  readonly isAloneInGroup: boolean;
  /** Over PFs: `pack` fills one before the next, `spread` takes from the emptiest. */
  readonly placement: "pack" | "spread";
  /** Every two of them on different PFs or cards. */
  readonly apart: "pf" | "card" | null;
  /** Of a device's holder `libvirt:web1/net1`: `libvirt:web1`, whose prepared VFs it may have too. Absent:
   * what anybody has leased is taken. */
  readonly consumer?: string;
};

export type Choice = { readonly candidate: Candidate; readonly because: readonly string[] };

export type Rejection = {
  readonly candidate: Candidate;
  readonly because: string;
  /** `other` than wished, `taken` by somebody, or `unfit` as it is. One that was named is no `other`. */
  readonly kind: "other" | "taken" | "unfit";
};

type Selection = {
  /** As many as wished, or none. */
  readonly choices: readonly Choice[];
  /** Of the others, or of those that were named, where nothing was chosen. */
  readonly rejections: readonly Rejection[];
};

type Taken = {
  readonly byVf: ReadonlyMap<string, Lease>;
  readonly byAddress: ReadonlyMap<Address, Lease>;
  /** VFs of each PF that somebody has. */
  readonly countByPf: Map<Address, number>;
  readonly ownersByAddress: ReadonlyMap<Address, Candidate>;
  /** VFs that are ready for the wish's own consumer. */
  readonly readyKeys: ReadonlySet<string>;
};

export const vfKey = ({ pfKey, vfIndex }: { pfKey: string; vfIndex: number }): string =>
  `${pfKey} ${vfIndex}`;

const isTaken = ({ state }: Lease): boolean => state !== "free";

/** Leased to the consumer before it was said as which device. */
export const isReadyFor = ({ state, holder }: Lease, consumer: string | undefined): boolean =>
  state === "prepared" && consumer !== undefined && holder?.name === consumer;

/** A lease by its VF's key, and by the address where that VF was last: while a PF's key cannot be
 * read, the address still keeps its VFs from being given twice. */
function takenBy(
  candidates: readonly Candidate[],
  leases: readonly Lease[],
  { consumer }: Wish,
): Taken {
  const taken = leases.filter((lease) => isTaken(lease) && !isReadyFor(lease, consumer));
  const byVf = new Map(taken.map((lease) => [vfKey(lease.vf), lease]));
  const byAddress = new Map(taken.map((lease) => [lease.vf.address, lease]));
  const countByPf = new Map<Address, number>();
  for (const { vf, owners } of candidates) {
    const isUsed = byVf.has(vfKey(vf)) || byAddress.has(vf.address) || owners.length > 0;
    if (isUsed) countByPf.set(vf.pf, (countByPf.get(vf.pf) ?? 0) + 1);
  }
  const used = candidates.filter(({ owners }) => owners.length > 0);
  const ownersByAddress = new Map(used.map((candidate) => [candidate.vf.address, candidate]));
  const ready = leases.filter((lease) => isReadyFor(lease, consumer));
  const readyKeys = new Set(ready.map(({ vf }) => vfKey(vf)));
  return { byVf, byAddress, countByPf, ownersByAddress, readyKeys };
}

const leaseOf = ({ vf }: Candidate, { byVf, byAddress }: Taken): Lease | undefined =>
  byVf.get(vfKey(vf)) ?? byAddress.get(vf.address);

function leasedWords({ state, holder, reason }: Lease): string {
  if (state === "quarantined") return `quarantined: ${reason}`;
  if (state === "releasing") return `being cleaned after ${holder?.name ?? "somebody"}`;
  return `leased to ${holder?.name ?? "somebody"}`;
}

const ownerWords = ({ owners: [owner] }: Candidate): string =>
  owner === undefined ? "" : `in use by ${owner.kind}:${owner.name} (${owner.evidence})`;

/** Devices of one VM or container: `libvirt:web1/net1` and `libvirt:web1/net2`. */
const isOneConsumer = (one: string, other: string): boolean =>
  one.split("/")[0] === other.split("/")[0];

/** An IOMMU group has one user: what a mate's holder may touch, the holder of this VF may too. */
function groupObjection(candidate: Candidate, wish: Wish, taken: Taken): string | null {
  const { iommuGroup, groupMembers, vf } = candidate;
  if (wish.isAloneInGroup && iommuGroup === null) return "its IOMMU group is not known";
  if (wish.isAloneInGroup && groupMembers.length > 1) {
    const mates = groupMembers.filter((address) => address !== vf.address);
    return `shares IOMMU group ${iommuGroup} with ${mates.join(", ")}`;
  }
  for (const address of groupMembers) {
    if (address === vf.address) continue;
    const lease = taken.byAddress.get(address);
    const others = lease !== undefined && !isOneConsumer(lease.holder?.name ?? "", wish.holder);
    const words = others ? leasedWords(lease) : null;
    const used = taken.ownersByAddress.get(address);
    const why = words ?? (used === undefined || lease !== undefined ? null : ownerWords(used));
    if (why !== null) return `shares IOMMU group ${iommuGroup} with ${address}, ${why}`;
  }
  return null;
}

function numaObjection({ numaNode }: Candidate, { numa }: Wish): string | null {
  if (numa === null || !numa.isStrict || numaNode === numa.node) return null;
  return numaNode === null
    ? `its NUMA node is not known, wanted ${numa.node}`
    : `on NUMA node ${numaNode}, wanted ${numa.node}`;
}

/** `libvirt:web1/net1` is for `libvirt:web1`. */
export const isFor = (consumer: string, holder: string): boolean =>
  consumer === holder || consumer.startsWith(`${holder}/`);

/** Who has the candidate, or will; null: nobody. */
function ownerOf(candidate: Candidate, wish: Wish, taken: Taken): string | null {
  const { claim, owners } = candidate;
  const lease = leaseOf(candidate, taken);
  if (lease !== undefined) return leasedWords(lease);
  if (owners.length > 0) return ownerWords(candidate);
  const { consumer } = claim;
  if (consumer === null || isFor(consumer, wish.holder)) return null;
  return `assigned to ${consumer} by the spec`;
}

/** Why the candidate is another one than wished; null: it is one of those. */
function mismatch({ vf, claim }: Candidate, wish: Wish): string | null {
  if (wish.pfs.length > 0 && !wish.pfs.includes(vf.pf)) return "on another PF than asked for";
  if (wish.pool === null || claim.pool === wish.pool) return null;
  return claim.pool === null ? "in no pool" : `in pool ${claim.pool}`;
}

/** Why the candidate is not for this wish whatever else is chosen; null: it fits. */
function objectionTo(candidate: Candidate, wish: Wish, taken: Taken): Rejection | null {
  const reject = (because: string | null, kind: Rejection["kind"]): Rejection | null =>
    because === null ? null : { candidate, because, kind };
  const changing = "a change of its PF or of a VF of it has not ended";
  const isNobodys = leaseOf(candidate, taken)?.state === "quarantined";
  return (
    reject(mismatch(candidate, wish), wish.vfs.length > 0 ? "unfit" : "other") ??
    reject(ownerOf(candidate, wish, taken), isNobodys ? "unfit" : "taken") ??
    reject(candidate.isPfChanging ? changing : null, "unfit") ??
    reject(numaObjection(candidate, wish), "unfit") ??
    reject(groupObjection(candidate, wish, taken), "unfit")
  );
}

const placeApart = ({ vf, adapter }: Candidate, { apart }: Wish): string =>
  apart === "pf" ? vf.pf : adapter;

const sameApartWords = { pf: "on the same PF", card: "on the same card" } as const;

/** Smaller is better. */
function compare(left: Candidate, right: Candidate, wish: Wish, taken: Taken): number {
  const node = wish.numa?.node;
  const isOther = ({ vf }: Candidate): number => (taken.readyKeys.has(vfKey(vf)) ? 0 : 1);
  const isOff = ({ numaNode }: Candidate): number =>
    node === undefined || numaNode === node ? 0 : 1;
  const load = ({ vf }: Candidate): number => {
    const count = taken.countByPf.get(vf.pf) ?? 0;
    return wish.placement === "pack" ? -count : count;
  };
  return (
    isOther(left) - isOther(right) ||
    isOff(left) - isOff(right) ||
    load(left) - load(right) ||
    compareAddresses(left.vf.pf, right.vf.pf) ||
    left.vf.vfIndex - right.vf.vfIndex
  );
}

function reasonsFor(candidate: Candidate, wish: Wish, taken: Taken): string[] {
  const { vf, claim, numaNode, iommuGroup } = candidate;
  const reasons: string[] = [];
  if (wish.vfs.length > 0) reasons.push("asked for");
  else if (wish.pfs.length > 0) reasons.push(`on PF ${vf.pf} as asked`);
  if (wish.pool !== null) reasons.push(`in pool ${wish.pool}`);
  if (taken.readyKeys.has(vfKey(vf))) reasons.push(`leased to ${wish.consumer}`);
  if (claim.consumer !== null) reasons.push(`assigned to ${claim.consumer}`);
  if (wish.numa !== null) {
    const { node } = wish.numa;
    const isOn = numaNode === node;
    const where = numaNode === null ? "NUMA node not known" : `on NUMA node ${numaNode}`;
    reasons.push(isOn ? `${where} as asked` : `${where}: node ${node} has none that fits`);
  }
  if (wish.isAloneInGroup) reasons.push(`alone in IOMMU group ${iommuGroup}`);
  const count = taken.countByPf.get(vf.pf) ?? 0;
  const order = wish.placement === "pack" ? "most" : "fewest";
  if (wish.vfs.length === 0) reasons.push(`its PF has the ${order} in use (${count})`);
  return reasons;
}

/** The best `count` of the candidates, or none and every objection. */
export function selectVfs(
  wish: Wish,
  candidates: readonly Candidate[],
  leases: readonly Lease[],
): Selection {
  const taken = takenBy(candidates, leases, wish);
  const rejections: Rejection[] = [];
  let fitting: Candidate[] = [];
  const isAsked = ({ vf }: Candidate) => wish.vfs.length === 0 || wish.vfs.includes(vf.address);
  for (const candidate of candidates.filter(isAsked)) {
    const rejection = objectionTo(candidate, wish, taken);
    if (rejection === null) fitting.push(candidate);
    else rejections.push(rejection);
  }
  const choices: Choice[] = [];
  while (choices.length < wish.count) {
    const [first, ...rest] = fitting;
    if (first === undefined) break;
    const best = rest.reduce(
      (best, next) => (compare(next, best, wish, taken) < 0 ? next : best),
      first,
    );
    const because = reasonsFor(best, wish, taken);
    const others = choices.map(({ candidate }) => targetOf(candidate.vf)).join(", ");
    if (wish.apart !== null && others !== "") {
      because.push(`on another ${wish.apart === "pf" ? "PF" : "card"} than ${others}`);
    }
    choices.push({ candidate: best, because });
    taken.countByPf.set(best.vf.pf, (taken.countByPf.get(best.vf.pf) ?? 0) + 1);
    fitting = fitting.filter((candidate) => {
      if (candidate === best) return false;
      if (wish.apart === null || placeApart(candidate, wish) !== placeApart(best, wish))
        return true;
      const words = `${sameApartWords[wish.apart]} as ${targetOf(best.vf)}`;
      rejections.push({ candidate, because: words, kind: "unfit" });
      return false;
    });
  }
  if (choices.length === wish.count) return { choices, rejections: [] };
  const alone = choices.map(({ candidate }): Rejection => {
    const because = `fits, but it takes ${wish.count} of them`;
    return { candidate, because, kind: "unfit" };
  });
  return { choices: [], rejections: [...alone, ...rejections] };
}
