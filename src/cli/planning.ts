// From a host and a spec to a plan: the one way in which every command reads the inventory that a
// plan is made from, so that a saved plan, an apply and its verification compare the same facts.

import { inventoryFor } from "../apply/verify.ts";
import type { Host } from "../host/host.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Consent, Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { plan } from "../plan/plan.ts";

export type Planned = { readonly plan: Plan; readonly inventory: Inventory };

export async function planOn(host: Host, spec: Spec, consent: Consent): Promise<Planned> {
  const inventory = await inventoryFor(host, spec);
  return { plan: plan({ spec, inventory, consent }), inventory };
}

/** Problems that stand in the way of nothing but harm: consent would lift them. */
export const isRefusal = ({ code }: { readonly code: string }): boolean => code === "would-disrupt";

/** Nothing is wrong with the spec: somebody else is in the way. */
const isForOthers = ({ code }: { readonly code: string }): boolean =>
  code === "would-disrupt" || code === "co-owned";

/** 0 nothing in the way, 2 the spec does not fit the host, 3 somebody would be harmed or is in the
 * way. */
export function exitCodeOfPlan({ problems }: Plan): number {
  if (problems.length === 0) return 0;
  return problems.every(isForOthers) ? 3 : 2;
}

export const isEmptyPlan = ({ actions, problems }: Plan): boolean =>
  actions.length === 0 && problems.length === 0;
