// Attaching and detaching one VF as plans. Attaching brings the VF to what its consumer needs as any spec
// would, and plugs it in last; detaching takes the plug out, and the rest is the hygiene's.

import { formatAssignTarget, needsNetdev } from "../model/assign-target.ts";
import type { Action, PlugChange } from "../model/action.ts";
import { vfTarget } from "../model/bdf.ts";
import { isNetwork, type Inventory, type Pf, type Vf } from "../model/inventory.ts";
import type { Consent, Plan, PlanProblem } from "../model/plan.ts";
import type { Plug } from "../model/plug.ts";
import type { DriverChoice, PolicySpec } from "../model/spec.ts";
import { driverFor } from "./consumer-driver.ts";
import { plugAction } from "./plug-action.ts";
import { consentWord } from "./disruption.ts";
import { macTakenProblems, type Neighbours } from "./mac-twice.ts";
import { oneConsumerSpec } from "./one-vf.ts";
import { plan } from "./plan.ts";

type At = { readonly inventory: Inventory; readonly pf: Pf; readonly vf: Vf };

const words = { "attach-vf": "attach", "detach-vf": "detach" } as const;

/** Somebody else has the VF: nobody agreed to that. */
function problemsOf({ change, disrupts, target }: Omit<Action, "id">, consent: Consent) {
  const others = disrupts.filter((user) => !consent.includes(consentWord(user)));
  return others.map((user) => ({
    code: "would-disrupt",
    where: target,
    message: `Cannot ${words[change.kind as PlugChange["kind"]]} ${target}: ${consentWord(user)} has it: ${user.evidence}`,
    hint: `Have ${consentWord(user)} let go of it first`,
    adapter: null,
  }));
}

/** There is no spec to correct, or one that says too much for this consumer. */
function withHint(problem: PlanProblem): PlanProblem {
  const isOfAttribute = problem.code.startsWith("attribute-");
  const hint = "Leave it out: of the command, or of what the spec says of the VF";
  return isOfAttribute && problem.hint === undefined ? { ...problem, hint } : problem;
}

/** A kernel interface is what such consumers take. */
function classProblems({ consumer, pf: where, vfIndex }: Plug, pf: Pf): PlanProblem[] {
  if (!needsNetdev(consumer.kind) || isNetwork(pf)) return [];
  const [target, to] = [vfTarget(where, vfIndex), formatAssignTarget(consumer)];
  const message = `Cannot attach ${target} to ${to}: it is no network function and has no interface`;
  const hint = "Give it to a VM, or name a VF of a network card";
  return [{ code: "no-interface", where: target, message, hint, adapter: where }];
}

type AttachInput = At & {
  readonly plug: Plug;
  /** As a spec says of the VF; null: none does. */
  readonly driver: DriverChoice | null;
  readonly policy: PolicySpec;
  readonly because: string;
  readonly neighbours: Neighbours;
};

export function planAttach(input: AttachInput): Plan {
  const { inventory, pf, vf, plug, policy, because } = input;
  const driver = driverFor(plug.consumer.kind, pf, input.driver);
  const where = formatAssignTarget(plug.consumer);
  const spec = oneConsumerSpec({ where, pf, vf, driver, policy });
  const planned = plan({ spec, inventory, consent: [] });
  const { pf: address, vfIndex } = plug;
  const change = { kind: "attach-vf", pf: address, vfIndex, plug } as const;
  const action = plugAction(change, { pf, adapterName: address }, because);
  return {
    ...planned,
    warnings: [],
    actions: [...planned.actions, { ...action, id: `a${planned.actions.length + 1}` }],
    problems: [
      ...planned.problems.map(withHint),
      ...classProblems(plug, pf),
      ...macTakenProblems(pf, plug, input.neighbours),
      ...problemsOf(action, []),
    ],
  };
}

export function planDetach(at: At & { readonly plug: Plug }, consent: Consent): Plan {
  const { pf: address, vfIndex } = at.plug;
  const change = { kind: "detach-vf", pf: address, vfIndex, plug: at.plug } as const;
  const action = plugAction(change, { pf: at.pf, adapterName: address }, "asked for");
  return {
    actions: [{ ...action, id: "a1" }],
    problems: problemsOf(action, consent),
    warnings: [],
    unverifiable: [],
    losses: [],
  };
}
