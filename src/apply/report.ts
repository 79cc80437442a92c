// What an apply, a recover or a rollback came to, as data for whoever asked.

import type { Action } from "../model/action.ts";
import type { Problem } from "../model/problem.ts";
import type { FactDifference } from "./facts.ts";
import type { ActionError, ActionResult, ActionState, Outcome } from "./journal.ts";
import type { Run } from "./run.ts";
import type { Verification } from "./verify.ts";

export type ActionReport = {
  readonly action: Action;
  readonly result: ActionResult;
  readonly error: ActionError | null;
};

export type Report = {
  /** null: there was nothing to do, so nothing was journalled. */
  readonly journal: string | null;
  readonly outcome: Outcome;
  /** One for every action of the plan, in plan order. */
  readonly actions: readonly ActionReport[];
  readonly warnings: readonly Problem[];
  /** Planning again; null after an undo, and where there is no spec to plan with. */
  readonly verify: Verification | null;
  /** After an undo: what is not as it was. null when nothing was undone. */
  readonly notRestored: readonly FactDifference[] | null;
  /** Undone then unless it is confirmed; on Clock.bootMs. null: it stays. */
  readonly confirmByMs: number | null;
};

/** An action in doubt cannot be in a report: its process would not have lived to make one. */
const reported = (state: ActionState): ActionResult =>
  state === "doing" || state === "undoing" ? "not-run" : state;

export const actionReports = (run: Run): ActionReport[] =>
  run.setup.actions.map((action) => ({
    action,
    result: reported(run.stateOf(action)),
    error: run.ledger.errors.get(action.id) ?? null,
  }));

/** How a forward run ended, before anything is undone for it. */
export function forwardOutcome(run: Run): "done" | "partial" | "failure" | "stuck" | "interrupt" {
  const { stopReason } = run;
  if (stopReason !== null && !(stopReason === "failure" && run.setup.keepGoing)) return stopReason;
  const isWhole = run.setup.actions.every((action) => run.stateOf(action) === "done");
  return isWhole ? "done" : "partial";
}

export function backwardOutcome(run: Run): "undone" | "undo-failed" | "stuck" {
  if (run.isStuck) return "stuck";
  const hasFailed = run.setup.actions.some((action) => run.stateOf(action) === "undo-failed");
  return hasFailed ? "undo-failed" : "undone";
}
