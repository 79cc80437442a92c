// Verification is planning again: an apply is good when the plan for the host as it now is has
// nothing left in it. There is no second notion of "as wanted" besides the planner's.

import type { Host } from "../host/host.ts";
import { fullInventory } from "../host/host.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Consent, Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import { plan } from "../plan/plan.ts";
import { holdingsFor, type Surroundings } from "./holdings.ts";
import type { Session } from "./session.ts";

export type Verification = {
  readonly empty: boolean;
  readonly unverifiable: Plan["unverifiable"];
  /** What planning again would still do, and what speaks against it. */
  readonly remaining: Pick<Plan, "actions" | "problems">;
};

/** The inventory that a plan of `spec` needs: overrides and MSI-X counts only of its PFs, what other
 * managers claim and reserve, and what the firmware will give to PFs of which more is wanted than
 * they can have. */
export async function inventoryFor(
  host: Host,
  spec: Spec,
  firmware: "where-short" | "all" = "where-short",
): Promise<Inventory> {
  const search = await host.inventory({ ...fullInventory, census: false });
  const { matched } = matchPfs(spec, search);
  const detailOf = matched.map(({ pf }) => pf.address);
  const others = { claims: true, reservations: "defined" } as const;
  const firmwareOf = matched.flatMap(({ pf, spec: { numVfs = 0 } }) =>
    firmware === "all" || numVfs > (pf.totalVfs ?? numVfs) ? [pf.address] : [],
  );
  return await host.inventory({ ...fullInventory, detailOf, firmwareOf, ...others });
}

export async function verify(
  session: Pick<Session, "host"> & Surroundings,
  spec: Spec,
  consent: Consent,
): Promise<Verification> {
  const inventory = await inventoryFor(session.host, spec);
  const holdings = await holdingsFor(session, spec, { inventory, consent });
  const { actions, problems, unverifiable } = plan({ spec, inventory, consent, ...holdings });
  const empty = actions.length === 0 && problems.length === 0;
  return { empty, unverifiable, remaining: { actions, problems } };
}
