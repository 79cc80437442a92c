// From a host and a spec to a plan: the one way in which every command reads the inventory that a
// plan is made from, so that a saved plan, an apply and its verification compare the same facts.

import { holdingsFor, type Surroundings } from "../apply/holdings.ts";
import { inventoryFor } from "../apply/verify.ts";
import type { Host } from "../host/host.ts";
import type { Inventory } from "../model/inventory.ts";
import { pendingReboot, type Consent, type Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { plan } from "../plan/plan.ts";

export type Planned = { readonly plan: Plan; readonly inventory: Inventory };

/** Where `around` is nobody, attached VFs are not told from others. */
export async function planOn(
  host: Host,
  spec: Spec,
  { consent = [], around = {} }: { readonly consent?: Consent; readonly around?: Surroundings },
): Promise<Planned> {
  const inventory = await inventoryFor(host, spec);
  const holdings = await holdingsFor(around, spec, { inventory, consent });
  return { plan: plan({ spec, inventory, consent, ...holdings }), inventory };
}

/** Problems that stand in the way of nothing but harm: consent would lift them. */
export const isRefusal = ({ code }: { readonly code: string }): boolean => code === "would-disrupt";

/** An entry of `assign` whose consumer cannot have its VF now. */
export const isWaiting = ({ code }: { readonly code: string }): boolean =>
  code === "assign-waiting";

/** Nothing is wrong with the spec: somebody else is in the way. */
const isForOthers = ({ code }: { readonly code: string }): boolean =>
  code === "would-disrupt" || code === "co-owned";

type PlanOutcome = "empty" | "ready" | "refused" | "pending-reboot" | "problems";

/** What stands in the way weighs more than a boot, and what no boot ends more than that. */
export function outcomeOfPlan({ actions, problems }: Plan): PlanOutcome {
  if (problems.length === 0) return actions.length === 0 ? "empty" : "ready";
  if (problems.every(waitsForBoot)) return "pending-reboot";
  return problems.every((each) => isForOthers(each) || waitsForBoot(each)) ? "refused" : "problems";
}

/** A setting of the card's firmware is stored, and true from its next start on. */
export const waitsForBoot = ({ code }: { readonly code: string }): boolean =>
  code === pendingReboot;

export const exitCodeOfPendingReboot = 5;

const exitCodes: Readonly<Record<PlanOutcome, number>> = {
  "empty": 0,
  "ready": 0,
  "problems": 2,
  "refused": 3,
  "pending-reboot": exitCodeOfPendingReboot,
};

/** 2 the spec does not fit the host, 3 somebody would be harmed or is in the way, 5 only a reboot is
 * missing. */
export const exitCodeOfPlan = (plan: Plan): number => exitCodes[outcomeOfPlan(plan)];

export const isEmptyPlan = ({ actions, problems }: Plan): boolean =>
  actions.length === 0 && problems.length === 0;
