// A resize of a PF whose VFs are in use: each consumer is asked for its VF first, and has the one of the same
// index, MAC and VLAN again afterwards. Only what was attached with a lease can be handed over; everybody
// else is disrupted as ever. Detaching comes right before the VFs go, so that nobody is without for longer.

import { formatAssignTarget, isOfTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Action } from "../model/action.ts";
import type { HandOver, Holdings } from "../model/holdings.ts";
import type { Pf } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import { diffPf, type PfDiff } from "./pf-diff.ts";
import { plugAction } from "./plug-action.ts";
import type { PfWanted } from "./wanted.ts";

/** The PF once these consumers have let go. */
function withoutConsumers(pf: Pf, handOvers: readonly HandOver[]): Pf {
  const virtualFunctions = pf.virtualFunctions.map((vf) => {
    const own = handOvers.filter(({ plug }) => plug.vfIndex === vf.vfIndex);
    const owners = vf.owners.filter(
      (owner) => !own.some(({ plug }) => isOfTarget(plug.consumer, owner)),
    );
    return { ...vf, owners };
  });
  return { ...pf, virtualFunctions };
}

function problemsOf({ plug, refusals }: HandOver, wanted: PfWanted): PlanProblem[] {
  const { pf, spec, numVfs, adapterName: adapter } = wanted;
  const { vfIndex } = plug;
  const where = vfTarget(pf.address, vfIndex);
  const code = "hand-over-refused";
  const to = formatAssignTarget(plug.consumer);
  const start = `Cannot hand over VF ${vfIndex} of ${spec.name}, which ${to} has`;
  if (vfIndex >= numVfs) {
    const message = `${start}: ${spec.name} is to have ${numVfs} VFs, so it would not come back`;
    const hint = `sriovctl detach ${to} first, or keep ${vfIndex + 1} VFs`;
    return [{ code, where, message, hint, adapter }];
  }
  return refusals.map(({ message, hint }) => ({
    code,
    where,
    message: `${start}: ${message}`,
    hint: hint ?? `Shut it down first, or: sriovctl detach ${to}`,
    adapter,
  }));
}

const standInWords = ({ plug }: HandOver): string =>
  plug.failover === null
    ? "nothing stands in: it has no link meanwhile"
    : `${plug.failover} stands in meanwhile`;

const isRemoval = ({ change }: Omit<Action, "id">): boolean => change.kind === "remove-vfs";

/** The actions that bring the PF where it is wanted; where VFs go and come, with those that take them from
 * their consumers before. What gives them back comes after everything else: `attachesAfter`. */
export function diffWithHandOver(
  wanted: PfWanted,
  { handOvers, assignments }: Pick<Holdings, "handOvers" | "assignments">,
): PfDiff {
  const diff = diffPf(wanted);
  const { pf } = wanted;
  // Who moves to another VF, or to other terms, is detached for that.
  const isMoved = ({ plug }: HandOver): boolean =>
    assignments.some(({ from }) => from?.pf === plug.pf && from.vfIndex === plug.vfIndex);
  const all = handOvers.filter(({ plug }) => plug.pf === pf.address);
  const own = all.filter((handOver) => !isMoved(handOver));
  if (all.length === 0 || !diff.actions.some(isRemoval)) return diff;
  const problems = own.flatMap((handOver) => problemsOf(handOver, wanted));
  if (problems.length > 0) return { ...diff, problems: [...diff.problems, ...problems] };
  const handed = diffPf({ ...wanted, pf: withoutConsumers(pf, all) });
  const at = handed.actions.findIndex(isRemoval);
  const out = own.map((handOver) => {
    const { plug } = handOver;
    const change = { kind: "detach-vf", pf: pf.address, vfIndex: plug.vfIndex, plug } as const;
    return plugAction(change, wanted, `handed over; ${standInWords(handOver)}`);
  });
  return {
    ...handed,
    actions: [...handed.actions.slice(0, at), ...out, ...handed.actions.slice(at)],
  };
}

/** Gives back what was taken out. */
export function returnActions(
  actions: readonly Omit<Action, "id">[],
  wanted: PfWanted,
): Omit<Action, "id">[] {
  return actions.flatMap(({ change }) => {
    if (change.kind !== "detach-vf") return [];
    return [plugAction({ ...change, kind: "attach-vf" }, wanted, "handed over, and back again")];
  });
}
