// One VF out of its consumer: the plug first, and then the VF is cleaned and its lease given back.

import type { Consent, Plan } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import type { AttachedLease, Lease } from "../lease/lease.ts";
import { planDetach } from "../plan/attach.ts";
import type { Plugged } from "../vmm/consumer.ts";
import {
  assertSound,
  findVf,
  lookAgain,
  runPlug,
  type Attaching,
  type PlugRequest,
} from "./plug-run.ts";
import type { Report } from "./report.ts";

export type DetachPreview = {
  readonly lease: Lease;
  readonly plug: Plug;
  /** null: the consumer cannot be asked. */
  readonly plugged: Plugged | null;
  readonly plan: Plan;
};

/** What `detach` would do with a lease that is attached. */
export async function previewDetach(
  session: Attaching,
  lease: AttachedLease,
  consent: Consent,
): Promise<DetachPreview> {
  const { plug } = lease;
  const found = await findVf(session, lease.vf);
  const plan = planDetach({ ...found, plug }, consent);
  return { lease, plug, plugged: await lookAgain(session, plug), plan };
}

/** Takes the VF out and cleans it. Throws where nothing was begun. */
export async function detach(
  session: Attaching,
  { lease, plan }: DetachPreview,
  request: PlugRequest,
): Promise<Report> {
  assertSound(plan, "detach VF");
  const { inventory } = await findVf(session, lease.vf);
  return await runPlug(session, plan, request, inventory);
}
