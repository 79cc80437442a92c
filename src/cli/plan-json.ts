// The public JSON of `plan`, written by hand from the model.

import type { Action } from "../model/action.ts";
import type { Plan } from "../model/plan.ts";
import type { Problem } from "../model/problem.ts";
import { problemJson } from "./inventory-json.ts";
import { isEmptyPlan, outcomeOfPlan } from "./planning.ts";

const planFormat = "sriovctl-plan-result/1";

/**
 * `target` is a BDF, `BDF/vfN` or `host`; `detail` are the change's own values; `disrupts` are the
 * users that it hits; `removes` has the `BDF/vfN` of every VF that it takes away.
 */
const actionJson = ({ id, change, target, because, disrupts, removes = [] }: Action) => {
  const { kind, ...own } = change;
  // A complete PF is no VF.
  const isWholePf = change.kind === "attach-pf" || change.kind === "detach-pf";
  const detail = isWholePf ? { ...own, plug: { ...change.plug, vfIndex: null, vf: null } } : own;
  const users = disrupts.map((hit) => ({ ...hit }));
  return { id, kind, target, because, detail, disrupts: users, removes: [...removes] };
};

export const planJson = (plan: Plan) => ({
  format: planFormat,
  outcome: outcomeOfPlan(plan),
  empty: isEmptyPlan(plan),
  actions: plan.actions.map(actionJson),
  problems: plan.problems.map((problem) => ({
    ...problemJson(problem),
    adapter: problem.adapter,
  })),
  warnings: plan.warnings.map(problemJson),
  unverifiable: plan.unverifiable.map(({ target, attribute }) => ({ target, attribute })),
  losses: plan.losses.map(({ target, sentence }) => ({ target, sentence })),
});

/** What `plan --json` says of a spec that does not parse. */
export const planJsonOfProblems = (problems: readonly Problem[]) =>
  planJson({
    actions: [],
    problems: problems.map((problem) => ({ ...problem, adapter: null })),
    warnings: [],
    unverifiable: [],
    losses: [],
  });
