// The planner: (spec, inventory, consent, holdings) -> ordered actions, or every problem at once. Pure: the
// same arguments give the same plan, so a plan can be printed, saved, run later, and made again to
// verify: after a successful apply it is empty.

import type { Action, Change } from "../model/action.ts";
import type { Holdings, WaitingEntry } from "../model/holdings.ts";
import { vfAt, type Inventory, type Pf } from "../model/inventory.ts";
import type { Consent, Plan, PlanProblem } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import type { Problem } from "../model/problem.ts";
import type { VfAttribute } from "../model/vf-attribute.ts";
import type { Spec } from "../model/spec.ts";
import { isOfTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";

import { choiceOf, moduleOf } from "./binding.ts";
import { coOwners } from "./co-owned.ts";
import { consentProblems } from "./disruption.ts";
import { matchPfs, type MatchedPf } from "./match.ts";
import { diffWithHandOver, returnActions } from "./hand-over.ts";
import { macTwice, switchKey } from "./mac-twice.ts";
import type { PfDiff } from "./pf-diff.ts";
import { pfRefusals } from "./pf-refusals.ts";
import { plugAction } from "./plug-action.ts";
import { wantedPfs, type PfWanted } from "./wanted.ts";

type PlanInput = {
  readonly spec: Spec;
  readonly inventory: Inventory;
  readonly consent: Consent;
  /** What consumers have and are to have; absent: nobody asked, and nothing is attached. */
  readonly holdings?: Holdings;
};

const noDiff: PfDiff = { actions: [], problems: [], unverifiable: [], losses: [] };

const nobodyHolds = { handOvers: [], assignments: [] };

function planPf(wanted: PfWanted, { inventory, consent, holdings }: PlanInput): PfDiff {
  const refusals = pfRefusals(wanted, inventory.bridges);
  if (refusals.length > 0) return { ...noDiff, problems: refusals };
  const diff = diffWithHandOver(wanted, holdings ?? nobodyHolds);
  if (diff.problems.length > 0) return { ...noDiff, problems: diff.problems };
  const moved = moveActions(diff, wanted, holdings);
  const back = returnActions(diff.actions, wanted);
  const given = new Set(back.map(({ target }) => target));
  const assigned = attachActions(diff, wanted, holdings);
  const own = assigned.filter(({ target }) => !given.has(target));
  const actions = [...moved, ...back, ...own];
  return { ...diff, actions, problems: consentProblems(actions, wanted, consent) };
}

/** What a VF was for its consumer: once its lease has ended it is cleaned. */
function givenBack({ mac, vlan, vfIndex }: Plug, pf: Pf): Change[] {
  const vf = vfAt(pf, vfIndex);
  const at = { pf: pf.address, vfIndex };
  const attributes: VfAttribute[] = [
    ...(mac === null ? [] : [{ name: "mac", mac } as const]),
    ...(vlan === null ? [] : [{ name: "vlan", vlan } as const]),
  ];
  return [
    ...attributes.map((attribute) => ({ kind: "set-vf", ...at, attribute }) as const),
    ...(vf === null ? [] : [{ kind: "bind-driver", ...at, driver: choiceOf(vf) } as const]),
  ];
}

/** A consumer that is to have another VF gives up the one that it has first, with its MAC; only then
 * is the other one told of it. It is told whom that hits: the consumer itself. */
function moveActions(
  { actions }: PfDiff,
  wanted: PfWanted,
  holdings: Holdings | undefined,
): readonly Omit<Action, "id">[] {
  const { pf } = wanted;
  const leaving = new Set<string>();
  const out = (holdings?.assignments ?? []).flatMap(({ plug, from }): Omit<Action, "id">[] => {
    const isPossible = plug.pf === pf.address && plug.vfIndex < wanted.numVfs;
    if (from === null || from.pf !== pf.address || !isPossible) return [];
    const { vfIndex, consumer } = from;
    leaving.add(vfTarget(pf.address, vfIndex));
    const change = { kind: "detach-vf", pf: pf.address, vfIndex, plug: from } as const;
    const because =
      vfIndex === plug.vfIndex
        ? "it gets it again with another MAC or VLAN"
        : `it moves to VF ${plug.vfIndex}`;
    const action = plugAction(change, wanted, because);
    const users = vfAt(pf, vfIndex)?.owners.filter((user) => isOfTarget(consumer, user)) ?? [];
    const hits = users.map(({ kind, name, evidence }) => {
      return { kind, name, target: action.target, evidence };
    });
    const inverse = [...givenBack(from, pf), ...action.inverse];
    return [{ ...action, inverse, disrupts: [...action.disrupts, ...hits] }];
  });
  const isRecreated = actions.some(({ change }) => change.kind === "create-vfs");
  if (out.length === 0 || isRecreated) return [...out, ...actions];
  const isFirst = ({ target, change }: Omit<Action, "id">): boolean =>
    change.kind === "set-vf" && leaving.has(target);
  const rest = actions.filter((action) => !isFirst(action));
  return [...out, ...actions.filter(isFirst), ...rest];
}

/** After policy and driver; a VF that is made anew has lost its consumer, and gets it back. */
function attachActions(
  { actions }: PfDiff,
  wanted: PfWanted,
  holdings: Holdings | undefined,
): Omit<Action, "id">[] {
  const { pf, vfs, numVfs } = wanted;
  const isRecreated = actions.some(({ change }) => change.kind === "create-vfs");
  return (holdings?.assignments ?? []).flatMap(({ plug, to, isPlugged }): Omit<Action, "id">[] => {
    const { vfIndex } = plug;
    const isHere = plug.pf === pf.address && vfIndex < numVfs && vfs.get(vfIndex)?.consumer === to;
    if (!isHere || (isPlugged && !isRecreated)) return [];
    const change = { kind: "attach-vf", pf: pf.address, vfIndex, plug } as const;
    return [plugAction(change, wanted, `assigned to ${to}`)];
  });
}

/** Modules of the drivers that VFs will be bound to and that no module provides yet. */
function moduleActions(diffs: readonly PfDiff[], inventory: Inventory): Omit<Action, "id">[] {
  const loaded = new Set(inventory.loadedDrivers);
  const wanted = new Set<string>();
  for (const { change } of diffs.flatMap(({ actions }) => actions)) {
    const module = change.kind === "bind-driver" ? moduleOf(change.driver) : null;
    if (module !== null && !loaded.has(module)) wanted.add(module);
  }
  return [...wanted].toSorted().map((module) => {
    const change: Change = { kind: "load-module", module };
    const because = `VFs go to driver ${module}, which is not loaded and does not load itself`;
    // Unloading it again could take it from somebody who began to use it meanwhile.
    return { change, target: "host", adapter: null, because, disrupts: [], inverse: [] };
  });
}

function macProblems(wanted: readonly PfWanted[]): PlanProblem[] {
  const problems: PlanProblem[] = [];
  const seen = new Map<string, string>();
  for (const { pf, spec, vfs, adapterName } of wanted) {
    for (const { policy, vfIndex, where } of vfs.values()) {
      const key = switchKey(pf, policy);
      if (key === null) continue;
      const label = `${spec.name}/${vfIndex}`;
      const other = seen.get(key);
      if (other === undefined) seen.set(key, label);
      else problems.push(macTwice({ mac: policy.mac, label, where, adapter: adapterName }, other));
    }
  }
  return problems;
}

const messageOf = ({ message, hint }: WaitingEntry) => ({ message, hint });

function assignWarnings(spec: Spec, holdings: Holdings | undefined): Problem[] {
  const notes = new Map(holdings?.assignments.map((one) => [one.to, one.notes]));
  const waiting = new Map(holdings?.waiting.map((entry) => [entry.to, entry]));
  if (holdings !== undefined) {
    return spec.assign.flatMap(({ to, where }): Problem[] => {
      const entry = waiting.get(to);
      const told = (notes.get(to) ?? []).map((note) => {
        return { code: "assign-costs", where, message: `${to}: ${note}` };
      });
      if (entry === undefined) return told;
      return [{ code: "assign-waiting", where, ...messageOf(entry) }];
    });
  }
  return spec.assign.map(({ to, source, where }) => ({
    code: "assign-not-attached",
    where,
    message:
      source.kind === "vf"
        ? `${to} gets its VF's policy only: consumers are not asked here`
        : `${to} gets nothing: consumers are not asked here`,
    hint: "Attach it with sriovctl attach",
  }));
}

/** Address order of PFs, so that plans of equal hosts read equally. */
const inOrder = (matched: readonly MatchedPf[], inventory: Inventory): MatchedPf[] => {
  const rank = new Map(inventory.physicalFunctions.map(({ address }, index) => [address, index]));
  return matched.toSorted(
    (left, right) => (rank.get(left.pf.address) ?? 0) - (rank.get(right.pf.address) ?? 0),
  );
};

export function plan(input: PlanInput): Plan {
  const { spec, inventory, holdings } = input;
  const matching = matchPfs(spec, inventory);
  const { wanted, problems } = wantedPfs(spec, inOrder(matching.matched, inventory), holdings);
  const diffs = wanted.map((pf) => planPf(pf, input));
  const others = coOwners(wanted, inventory);
  const actions = [...moduleActions(diffs, inventory), ...diffs.flatMap((diff) => diff.actions)];
  return {
    actions: actions.map((action, index): Action => ({ ...action, id: `a${index + 1}` })),
    problems: [
      ...matching.problems,
      ...problems,
      ...macProblems(wanted),
      ...others.problems,
      ...diffs.flatMap((diff) => diff.problems),
    ],
    warnings: [...matching.warnings, ...assignWarnings(spec, holdings), ...others.warnings],
    unverifiable: diffs.flatMap(({ unverifiable }) => unverifiable),
    losses: diffs.flatMap(({ losses }) => losses),
  };
}
