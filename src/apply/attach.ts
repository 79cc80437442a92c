// One VF into one consumer, and out of it: the lease first, then a journalled plan that ends with the plug,
// then the lease once more, as the consumer says. Both do nothing where all is so already, and refuse where
// somebody else has the VF. docs/attach.md tells it step by step.

import { formatAssignTarget, type AssignTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { macForConsumer } from "../model/mac.ts";
import type { Plan } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import type { PolicySpec } from "../model/spec.ts";
import type { Vlan } from "../model/vf-attribute.ts";
import { isInHand, leaseWords, targetOf, type Lease, type VfPlace } from "../lease/lease.ts";
import { selectVfs, type Rejection, type Wish } from "../lease/select.ts";
import { planAttach } from "../plan/attach.ts";
import { heldPolicy } from "../plan/held-policy.ts";
import type { Plugged, PlugProblem } from "../vmm/consumer.ts";
import { adopt, adoptionOf, type Adoption } from "./adopt.ts";
import { acquireVfs, lookAtVfs, type Failed, type HostLook, type Leasing } from "./leasing.ts";
import { cleanGivenBack, settleLeases } from "./plug-leases.ts";
import {
  assertSound,
  consumersOf,
  findVf,
  lookAgain,
  neighboursOf,
  runPlug,
  type Attaching,
  type PlugRequest,
} from "./plug-run.ts";
import { adapterFor, faultOf, isPlugged } from "./plugging.ts";
import type { Report } from "./report.ts";
import type { Session } from "./session.ts";

/** How the consumer is to have its VF, whichever it is. */
export type PlugTerms = Omit<Plug, "consumer" | "pf" | "vfIndex" | "vf" | "mac" | "vlan"> & {
  /** null: as the spec says of the VF, else as it is. */
  readonly mac: string | null;
  readonly vlan: Vlan | "none" | null;
};

export type AttachWish = {
  readonly consumer: AssignTarget;
  /** Of the pool or the VFs that were named. */
  readonly wish: Wish;
  readonly terms: PlugTerms;
};

type Chosen = {
  readonly place: VfPlace;
  /** null: it is leased first. */
  readonly lease: Lease | null;
  readonly because: readonly string[];
  readonly plug: Plug;
  readonly plugged: Plugged;
  readonly plan: Plan;
};

export type AttachPreview =
  | { readonly kind: "nothing-fits"; readonly rejections: readonly Rejection[] }
  | (Chosen & { readonly kind: "attached" | "to-do" })
  /** The consumer was given it by other means: only the lease is missing. */
  | (Chosen & { readonly kind: "adoptable"; readonly adoption: Adoption });

function refused(target: string, why: string, hint: string): SriovError {
  const message = `Cannot attach to ${target}: ${why}`;
  return new SriovError("lease-refused", message, { operation: "attach VF", target, hint });
}

/** What the consumer has, or is being given. Throws `lease-refused` where that is another VF. */
function ownLease(leasing: Leasing, { consumer, wish }: AttachWish): Lease | null {
  const name = formatAssignTarget(consumer);
  const lease = leasing.store
    .leases()
    .find(({ holder, state }) => holder?.name === name && state !== "free");
  if (lease === undefined) return null;
  const { vf, pool } = lease;
  const hint = `To move it: sriovctl detach ${name}, then attach again`;
  const isNamed = wish.vfs.length === 0 || wish.vfs.includes(vf.address);
  if (!isNamed) throw refused(name, `it has ${targetOf(vf)} (${vf.address}) already`, hint);
  if (wish.pool !== null && pool !== wish.pool) {
    throw refused(name, `it has ${targetOf(vf)}, which is not of pool ${wish.pool}`, hint);
  }
  if (isInHand(lease)) return lease;
  throw refused(name, `${targetOf(vf)} ${leaseWords(lease)}`, "See sriovctl lease ls");
}

/** What nobody asks for now is as it was asked for then, else as the spec says. */
function policyOf(baseline: PolicySpec, known: Plug | null, { mac, vlan }: PlugTerms): PolicySpec {
  return {
    ...(known === null ? baseline : heldPolicy(baseline, known)),
    ...(mac === null ? {} : { mac }),
    ...(vlan === null ? {} : { vlan }),
  };
}

function plugFor(wish: AttachWish, { pf, vfIndex, address }: VfPlace, policy: PolicySpec): Plug {
  const { consumer, terms } = wish;
  const { mac, vlan } = policy;
  return {
    ...terms,
    consumer,
    pf,
    vfIndex,
    vf: address,
    mac: macForConsumer(mac, formatAssignTarget(consumer)),
    vlan: typeof vlan === "object" ? vlan : null,
  };
}

const noPlan: Plan = { actions: [], problems: [], warnings: [], unverifiable: [], losses: [] };

/** The VF that was named, where its consumer has it already. Throws `lease-refused` where that is on
 * other terms than were asked for. */
async function previewAdoption(
  session: Attaching,
  wish: AttachWish,
  look: HostLook,
): Promise<AttachPreview | null> {
  const [named, ...more] = wish.wish.vfs;
  const place = look.candidates.find(({ vf }) => vf.address === named)?.vf;
  if (place === undefined || more.length > 0) return null;
  const { consumer, terms } = wish;
  const asked = plugFor(wish, place, policyOf({}, null, terms));
  const adoption = await adoptionOf(session, asked, look);
  if (adoption === null) return null;
  const { plug, plugged } = adoption;
  const isSo =
    (terms.mac === null || asked.mac === plug.mac) &&
    (terms.vlan === null || isSameVlan(asked, plug)) &&
    (terms.form === null || asked.form === plug.form) &&
    (terms.failover === null || asked.failover === plug.failover);
  if (!isSo) {
    const target = formatAssignTarget(consumer);
    const hint = "Leave out what it is not to be as it is, or have it let go of the VF first";
    throw refused(target, `it has it already, on other terms (${termsWords(plug)})`, hint);
  }
  const because = ["it has it already, from somebody else"];
  return { kind: "adoptable", adoption, place, lease: null, because, plug, plugged, plan: noPlan };
}

/** What `attach` would do; changes nothing. */
export async function previewAttach(session: Attaching, wish: AttachWish): Promise<AttachPreview> {
  const leasing = await session.leasing();
  const lease = ownLease(leasing, wish);
  const look = await lookAtVfs(leasing);
  const adoption = lease === null ? await previewAdoption(session, wish, look) : null;
  if (adoption !== null) return adoption;
  const selection =
    lease === null ? selectVfs(wish.wish, look.candidates, leasing.store.leases()) : null;
  const [choice] = selection?.choices ?? [];
  const place = lease?.vf ?? choice?.candidate.vf;
  if (place === undefined) {
    return { kind: "nothing-fits", rejections: selection?.rejections ?? [] };
  }
  const known = lease?.plug ?? null;
  const { driver, policy: baseline } = look.baselineOf(place.address);
  const policy = policyOf(baseline, known, wish.terms);
  const terms = { ...wish.terms, form: wish.terms.form ?? known?.form ?? null };
  const plug = plugFor({ ...wish, terms }, place, policy);
  const adapter = await adapterFor(plug, consumersOf(session));
  const plugged = await adapter.look(plug);
  const target = formatAssignTarget(wish.consumer);
  const isAsAsked = known === null || isSameTerms(known, plug);
  if (lease?.state === "attached" && isPlugged(plugged) && !isAsAsked) {
    const hint = `To change that: sriovctl detach ${target}, then attach again`;
    throw refused(target, `it has ${targetOf(place)} on other terms (${termsWords(known)})`, hint);
  }
  const isDone = lease?.state === "attached" && faultOf(plug, plugged) === null;
  const found = await findVf(session, place);
  const because = lease === null ? `leased to ${target}` : `${target} has it leased`;
  const neighbours = neighboursOf(leasing, look);
  const input = { ...found, plug, driver, policy, because, neighbours };
  const reasons = choice?.because ?? ["it has it already"];
  const rest = { place, lease, because: reasons, plug, plugged, plan: planAttach(input) };
  return { kind: isDone ? "attached" : "to-do", ...rest };
}

const isSameVlan = (one: Plug, other: Plug): boolean =>
  JSON.stringify(one.vlan) === JSON.stringify(other.vlan);

const isSameTerms = (one: Plug, other: Plug): boolean =>
  one.mac === other.mac &&
  one.failover === other.failover &&
  (one.form ?? "hostdev") === (other.form ?? "hostdev") &&
  isSameVlan(one, other);

const termsWords = ({ mac, vlan, failover, form }: Plug): string =>
  [
    mac === null ? "its own MAC" : `MAC ${mac}`,
    vlan === null ? "no VLAN" : `VLAN ${vlan.id}`,
    ...(failover === null ? [] : [`${failover} standing in`]),
    ...(form === null ? [] : [`as ${form}`]),
  ].join(", ");

export type Attached =
  | {
      readonly kind: "nothing-fits";
      readonly rejections: readonly Rejection[];
      readonly failed: readonly Failed[];
    }
  | {
      readonly kind: "done";
      readonly plug: Plug;
      readonly plugged: Plugged | null;
      readonly lease: Lease | null;
      readonly because: readonly string[];
      readonly failed: readonly Failed[];
      /** null: there was nothing to do, but perhaps to adopt it. */
      readonly report: Report | null;
      readonly isAdopted: boolean;
    };

/** What the consumer would refuse; changes nothing. */
export const obstaclesTo = async (session: Session, plug: Plug): Promise<readonly PlugProblem[]> =>
  await (await adapterFor(plug, consumersOf(session))).check(plug);

async function assertPluggable(session: Session, plug: Plug): Promise<void> {
  const [problem] = await obstaclesTo(session, plug);
  if (problem === undefined) return;
  const target = formatAssignTarget(plug.consumer);
  const message = `Cannot attach ${vfTarget(plug.pf, plug.vfIndex)} to ${target}: ${problem.message}`;
  const { hint } = problem;
  const detail = { operation: "attach VF", target, ...(hint === null ? {} : { hint }) };
  throw new SriovError("consumer-refused", message, detail);
}

/** What was leased for an attach that did not begin is given back. */
async function giveUp(session: Attaching, plan: Plan): Promise<void> {
  await cleanGivenBack(session, await settleLeases(session, plan.actions));
}

/** Throws where nothing was begun; from the first action on, what happens is in the report. */
export async function attach(
  session: Attaching,
  wish: AttachWish,
  request: PlugRequest,
): Promise<Attached> {
  const first = await previewAttach(session, wish);
  if (first.kind === "nothing-fits") return { ...first, failed: [] };
  const { plug, plugged, lease, because } = first;
  if (first.kind !== "to-do") {
    const isAdopted = first.kind === "adoptable";
    const its = isAdopted ? adopt(await session.leasing(), first.adoption) : lease;
    const rest = { failed: [], report: null, isAdopted };
    return { kind: "done", plug, plugged, lease: its, because, ...rest };
  }
  assertSound(first.plan, "attach VF");
  await assertPluggable(session, plug);
  const leasing = await session.leasing();
  const holder = { name: formatAssignTarget(wish.consumer), pid: leasing.worker };
  const terms = { holder, expiresAtMs: null, reason: "attach" };
  const acquired =
    lease === null ? await acquireVfs(leasing, wish.wish, terms) : { kind: "held" as const };
  if (acquired.kind === "nothing-fits") return acquired;
  const failed = acquired.kind === "granted" ? acquired.failed : [];
  const ready = await previewAttach(session, wish);
  if (ready.kind === "nothing-fits") return { ...ready, failed };
  const { plan } = ready;
  let report: Report;
  try {
    assertSound(plan, "attach VF");
    const { inventory } = await findVf(session, ready.place);
    report = await runPlug(session, plan, request, inventory);
  } catch (error) {
    await giveUp(session, plan);
    throw error;
  }
  const now = await lookAgain(session, ready.plug);
  const its = leasing.store.leases().find(({ vf }) => vf.address === ready.plug.vf) ?? null;
  const why = acquired.kind === "granted" ? (acquired.granted[0]?.because ?? []) : because;
  const rest = { plugged: now, lease: its, because: why, failed, report, isAdopted: false };
  return { kind: "done", plug: ready.plug, ...rest };
}
