// Running the changes of one plug in a journal of their own, and what attaching and detaching both need to
// know before and after.

import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Inventory, type Pf, type Vf } from "../model/inventory.ts";
import type { Consent, Plan } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import { isInHand, type VfPlace } from "../lease/lease.ts";
import type { Neighbours } from "../plan/mac-twice.ts";
import type { Plugged } from "../vmm/consumer.ts";
import { factsBefore, runJournalled, undoAll, type Ending, type RunOptions } from "./apply.ts";
import type { PfFacts } from "./facts.ts";
import type { HostLook, Leasing } from "./leasing.ts";
import { adapterFor } from "./plugging.ts";
import { forwardOutcome } from "./report.ts";
import { noConsumers } from "./request.ts";
import type { Run } from "./run.ts";
import { pruneJournals, readOwnJournals, type Session } from "./session.ts";

/** With a session whose leases and consumers are there. */
export type Attaching = Session & { readonly leasing: () => Promise<Leasing> };

export const consumersOf = ({ consumers = noConsumers }: Session) => consumers;

type Found = { readonly inventory: Inventory; readonly pf: Pf; readonly vf: Vf };

/** With what a plan for the VF needs to know. Throws `not-found`. */
export async function findVf(
  { host }: Session,
  { pf: address, vfIndex }: Pick<VfPlace, "pf" | "vfIndex">,
): Promise<Found> {
  const only = [address];
  const options = { census: true, netdevAttributes: true, detailOf: only, only };
  const inventory = await host.inventory(options);
  const pf = inventory.physicalFunctions.find((each) => each.address === address);
  const vf = pf === undefined ? null : vfAt(pf, vfIndex);
  if (pf !== undefined && vf !== null) return { inventory, pf, vf };
  const target = vfTarget(address, vfIndex);
  const message = `Cannot find ${target}: there is no such VF`;
  throw new SriovError("not-found", message, { operation: "find VF", target });
}

/** Whom a VF that is attached must not be taken for. */
export const neighboursOf = ({ store }: Leasing, look: HostLook): Neighbours => ({
  inventory: look.inventory,
  policyOf: (address) => look.baselineOf(address).policy,
  plugs: store.leases().flatMap((lease) => (isInHand(lease) ? (lease.plug ?? []) : [])),
});

export type PlugRequest = RunOptions & { readonly consent: Consent; readonly command: string };

/** All of it or nothing: a plug is no plug without its VF's policy. */
const wholeEnding =
  (session: Session, before: readonly PfFacts[]) =>
  async (run: Run): Promise<Ending> => {
    const forward = forwardOutcome(run);
    if (forward === "done" || forward === "stuck") {
      return { outcome: forward, verify: null, notRestored: null };
    }
    return { ...(await undoAll(session, run, before)), verify: null };
  };

export function assertSound({ problems }: Plan, operation: string): void {
  const [problem] = problems;
  if (problem === undefined) return;
  const { code, message, where: target, hint } = problem;
  const detail = { operation, target, problems, ...(hint === undefined ? {} : { hint }) };
  throw new SriovError(
    code === "would-disrupt" ? "would-disrupt" : "spec-problems",
    message,
    detail,
  );
}

export async function lookAgain(session: Session, plug: Plug): Promise<Plugged | null> {
  try {
    return await (await adapterFor(plug, consumersOf(session))).look(plug);
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return null;
  }
}

export async function runPlug(
  session: Attaching,
  plan: Plan,
  request: PlugRequest,
  inventory: Inventory,
) {
  const { actions } = plan;
  const before = factsBefore(actions, inventory);
  const ending = wholeEnding(session, before);
  const journals = await readOwnJournals(session);
  const report = await runJournalled(session, { ...request, actions, before, ending });
  pruneJournals(session, journals);
  return report;
}
