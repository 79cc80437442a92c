// A consumer without its VFs for as long as something else takes: they are detached in a journal that stays
// open meanwhile, and undoing that journal brings them back, by us or, when we are killed, by recover. Their
// leases stay, so nobody else gets them.

import { isPluggedIn, type AttachedLease, type Lease, type VfPlace } from "../lease/lease.ts";
import type { Action } from "../model/action.ts";
import type { AssignKind, AssignTarget } from "../model/assign-target.ts";
import { SriovError } from "../model/errors.ts";
import { planDetach } from "../plan/attach.ts";
import { factsBefore, runJournalled, type Ending } from "./apply.ts";
import { bringBack } from "./bring-back.ts";
import { assertSound, consumersOf, findVf, type Attaching, type PlugRequest } from "./plug-run.ts";
import { recover } from "./recover.ts";
import { forwardOutcome, type Report } from "./report.ts";
import type { Run } from "./run.ts";

/** Of the consumer; without a device, `libvirt:web1`, of any of its devices. */
export const isOfConsumer = ({ holder }: Lease, name: string): boolean =>
  holder?.name === name || holder?.name.startsWith(`${name}/`) === true;

/** What a consumer has. */
export const leasesOfConsumer = (leases: readonly Lease[], name: string): AttachedLease[] =>
  leases.filter((lease) => isOfConsumer(lease, name)).filter(isPluggedIn);

/** Kinds whose manager knows them all, whether they run or not. */
const known: ReadonlySet<AssignKind> = new Set([
  "libvirt",
  "pve",
  "netns",
  "docker",
  "podman",
  "lxc",
]);

/** Throws `not-found` where the consumer is not there: it is a slip rather than one without VFs. */
export async function assertThere(
  session: Attaching,
  consumer: AssignTarget,
  { pf, vfIndex, address: vf }: VfPlace,
): Promise<void> {
  if (!known.has(consumer.kind)) return;
  const none = { form: null, endpoint: null, failover: null, vfToken: null, user: null };
  const terms = { mac: null, vlan: null, scope: "both", ipAddresses: [], ...none } as const;
  try {
    const adapter = await consumersOf(session)(consumer.kind);
    await adapter?.look({ consumer, pf, vfIndex, vf, ...terms });
  } catch (error) {
    // One that cannot be asked may well be there.
    if (!(error instanceof SriovError) || error.code === "not-found") throw error;
  }
}

export type Away = {
  /** Of taking them out: `interrupted` where all of them are out, or some of them did not come back. */
  readonly out: Report;
  /** Of bringing them back: `interrupted` where `recover` is to try again; null where they never went. */
  readonly back: Report | null;
};

const settleTimeoutMs = 60_000;

/** Runs `work` while the VFs are out. They come back whatever it does; what it throws is thrown then. */
export async function withoutVfs(
  session: Attaching,
  leases: readonly AttachedLease[],
  { work, ...request }: PlugRequest & { readonly work: () => Promise<void> },
): Promise<Away> {
  const actions: Action[] = [];
  const before = [];
  for (const { plug, vf } of leases) {
    const found = await findVf(session, vf);
    const plan = planDetach({ ...found, plug }, request.consent);
    assertSound(plan, "detach VF");
    actions.push(...plan.actions.map((action) => ({ ...action, id: `a${actions.length + 1}` })));
    before.push(...factsBefore(plan.actions, found.inventory));
  }
  const facts = [...new Map(before.map((pf) => [pf.address, pf])).values()];
  let areOut = false;
  const ending = async (run: Run): Promise<Ending> => {
    const forward = forwardOutcome(run);
    areOut = forward === "done";
    if (forward === "stuck") return { outcome: forward, verify: null, notRestored: null };
    if (areOut) return { outcome: "interrupted", verify: null, notRestored: null };
    return { ...(await bringBack(session, run, facts)), verify: null };
  };
  const wish = { ...request, actions, before: facts, ending, comesBack: true };
  const out = await runJournalled(session, wish);
  if (!areOut) return { out, back: null };
  const putBack = async (): Promise<Report | null> =>
    await recover(session, { ...request, choice: "undo", settleTimeoutMs });
  try {
    await work();
  } catch (error) {
    await putBack();
    throw error;
  }
  return { out, back: await putBack() };
}
