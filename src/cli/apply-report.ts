// What an apply, a recover or a rollback came to, for programs and for people, and as exit code.

import type { FactDifference } from "../apply/facts.ts";
import type { Outcome } from "../apply/journal.ts";
import type { Report } from "../apply/report.ts";
import type { Action } from "../model/action.ts";
import type { PlanProblem } from "../model/plan.ts";
import { changeWords } from "../plan/plan-text.ts";
import type { trialJson } from "./confirming.ts";
import type { Context } from "./context.ts";
import { problemJson } from "./inventory-json.ts";
import { plural } from "./list-text.ts";
import { problemSentence } from "./logger.ts";
import { planJson } from "./plan-json.ts";
import { exitCodeOfPendingReboot, waitsForBoot } from "./planning.ts";

const applyFormat = "sriovctl-apply/1";

const differenceJson = ({ target, field, before, now }: FactDifference) => ({
  target,
  field,
  before,
  now,
});

export const reportJson = (report: Report, confirm: ReturnType<typeof trialJson> = null) => {
  const { journal, outcome, actions, verify, ...rest } = report;
  return {
    format: applyFormat,
    outcome: isOnlyBootMissing(report) ? "pending-reboot" : outcome,
    journal,
    actions: actions.map(({ action, result, error }) => ({
      kind: action.change.kind,
      target: action.target,
      result,
      ...(error === null ? {} : { error }),
    })),
    verify:
      verify === null
        ? null
        : {
            empty: verify.empty,
            unverifiable: verify.unverifiable,
            remaining: planJson({
              ...verify.remaining,
              warnings: [],
              unverifiable: [],
              losses: [],
            }).actions,
          },
    warnings: rest.warnings.map(problemJson),
    notRestored: rest.notRestored?.map(differenceJson) ?? null,
    confirm,
  };
};

/** An apply that was refused before it began: the same shape, nothing run. */
export const refusedJson = (actions: readonly Action[], problems: readonly PlanProblem[]) => ({
  format: applyFormat,
  outcome: isPendingReboot(problems) ? "pending-reboot" : "refused",
  journal: null,
  actions: actions.map(({ change, target }) => ({
    kind: change.kind,
    target,
    result: "not-run",
  })),
  verify: null,
  problems: problems.map(problemJson),
});

const isPendingReboot = (problems: readonly PlanProblem[]): boolean =>
  problems.length > 0 && problems.every(waitsForBoot);

/** Everything else was done: what is left is what a boot brings. */
function isOnlyBootMissing({ outcome, actions, verify }: Report): boolean {
  if (outcome !== "partial" || verify === null) return false;
  const { remaining } = verify;
  const isDone = actions.every(({ result }) => result === "done");
  return isDone && remaining.actions.length === 0 && isPendingReboot(remaining.problems);
}

const outcomeWords: Record<Outcome, string> = {
  "done": "Done and verified: planning again finds nothing to do",
  "unverified": "Done, but planning again still finds something to do",
  "partial": "Partly done: what failed is above, everything else was done",
  "undone": "Nothing was changed for good: the host is as it was before",
  "undo-failed": "Failed, and not everything could be undone: see above",
  "stuck": "Stuck: the kernel still works on a write; sriovctl recover goes on when it has ended",
  "interrupted": "Interrupted: run sriovctl recover to finish or undo it",
  "rebooted": "Overtaken by a reboot: the VFs went with it",
};

/** `wanted` is the outcome that the command is for: `done`, and `undone` for a rollback. */
export function exitCodeOfReport(report: Report, wanted: readonly Outcome[]): number {
  if (isOnlyBootMissing(report)) return exitCodeOfPendingReboot;
  return wanted.includes(report.outcome) ? 0 : 1;
}

/** Most messages of the kernel's answers name their target, and then say the whole. */
const failureSentence = ({ target, change }: Action, message: string): string =>
  message.includes(target) ? message : `${target}: ${changeWords(change)}: ${message}`;

export function printReport(context: Context, report: Report, wanted: readonly Outcome[]): void {
  const { style, log } = context;
  for (const warning of report.warnings) log.warn(problemSentence(warning), warning.hint);
  for (const { action, error } of report.actions) {
    if (error === null) continue;
    log.error(failureSentence(action, error.message), error.hint);
  }
  for (const { target, field, before, now } of report.notRestored ?? []) {
    log.warn(`${target}: ${field} is ${now}: it was ${before} before`);
  }
  const { verify } = report;
  for (const { target, because, change } of verify?.remaining.actions ?? []) {
    log.warn(`${target}: ${changeWords(change)} is left to do (${because})`);
  }
  for (const problem of verify?.remaining.problems ?? []) {
    log.warn(problemSentence(problem), problem.hint);
  }
  const unseen = verify?.unverifiable.length ?? 0;
  const isWanted = wanted.includes(report.outcome);
  const words =
    isWanted && report.outcome === "undone" ? undoneWords : outcomeWords[report.outcome];
  if (isOnlyBootMissing(report)) context.print(style("warn", pendingWords));
  else context.print(style(isWanted ? "good" : "bad", words));
  if (unseen > 0) context.print(`${plural(unseen, "attribute")} cannot be verified: not reported`);
}

const pendingWords = "Done as far as it goes now: the rest waits for a reboot of the host";
const undoneWords = "Undone: the host is as it was before";
