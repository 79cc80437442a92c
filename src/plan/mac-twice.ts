// Two VFs of one adapter with one MAC in one VLAN: the embedded switch would pick one of them. Said of
// the VFs of a spec, and of one VF beside all that its adapter has now, its leases and its spec say.

import { vfTarget, type Address } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import { zeroMac } from "../model/mac.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import type { PolicySpec } from "../model/spec.ts";
import type { Vlan } from "../model/vf-attribute.ts";

/** Of a policy as it is or as it is wanted, and of a plug. */
type Identity = { readonly mac?: string | null; readonly vlan?: Vlan | string | null };

const notAMac: ReadonlySet<unknown> = new Set([undefined, null, "auto", "default", zeroMac]);

/** Equal for two that the adapter's switch could not tell apart; null: its MAC is not said. */
export function switchKey({ adapter }: Pf, { mac, vlan }: Identity): string | null {
  if (notAMac.has(mac)) return null;
  return `${adapter} ${mac} ${typeof vlan === "object" ? (vlan?.id ?? 0) : 0}`;
}

type Refused = Pick<PlanProblem, "where" | "adapter"> & {
  readonly mac: string | null | undefined;
  readonly label: string;
};

export function macTwice({ mac, label, where, adapter }: Refused, other: string): PlanProblem {
  const message = `Cannot give ${mac} to ${label}: ${other} has it in the same VLAN`;
  const hint = "Give each VF of an adapter a MAC of its own";
  return { code: "mac-twice", where, message, hint, adapter };
}

export type Neighbours = {
  /** Of every PF, as another one may be of the same adapter. */
  readonly inventory: Inventory;
  /** What the spec says of a VF. */
  readonly policyOf: (address: Address) => PolicySpec;
  /** What consumers have by their leases: some of it only when they start. */
  readonly plugs: readonly Plug[];
};

/** Another VF of the adapter that has, or is to have, the plug's MAC in its VLAN. */
export function macTakenProblems(pf: Pf, plug: Plug, neighbours: Neighbours): PlanProblem[] {
  const key = switchKey(pf, plug);
  if (key === null) return [];
  const { inventory, policyOf, plugs } = neighbours;
  const plugsByVf = Map.groupBy(plugs, ({ vf }) => vf);
  const label = vfTarget(plug.pf, plug.vfIndex);
  for (const one of inventory.physicalFunctions.filter(({ adapter }) => adapter === pf.adapter)) {
    const other = one.virtualFunctions.find(({ address, policy }) => {
      const identities = [policy ?? {}, policyOf(address), ...(plugsByVf.get(address) ?? [])];
      const isSame = identities.some((identity) => switchKey(one, identity) === key);
      return isSame && address !== plug.vf;
    });
    if (other === undefined) continue;
    const refused = { mac: plug.mac, label, where: label, adapter: plug.pf };
    return [macTwice(refused, vfTarget(one.address, other.vfIndex))];
  }
  return [];
}
