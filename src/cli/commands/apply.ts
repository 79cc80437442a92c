// `sriovctl apply`: plan, show, ask, do, verify. A saved plan takes the place of planning, if the
// host is still as the plan saw it.

import { apply } from "../../apply/apply.ts";
import type { Report } from "../../apply/report.ts";
import type { Session } from "../../apply/session.ts";
import type { Host } from "../../host/host.ts";
import { SriovError } from "../../model/errors.ts";
import { actionsWithoutProblems, type Consent } from "../../model/plan.ts";
import type { Spec } from "../../model/spec.ts";
import { exitCodeOfReport, printReport, refusedJson, reportJson } from "../apply-report.ts";
import { assertWritable, confirm, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { announceTrial, settleTrial, trialJson, trialOf, type Trial } from "../confirming.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { summaryOf } from "../../plan/plan-text.ts";
import { plural } from "../list-text.ts";
import { planLines } from "../plan-report.ts";
import { exitCodeOfPendingReboot, exitCodeOfPlan, planOn, type Planned } from "../planning.ts";
import { readText } from "../read-file.ts";
import { maxPlanBytes, parseSavedPlan, stalenessOf, type SavedPlan } from "../saved-plan.ts";
import { SpecProblems } from "../spec-problems.ts";
import { parseSource, readSpecSource } from "../spec-source.ts";
import { armWatchdog } from "../watchdog.ts";

type Wanted = { readonly spec: Spec; readonly consent: Consent; readonly saved: SavedPlan | null };

export const applyCommand: RunCommand = async (context, args) => {
  if (args.isSet("unattended")) {
    const { runUnattended } = await import("./apply-unattended.ts");
    return runUnattended(context, args);
  }
  for (const option of ["wait", "pf"]) {
    if (args.text(option) === null) continue;
    const message = `Cannot apply with --${option}: it belongs to --unattended`;
    throw new SriovError("usage", message, { operation: "apply", target: option });
  }
  if (args.isSet("hand-over") && args.isSet("keep-going")) {
    const message =
      "Cannot apply with --hand-over and --keep-going: VFs come back, or all is undone";
    throw new SriovError("usage", message, { operation: "apply", target: "keep-going" });
  }
  const wanted = wantedOf(context, args);
  return withHost(context, async (host) => {
    assertWritable(context, host, "apply");
    // Under the lock from the start: beside another apply the host is about to change anyway, and
    // whoever waits is to hear who holds it, not what that one's PFs look like meanwhile.
    const applied = await withSession(context, host, { lockWaitMs: 0 }, (session) =>
      planAndApply({ context, args, host, session, wanted }),
    );
    // The lock is free again: the confirmation may come from elsewhere.
    return typeof applied === "number" ? applied : await conclude(context, args, host, applied);
  });
};

type Applied = { readonly report: Report; readonly trial: Trial | null };

/** Shows what it came to; where it waits for a confirmation, asks for it. */
async function conclude(
  context: Context,
  args: Arguments,
  host: Host,
  { report, trial }: Applied,
): Promise<number> {
  printReport(context, report, ["done"]);
  const { journal, confirmByMs: deadlineMs } = report;
  const isOnTrial = journal !== null && deadlineMs !== null;
  const end = isOnTrial ? await settleTrial(context, args, { host, journal, deadlineMs }) : null;
  context.printJson(reportJson(report, trialJson(trial, end)));
  const isKept = end === null || end.state === "armed" || end.state === "confirmed";
  return isKept ? exitCodeOfReport(report, ["done"]) : 1;
}

type Applying = {
  readonly context: Context;
  readonly args: Arguments;
  readonly host: Host;
  readonly session: Session;
  readonly wanted: Wanted;
};

/** An exit code where nothing was begun. */
async function planAndApply(applying: Applying): Promise<number | Applied> {
  const { context, args, host, session, wanted } = applying;
  const { consent } = wanted;
  const planned = await planOn(host, wanted.spec, { consent, around: session });
  assertNotStale(wanted.saved, planned);
  const { plan } = planned;
  // With --yes nobody is asked, so nobody needs the whole plan to decide.
  const isBrief = args.isSet("yes") && plan.problems.length === 0 && plan.losses.length === 0;
  context.print(...(isBrief ? [summaryOf(plan)] : [...planLines(plan, context.style), ""]));
  const isSkipping = args.isSet("keep-going");
  const actions = isSkipping ? actionsWithoutProblems(plan) : plan.actions;
  if (plan.problems.length > 0 && (!isSkipping || actions.length === 0)) {
    context.printJson(refusedJson(plan.actions, plan.problems));
    const exitCode = exitCodeOfPlan(plan);
    if (exitCode === exitCodeOfPendingReboot) {
      context.log.warn("Nothing was changed: it waits for a reboot of the host", hintOf(planned));
    } else context.log.error("Nothing was changed: the plan has problems", hintOf(planned));
    return exitCode;
  }
  const { inventory } = planned;
  const trial = trialOf(context, args, { ...plan, actions }, { spec: wanted.spec, inventory });
  announceTrial(context, trial);
  const question = `Apply ${plural(actions.length, "action")} to ${host.identity.name}?`;
  const isAgreed = args.isSet("yes") || actions.length === 0 || (await confirm(context, question));
  if (!isAgreed) {
    context.printJson(refusedJson(plan.actions, plan.problems));
    context.log.note("Nothing was changed");
    return 3;
  }
  return { report: await runApply(applying, planned, trial), trial };
}

function runApply(
  { context, args, session, wanted }: Applying,
  { plan }: Planned,
  trial: Trial | null,
): Promise<Report> {
  const { spec, consent } = wanted;
  const { commandLine: command } = context;
  const isSkipping = args.isSet("keep-going");
  const arm = (journal: string): Promise<void> => armWatchdog(context, journal);
  const confirmation = trial === null ? {} : { confirm: { withinMs: trial.withinMs, arm } };
  const onProblem = isSkipping ? "skip-adapter" : "stop";
  return withProgress(context, plan.actions, isSkipping, (options) =>
    apply(session, { ...options, ...confirmation, spec, plan, consent, command, onProblem }),
  );
}

function wantedOf(context: Context, args: Arguments): Wanted {
  const [path] = args.operands;
  const extra = consentOf(args);
  if (path === undefined) {
    return { spec: parseForApply(context, args), consent: extra, saved: null };
  }
  if (args.text("file") !== null || extra.length > 0) {
    const message = `Cannot apply ${path} with -f, --allow-disruption or --hand-over: a saved plan has its own`;
    throw new SriovError("usage", message, { operation: "apply", target: path });
  }
  const saved = parseSavedPlan(readText(path, maxPlanBytes), path);
  return { spec: parseSource(saved.spec), consent: saved.consent, saved };
}

function parseForApply(context: Context, args: Arguments): Spec {
  try {
    return parseSource(readSpecSource(args));
  } catch (error) {
    if (error instanceof SpecProblems) {
      const problems = error.problems.map((problem) => ({ ...problem, adapter: null }));
      context.printJson(refusedJson([], problems));
    }
    throw error;
  }
}

function assertNotStale(saved: SavedPlan | null, { plan, inventory }: Planned): void {
  const reason = saved === null ? null : stalenessOf(saved, inventory, plan.actions);
  if (saved === null || reason === null) return;
  const detail = { operation: "apply", target: saved.spec.source };
  throw new SriovError("plan-stale", `Cannot apply the saved plan: ${reason}`, detail);
}

function hintOf({ plan }: Planned): string {
  const [first] = plan.problems;
  return first?.hint ?? "Correct the spec where the problems point";
}
