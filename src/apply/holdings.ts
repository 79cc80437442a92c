// Who has and who is to get VFs, for a plan: leases are read and consumers are asked, and nothing is claimed
// or changed. An entry of a pool keeps the VF that its consumer has; otherwise it is chosen as a lease would
// be, or among the pool's VFs that the plan will make.

import {
  formatAssignTarget,
  needsNetdev,
  parseAssignTarget,
  type AssignTarget,
} from "../model/assign-target.ts";
import { vfTarget, type Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Inventory } from "../model/inventory.ts";
import type { Assignment, HandOver, Holdings, WaitingEntry } from "../model/holdings.ts";
import { macForConsumer } from "../model/mac.ts";
import type { Plug } from "../model/plug.ts";
import { handOverWord, type Consent } from "../model/plan.ts";
import type { AssignSpec, Spec } from "../model/spec.ts";
import { candidatesOf, type Candidate } from "../lease/candidates.ts";
import { isInHand, type Lease } from "../lease/lease.ts";
import { selectVfs } from "../lease/select.ts";
import { matchPfs } from "../plan/match.ts";
import { policyOfEntry } from "../plan/wanted.ts";
import type { ConsumerAdapter, Consumers } from "../vmm/consumer.ts";
import { leaseClaims } from "./lease-claims.ts";
import { adapterFor, faultOf, isPlugged } from "./plugging.ts";

export type Surroundings = {
  readonly consumers?: Consumers;
  /** All that were ever claimed; absent: none are kept. */
  readonly readLeases?: () => Promise<readonly Lease[]>;
};

type Place = { readonly pf: Address; readonly vfIndex: number };

type Choosing = {
  readonly spec: Spec;
  readonly inventory: Inventory;
  readonly leases: readonly Lease[];
  readonly candidates: readonly Candidate[];
  /** Address of each PF by its label. */
  readonly labels: ReadonlyMap<string, Address>;
  /** How many VFs each PF of the spec is to have. */
  readonly counts: ReadonlyMap<Address, number>;
  /** VFs that earlier entries got. */
  readonly chosen: Set<string>;
};

/** A VF of the pool that is not there yet: the plan makes it. */
function futureVf(pool: string, choosing: Choosing): Place | null {
  const { spec, labels, inventory, chosen, leases } = choosing;
  const isTaken = (pf: Address, index: number): boolean =>
    leases.some(({ vf, state }) => state !== "free" && vf.pf === pf && vf.vfIndex === index);
  for (const { pf: label, vfIndexes } of spec.pools.find(({ name }) => name === pool)?.vfs ?? []) {
    const address = labels.get(label);
    const pf = inventory.physicalFunctions.find((each) => each.address === address);
    if (pf === undefined) continue;
    const vfIndex = vfIndexes.find(
      (index) =>
        vfAt(pf, index) === null &&
        !chosen.has(vfTarget(pf.address, index)) &&
        !isTaken(pf.address, index),
    );
    if (vfIndex !== undefined) return { pf: pf.address, vfIndex };
  }
  return null;
}

function chooseFrom(pool: string, to: string, choosing: Choosing): Place | null {
  const { candidates, leases, chosen } = choosing;
  const isLeft = ({ vf }: Candidate): boolean => !chosen.has(vfTarget(vf.pf, vf.vfIndex));
  const any = { pfs: [], vfs: [], numa: null, isAloneInGroup: false, apart: null } as const;
  const wish = { ...any, holder: to, count: 1, pool, placement: "pack" } as const;
  const [choice] = selectVfs(wish, candidates.filter(isLeft), leases).choices;
  return choice?.candidate.vf ?? futureVf(pool, choosing);
}

/** Of a consumer that is being moved there are two. */
const leasesOf = (to: string, { leases }: Choosing): readonly Lease[] =>
  leases.filter((lease) => isInHand(lease) && lease.holder?.name === to);

const isAt = ({ vf }: Lease, { pf, vfIndex }: Place): boolean =>
  vf.pf === pf && vf.vfIndex === vfIndex;

function placeFor({ to, source }: AssignSpec, choosing: Choosing): Place | string {
  const { leases, labels, counts } = choosing;
  const [its] = leasesOf(to, choosing);
  const own = its?.vf;
  const isStaying = own !== undefined && own.vfIndex < (counts.get(own.pf) ?? own.vfIndex + 1);
  if (source.kind === "pool") {
    if (isStaying) return own;
    const chosen = chooseFrom(source.pool, to, choosing);
    if (chosen === null) return `no VF of pool ${source.pool} is free`;
    if (own === undefined || own.pf === chosen.pf) return chosen;
    return `it has ${vfTarget(own.pf, own.vfIndex)}, detach that first`;
  }
  const pf = labels.get(source.vf.pf);
  const [vfIndex] = source.vf.vfIndexes;
  if (pf === undefined || vfIndex === undefined) return "its PF is not there";
  if (own !== undefined && own.pf !== pf) {
    return `it has ${vfTarget(own.pf, own.vfIndex)}, detach that first`;
  }
  const holder = leases.find(
    ({ vf, state }) => state !== "free" && vf.pf === pf && vf.vfIndex === vfIndex,
  )?.holder?.name;
  if (holder !== undefined && holder !== to) return `its VF is leased to ${holder}`;
  return { pf, vfIndex };
}

type Planned = {
  readonly place: Place;
  readonly target: AssignTarget;
  readonly known: Plug | null;
};

function plugOf(entry: AssignSpec, { place, target, known }: Planned, choosing: Choosing): Plug {
  const { pf: address, vfIndex } = place;
  const pf = choosing.inventory.physicalFunctions.find((each) => each.address === address);
  const vf = pf === undefined ? null : vfAt(pf, vfIndex);
  const policy = policyOfEntry(entry, choosing.spec);
  const none = { form: null, endpoint: null, failover: null, vfToken: null, ipAddresses: [] };
  return {
    ...(known ?? { ...none, scope: "both" }),
    consumer: target,
    pf: address,
    vfIndex,
    // Of a VF that is still to be made it is found out when it is there.
    vf: vf?.address ?? address,
    mac: macForConsumer(policy.mac, entry.to),
    vlan: typeof policy.vlan === "object" ? policy.vlan : null,
    user: entry.user ?? known?.user ?? null,
  };
}

const isOnSameTerms = (one: Plug, other: Plug): boolean =>
  one.mac === other.mac && JSON.stringify(one.vlan) === JSON.stringify(other.vlan);

/** What the consumer really has that is not the plug: another VF, or this one on other terms. */
async function givenUpFor(
  plug: Plug,
  leases: readonly Lease[],
  adapter: ConsumerAdapter,
): Promise<Plug | null> {
  for (const { plug: has } of leases) {
    const isSame = has?.vfIndex === plug.vfIndex && has.pf === plug.pf && isOnSameTerms(has, plug);
    if (has === null || isSame) continue;
    if (isPlugged(await adapter.look(has))) return has;
  }
  return null;
}

async function assignmentOf(
  entry: AssignSpec,
  choosing: Choosing,
  consumers: Consumers,
): Promise<Assignment | WaitingEntry> {
  const { to } = entry;
  const waits = (why: string, hint: string): WaitingEntry => ({
    to,
    message: `${to} is not attached now: ${why}`,
    hint,
  });
  const target = parseAssignTarget(to);
  if (target === null) return waits("it names no consumer", "Correct the entry");
  const place = placeFor(entry, choosing);
  if (typeof place === "string") return waits(place, "See sriovctl lease ls, then apply again");
  const own = leasesOf(to, choosing);
  const known = own.find((lease) => isAt(lease, place))?.plug ?? own[0]?.plug ?? null;
  const plug = plugOf(entry, { place, target, known }, choosing);
  try {
    const adapter = await adapterFor(plug, consumers);
    const from = await givenUpFor(plug, own, adapter);
    if (from !== null) {
      choosing.chosen.add(vfTarget(place.pf, place.vfIndex));
      return { to, plug, isPlugged: false, from, notes: [] };
    }
    const plugged = await adapter.look(plug);
    choosing.chosen.add(vfTarget(place.pf, place.vfIndex));
    const isThere = faultOf(plug, plugged) === null;
    const notes = isThere || needsNetdev(target.kind) ? [] : plugged.notes;
    if (isThere && !own.some((lease) => isAt(lease, place))) {
      const adopt = `sriovctl attach ${vfTarget(place.pf, place.vfIndex)} --to ${to}`;
      const why = `it has its VF already, from somebody else; ${adopt} adopts it`;
      return waits(why, "Adopt it, then apply again");
    }
    return { to, plug, isPlugged: isThere, from: null, notes };
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return waits(error.message, "Apply again once it is there");
  }
}

/** null: the consumer has nothing to hand over. */
async function handOverOf(plug: Plug, consumers: Consumers): Promise<HandOver | null> {
  let isKnown = false;
  try {
    const adapter = await adapterFor(plug, consumers);
    isKnown = true;
    if (!isPlugged(await adapter.look(plug))) return null;
    return { plug, refusals: await adapter.checkUnplug(plug) };
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    // With a VM that has ended its VFs are out.
    if (isKnown && error.code === "not-found") return null;
    return { plug, refusals: [{ message: error.message, hint: error.hint }] };
  }
}

async function handOversOf(plugs: readonly Plug[], consumers: Consumers): Promise<HandOver[]> {
  const found: HandOver[] = [];
  for (const plug of plugs) {
    const handOver = await handOverOf(plug, consumers);
    if (handOver !== null) found.push(handOver);
  }
  return found;
}

/** Nothing where nobody keeps leases or has consumers: a plan then says so of each entry. */
export async function holdingsFor(
  { consumers, readLeases }: Surroundings,
  spec: Spec,
  { inventory, consent }: { readonly inventory: Inventory; readonly consent: Consent },
): Promise<{ readonly holdings?: Holdings }> {
  if (consumers === undefined || readLeases === undefined) return {};
  const leases = await readLeases();
  const plugs = leases.filter(isInHand).flatMap(({ plug }) => plug ?? []);
  const { matched } = matchPfs(spec, inventory);
  const claims = leaseClaims(spec, inventory);
  const choosing: Choosing = {
    spec,
    inventory,
    leases,
    candidates: candidatesOf(inventory, claims.claims),
    labels: new Map(matched.map((match) => [match.spec.name, match.pf.address])),
    counts: new Map(matched.map(({ spec: { numVfs }, pf }) => [pf.address, numVfs ?? pf.numVfs])),
    chosen: new Set(),
  };
  const assignments: Assignment[] = [];
  const waiting: WaitingEntry[] = [];
  for (const entry of spec.assign) {
    const found = await assignmentOf(entry, choosing, consumers);
    if ("plug" in found) assignments.push(found);
    else waiting.push(found);
  }
  // What a consumer gives up is as its pool says again.
  const isKept = (plug: Plug): boolean =>
    !assignments.some(
      ({ to, plug: wanted }) =>
        to === formatAssignTarget(plug.consumer) &&
        (wanted.pf !== plug.pf || wanted.vfIndex !== plug.vfIndex),
    );
  const pfs = new Set(choosing.labels.values());
  const isAsked = consent.includes(handOverWord);
  const ofSpec = isAsked ? plugs.filter(({ pf }) => pfs.has(pf)) : [];
  const handOvers = await handOversOf(ofSpec, consumers);
  return { holdings: { plugs: plugs.filter(isKept), assignments, waiting, handOvers } };
}
