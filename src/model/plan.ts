// A plan as a value: what would be done, why, whom it hits, and everything that speaks against
// it. plan/ computes it, cli/ prints and saves it, apply/ runs it. Empty actions and no problems
// is what "verified" means.

import type { Action } from "./action.ts";
import type { Problem } from "./problem.ts";

/** Users whose disruption is agreed to, each `kind:name`, and protected roles as `protect:word`. */
export type Consent = readonly string[];

/** Word of a consent that VFs are taken out of their consumers for a resize, and given back after it. */
export const handOverWord = "hand-over";

export type PlanProblem = Problem & {
  /** Adapter that stays untouched because of it; null is a problem of the whole spec. */
  readonly adapter: string | null;
};

/** Code of the problem that a boot ends: the card's firmware takes a setting at its next start. */
export const pendingReboot = "pending-reboot";

export type Plan = {
  /** In the order in which they run; actions of different PFs may overlap. */
  readonly actions: readonly Action[];
  /** Each stops its adapter, or everything where `adapter` is null. */
  readonly problems: readonly PlanProblem[];
  /** Do not stop anything: a wrong address hint, a waived rule. */
  readonly warnings: readonly Problem[];
  /** Wanted attributes that the driver takes but never reports. */
  readonly unverifiable: readonly { readonly target: string; readonly attribute: string }[];
  /** Attributes that go with the VFs although the spec leaves them alone, and what undo cannot
   * bring back, as sentences. */
  readonly losses: readonly { readonly target: string; readonly sentence: string }[];
};

/** What is left to do when adapters with a problem stay untouched. */
export function actionsWithoutProblems({ actions, problems }: Plan): readonly Action[] {
  if (problems.some(({ adapter }) => adapter === null)) return [];
  const untouched = new Set(problems.map(({ adapter }) => adapter));
  const left = actions.filter(({ adapter }) => !untouched.has(adapter));
  // What the host itself needs (a module) is only for the sake of the PFs.
  return left.some(({ adapter }) => adapter !== null) ? left : [];
}
