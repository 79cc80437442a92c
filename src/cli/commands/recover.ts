// `sriovctl recover`: takes up an apply that was interrupted. Shows both ways and which is
// preferred (undo where that harms nobody, else finish); --finish and --undo choose.

import { existsSync } from "node:fs";
import type { Attaching } from "../../apply/plug-run.ts";
import { history } from "../../apply/history.ts";
import { previewRecovery, recover as recoverHost } from "../../apply/recover.ts";
import type { Recovery, Way } from "../../apply/recovery.ts";
import { isOpen } from "../../apply/journal.ts";
import { mendAbandoned } from "../../apply/plug-leases.ts";
import { readOwnJournals, type Session } from "../../apply/session.ts";
import type { Consent } from "../../model/plan.ts";
import { SriovError } from "../../model/errors.ts";
import { exitCodeOfReport, printReport, reportJson } from "../apply-report.ts";
import { assertWritable, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { problemJson } from "../inventory-json.ts";
import { mendedText } from "../lease-text.ts";
import { plural } from "../list-text.ts";

const recoverFormat = "sriovctl-recover/1";

type Choice = "finish" | "undo";

/** A look must answer at once beside a stuck write; who chose a way waits for it to end. */
const lookMs = 500;
const waitMs = 60_000;

export const recover: RunCommand = async (context, args) => {
  const chosen = choiceOf(args);
  const consent = consentOf(args);
  const isLooking = chosen === null && !args.isSet("yes");
  const settleTimeoutMs = isLooking ? lookMs : waitMs;
  const wish = { chosen, consent, settleTimeoutMs, isYes: args.isSet("yes") };
  return withHost(context, async (host) => {
    assertWritable(context, host, "recover");
    return withSession(context, host, { lockWaitMs: settleTimeoutMs }, async (session) => {
      const exitCode = await takeUp(context, session, wish);
      await mendLeases(context, session);
      return exitCode;
    });
  });
};

type Wish = {
  readonly chosen: Choice | null;
  readonly consent: Consent;
  readonly settleTimeoutMs: number;
  readonly isYes: boolean;
};

async function takeUp(context: Context, session: Session, wish: Wish): Promise<number> {
  const { chosen, consent, settleTimeoutMs, isYes } = wish;
  const recovery = await previewRecovery(session, { consent, settleTimeoutMs });
  if (recovery === null || recovery.kind === "nothing") {
    return nothingToDo(context, session, recovery);
  }
  context.print(...recoveryLines(recovery, context));
  const choice = chosen ?? (await askWhich(context, recovery, isYes));
  if (choice === null) return leftAlone(context, recovery);
  const { actions } = recovery[choice];
  const { commandLine: command } = context;
  const report = await withProgress(context, actions, false, (options) =>
    recoverHost(session, { ...options, choice, consent, command, settleTimeoutMs }),
  );
  if (report === null) return nothingToDo(context, session, null);
  const wanted = choice === "finish" ? (["done"] as const) : (["undone"] as const);
  context.printJson(reportJson(report));
  printReport(context, report, wanted);
  return exitCodeOfReport(report, wanted);
}

/** An attach or a detach that was killed beside its journal has left a lease only. */
async function mendLeases(context: Context, session: Attaching): Promise<void> {
  const isOpenStill = (await readOwnJournals(session)).some(isOpen);
  if (isOpenStill || !existsSync(context.hostPaths.leaseFile)) return;
  const mended = await mendAbandoned(await session.leasing());
  context.print(...mendedText(mended, context.style));
}

function choiceOf(args: Arguments): Choice | null {
  const isFinish = args.isSet("finish");
  if (isFinish && args.isSet("undo")) {
    const message = "Cannot recover with --finish and --undo: wanted one of them";
    throw new SriovError("usage", message, { operation: "recover", target: "" });
  }
  return isFinish ? "finish" : args.isSet("undo") ? "undo" : null;
}

function nothingToDo(
  context: Context,
  { journals, host }: Session,
  recovery: Recovery | null,
): number {
  const message = recovery?.sentence ?? "Nothing to recover: every apply has ended";
  // Files of applies that never began; for people they were warned of when the host was opened.
  const problems = history(journals, host.identity).problems.map(problemJson);
  context.printJson({ format: recoverFormat, outcome: "nothing", message, problems });
  context.print(message);
  return 0;
}

type Choosable = Extract<Recovery, { kind: "choice" }>;

function leftAlone(context: Context, recovery: Choosable): number {
  context.printJson({ format: recoverFormat, outcome: "left", message: recovery.sentence });
  context.log.note("Nothing was changed");
  return 3;
}

function recoveryLines(recovery: Choosable, { style }: Context): string[] {
  const line = (choice: Choice): string => {
    const isPreferred = recovery.preferred === choice;
    const words = `  ${style("strong", `--${choice}`.padEnd(9))} ${wayWords(recovery[choice])}`;
    return isPreferred ? `${words} ${style("good", "(preferred)")}` : words;
  };
  return [recovery.sentence, line("undo"), line("finish")];
}

function wayWords({ actions, unnamed }: Way): string {
  const users = [...new Set(unnamed.map(({ kind, name }) => `${kind}:${name}`))];
  const harm = users.length === 0 ? "hits nobody" : `would hit ${users.join(", ")}`;
  return `${plural(actions.length, "action")}, ${harm}`;
}

/** null: leave it. With --yes the preferred way is taken; without a terminal one must be named. */
async function askWhich(
  { io, print }: Context,
  recovery: Choosable,
  isYes: boolean,
): Promise<Choice | null> {
  const { preferred } = recovery;
  if (isYes) return preferred;
  if (io.ask === null) {
    const message = `Cannot choose how to recover: nobody is at a terminal to answer`;
    const hint = `Say --undo or --finish, or --yes for the preferred one (${preferred})`;
    throw new SriovError("not-confirmed", message, { operation: "recover", target: "", hint });
  }
  const answer = await io.ask(`Undo, finish or leave it? [u/f/N] (preferred: ${preferred}) `);
  print();
  const letter = answer.trim().toLowerCase().slice(0, 1);
  return letter === "u" ? "undo" : letter === "f" ? "finish" : null;
}
