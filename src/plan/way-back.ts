// What a plan says about its own way back: which of its PFs an administrator hangs on, so that a
// mistake could lock them out, and what undoing it could not restore. Both are said before the
// first action.

import type { Action } from "../model/action.ts";
import type { Address } from "../model/bdf.ts";
import type { Inventory, Owner, Pf } from "../model/inventory.ts";
import type { Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { consentWord } from "./disruption.ts";
import { matchPfs } from "./match.ts";
import { changeWords } from "./plan-text.ts";

/** A PF that somebody could be locked out by, and why: `carries the default route`. */
type Lifeline = { readonly pf: Address; readonly because: string };

const ownersOf = (pf: Pf): Owner[] => [
  ...pf.owners,
  ...pf.virtualFunctions.flatMap(({ owners }) => owners),
];

const wordsOf = ({ kind, name }: Owner): string | null =>
  kind === "session"
    ? "carries this session"
    : kind === "route" && name === "default"
      ? "carries the default route"
      : null;

/** Of the PFs that the actions touch, in address order; each reason once. */
export function lifelinesOf(
  actions: readonly Action[],
  { spec, inventory }: { readonly spec: Spec; readonly inventory: Inventory },
): Lifeline[] {
  const touched = new Set(actions.flatMap(({ change }) => ("pf" in change ? [change.pf] : [])));
  const roles = new Map(
    matchPfs(spec, inventory).matched.map((match) => [match.pf.address, match.spec.protect]),
  );
  return inventory.physicalFunctions
    .filter(({ address }) => touched.has(address))
    .flatMap((pf) => {
      const found = [
        ...ownersOf(pf).flatMap((owner) => wordsOf(owner) ?? []),
        ...(roles.get(pf.address) ?? []).map((role) => `is protected as ${role}`),
      ];
      return [...new Set(found)].map((because) => ({ pf: pf.address, because }));
    });
}

/** Users of a function that lose what they hold: it does not come back to them by itself. */
const holders: ReadonlySet<Owner["kind"]> = new Set([
  "vm",
  "process",
  "netns",
  "container",
  "mount",
  "volume",
]);

/** Changes of VFs that the plan does not make itself, and whose former value nobody knows. */
function unknownBefore(actions: readonly Action[]): Action[] {
  const made = new Set(
    actions.flatMap(({ change }) => (change.kind === "create-vfs" ? [change.pf] : [])),
  );
  return actions.filter(
    ({ change, inverse }) => "pf" in change && inverse.length === 0 && !made.has(change.pf),
  );
}

/** What undoing the plan could not bring back, as sentences. */
export function lostOnTheWayBack({ actions, losses }: Pick<Plan, "actions" | "losses">): string[] {
  const removed = actions.filter(({ change }) => change.kind === "remove-vfs");
  const sentences = [
    ...losses.map(({ sentence }) => sentence),
    ...actions.flatMap(({ disrupts }) =>
      disrupts
        .filter(({ kind }) => holders.has(kind))
        .map((user) => `${consentWord(user)} must be given ${user.target} again by hand`),
    ),
    ...removed.map(
      ({ target }) => `VFs of ${target} that are made anew may get other names and IOMMU groups`,
    ),
    ...unknownBefore(actions).map(
      ({ target, change }) => `${target}: ${changeWords(change)}: what it was is not known`,
    ),
    ...actions.flatMap(({ change }) =>
      change.kind === "load-module" ? [`Module ${change.module} stays loaded`] : [],
    ),
  ];
  return [...new Set(sentences)];
}
