// The public JSON of `plan`, written by hand from the model.

import type { Action } from "../model/action.ts";
import type { Plan } from "../model/plan.ts";
import type { Problem } from "../model/problem.ts";
import { problemJson } from "./inventory-json.ts";
import { isEmptyPlan } from "./planning.ts";

export const planFormat = "sriovctl-plan-result/1";

const actionJson = ({ id, change, target, because, disrupts }: Action) => {
  const { kind, ...detail } = change;
  return { id, kind, target, because, detail, disrupts: disrupts.map((hit) => ({ ...hit })) };
};

export const planJson = (plan: Plan) => ({
  format: planFormat,
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
