// A change of a plug as an action: whom it hits, and that the opposite takes it back.

import { vfTarget } from "../model/bdf.ts";
import type { Action, PlugChange } from "../model/action.ts";
import type { Pf } from "../model/inventory.ts";
import { disruptionsOf } from "./disruption.ts";

type OfPf = { readonly pf: Pf; readonly adapterName: string };

/** The change with whom it hits and what takes it back. */
export function plugAction(
  change: PlugChange,
  { pf, adapterName }: OfPf,
  because: string,
): Omit<Action, "id"> {
  const inverse = { ...change, kind: change.kind === "attach-vf" ? "detach-vf" : "attach-vf" };
  return {
    change,
    target: vfTarget(pf.address, change.vfIndex),
    adapter: adapterName,
    because,
    disrupts: disruptionsOf(change, pf),
    inverse: [inverse as PlugChange],
  };
}
