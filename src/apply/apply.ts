// The room's front door: makes a host as its spec says. `apply` runs a plan; `recover` and
// `rollback` (recover.ts) take up a journal again; `history` and `unfinished` (history.ts) only
// read. Every one returns data and prints nothing. docs/apply.md tells the story step by step.

import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory } from "../model/inventory.ts";
import {
  actionsWithoutProblems,
  type Consent,
  type Plan,
  type PlanProblem,
} from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { plan } from "../plan/plan.ts";
import { runBackward } from "./backward.ts";
import { armedEntry, endEntry, type ConfirmWish } from "./confirm-window.ts";
import { differencesFrom, factsOf, type FactDifference, type PfFacts } from "./facts.ts";
import { runForward } from "./forward.ts";
import { holdingsFor } from "./holdings.ts";
import { formatFor, type JournalHeader, type Outcome } from "./journal.ts";
import { nextId } from "./journal-store.ts";
import { JournalWriter } from "./journal-writer.ts";
import { cleanGivenBack, leasedConsumers, settleLeases } from "./plug-leases.ts";
import { actionReports, backwardOutcome, forwardOutcome, type Report } from "./report.ts";
import { Run, type Progress } from "./run.ts";
import {
  assertNothingUnfinished,
  pruneJournals,
  readOwnJournals,
  touchedPfs,
  type Session,
} from "./session.ts";
import { inventoryFor, verify, type Verification } from "./verify.ts";

export type RunOptions = {
  /** After a failing PF the other PFs go on and nothing is undone. */
  readonly keepGoing: boolean;
  /** What an abort of `signal` leads to; it stops between two actions. */
  readonly onInterrupt: "undo" | "leave";
  readonly signal: AbortSignal | null;
  readonly onProgress: (progress: Progress) => void;
};

export type ApplyRequest = RunOptions & {
  readonly spec: Spec;
  /** As it was shown and confirmed; made with `inventoryFor` and the same spec and consent. */
  readonly plan: Plan;
  readonly consent: Consent;
  /** As typed. */
  readonly command: string;
  /** Adapters with problems stay untouched; `stop` touches nothing then. */
  readonly onProblem: "stop" | "skip-adapter";
  /** Undone after that time unless it is confirmed; absent: it stays. */
  readonly confirm?: ConfirmWish;
};

const quoted = ({ code, message }: PlanProblem): string => `${code}: ${message}`;

function refusal(problems: readonly PlanProblem[], source: string): SriovError {
  const isDisruption = problems.every(({ code }) => code === "would-disrupt");
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const message = `Cannot apply ${source}: ${first === undefined ? "" : quoted(first)}${more}`;
  const hint = first?.hint;
  return new SriovError(isDisruption ? "would-disrupt" : "spec-problems", message, {
    operation: "apply",
    target: source,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The plan's actions without those of adapters with problems; throws where one stops all. */
function runnableActions({ spec, plan: planned, onProblem }: ApplyRequest): readonly Action[] {
  const { problems } = planned;
  const isGeneral = problems.some(({ adapter }) => adapter === null);
  if (isGeneral || (onProblem === "stop" && problems.length > 0)) {
    throw refusal(problems, spec.source);
  }
  return actionsWithoutProblems(planned);
}

/** The plan is only as good as what it saw: under the lock it must still come out the same. */
async function assertFresh(
  { plan: planned, spec, consent }: ApplyRequest,
  session: Session,
  inventory: Inventory,
): Promise<void> {
  const holdings = await holdingsFor(session, spec, { inventory, consent });
  const { actions, problems } = plan({ spec, inventory, consent, ...holdings });
  const isSame =
    JSON.stringify([actions, problems]) === JSON.stringify([planned.actions, planned.problems]);
  if (isSame) return;
  const message = `Cannot apply ${spec.source}: the host changed since the plan was made`;
  throw new SriovError("plan-stale", message, { operation: "apply", target: spec.source });
}

function headerOf(session: Session, request: Omit<Journalled, "ending">): JournalHeader {
  const { actions, before } = request;
  const { name, machineId, bootId, kernelRelease } = session.host.identity;
  return {
    entry: "header",
    format: formatFor(actions, request.confirm !== undefined),
    host: { name, machineId, bootId, kernelRelease },
    startedAt: session.now(),
    command: request.command,
    pid: process.pid,
    keepGoing: request.keepGoing,
    consent: request.consent,
    actions,
    before,
    ...(request.comesBack === true ? { comesBack: true } : {}),
  };
}

/** Compares what undo left with what was there before. */
export async function notRestored(
  { host }: Session,
  before: readonly PfFacts[],
): Promise<FactDifference[]> {
  const only = before.map(({ address }) => address);
  const options = { census: false, netdevAttributes: true, detailOf: only, only };
  return differencesFrom(before, await host.inventory(options));
}

/** Undoes everything and says what that came to; the journal is not ended yet. */
export async function undoAll(
  session: Session,
  run: Run,
  before: readonly PfFacts[],
): Promise<{ readonly outcome: Outcome; readonly notRestored: readonly FactDifference[] }> {
  await runBackward(run);
  const outcome = backwardOutcome(run);
  return { outcome, notRestored: await notRestored(session, before) };
}

export type Ending = Pick<Report, "outcome" | "verify" | "notRestored">;

async function endingOf(
  session: Session,
  run: Run,
  {
    spec,
    plan: planned,
    consent,
    onInterrupt,
    before,
  }: ApplyRequest & { readonly before: readonly PfFacts[] },
): Promise<Ending> {
  const forward = forwardOutcome(run);
  if (forward === "stuck") return { outcome: "stuck", verify: null, notRestored: null };
  if (forward === "interrupt" && onInterrupt === "leave") {
    return { outcome: "interrupted", verify: null, notRestored: null };
  }
  if (forward === "failure" || forward === "interrupt") {
    return { ...(await undoAll(session, run, before)), verify: null };
  }
  run.setup.onProgress({ type: "phase", phase: "verify" });
  const verification = await verify(session, spec, consent);
  const isWhole = forward === "done" && planned.problems.length === 0;
  const whole = verification.empty ? "done" : "unverified";
  return { outcome: isWhole ? whole : "partial", verify: verification, notRestored: null };
}

function emptyReport(verification: Verification): Report {
  const outcome = verification.empty ? "done" : "partial";
  const rest = { actions: [], warnings: [], notRestored: null, confirmByMs: null };
  return { journal: null, outcome, verify: verification, ...rest };
}

/** A journal whose header is on disk. Where that fails no file stays: nothing was begun. */
async function beginJournal(
  { journals }: Session,
  id: string,
  header: JournalHeader,
): Promise<JournalWriter> {
  const writer = new JournalWriter(await journals.create(id));
  try {
    await writer.write(header);
    return writer;
  } catch (error) {
    await writer.close();
    journals.remove(id);
    throw error;
  }
}

/** Before the first action, so that whatever becomes of us, somebody takes it back. */
async function armWindow(
  session: Session,
  writer: JournalWriter,
  id: string,
  { withinMs, arm }: ConfirmWish,
): Promise<void> {
  await writer.write(armedEntry(withinMs, session));
  try {
    await arm(id);
  } catch (error) {
    // Nothing was begun, so nothing is left to undo.
    await writer.write(endEntry("undone", null, session));
    throw error;
  }
}

type Journalled = RunOptions & {
  readonly actions: readonly Action[];
  readonly before: readonly PfFacts[];
  readonly consent: Consent;
  readonly command: string;
  readonly confirm?: ConfirmWish;
  /** Whatever becomes of us, it is undone. */
  readonly comesBack?: boolean;
  /** What the run that is over leads to. */
  readonly ending: (run: Run) => Promise<Ending>;
};

/** Runs actions forwards in a journal of their own. Throws where nothing was begun. */
export async function runJournalled(session: Session, wish: Journalled): Promise<Report> {
  const { actions, consent, keepGoing, signal, onProgress, confirm } = wish;
  const id = nextId(session.journals.ids(), session.now());
  const writer = await beginJournal(session, id, headerOf(session, wish));
  let report: Report;
  try {
    if (confirm !== undefined) await armWindow(session, writer, id, confirm);
    const { host, lockFd } = session;
    const consumers = leasedConsumers(session, "claiming");
    const ledger = { states: new Map(), errors: new Map(), withoutEffect: new Set<string>() };
    const options = { keepGoing, signal, onProgress, actions, consent };
    const run = new Run({ host, lockFd, consumers, writer, ledger, ...options });
    await runForward(
      run,
      actions.map((action) => action.id),
    );
    const ending = await wish.ending(run);
    const isLeft = ending.outcome === "stuck" || ending.outcome === "interrupted";
    const givenBack = isLeft ? [] : await settleLeases(session, actions, ending.outcome);
    const end = endEntry(ending.outcome, confirm?.withinMs ?? null, session);
    await writer.write(end);
    run.warnings.push(...(await cleanGivenBack(session, givenBack)));
    report = {
      journal: id,
      ...ending,
      actions: actionReports(run),
      warnings: run.warnings,
      confirmByMs: end.deadlineMs ?? null,
    };
  } finally {
    await writer.close();
  }
  return report;
}

/** PFs that the actions touch, as they are now. */
export function factsBefore(actions: readonly Action[], inventory: Inventory): PfFacts[] {
  const touched = new Set(touchedPfs(actions));
  return inventory.physicalFunctions.filter(({ address }) => touched.has(address)).map(factsOf);
}

/**
 * Runs a plan on the session's host. Throws SriovError when nothing was changed: the plan has
 * problems or is stale, another apply has not ended, the journal cannot be written. Once the
 * first action has begun, what happens is in the report.
 */
export async function apply(session: Session, request: ApplyRequest): Promise<Report> {
  const journals = await readOwnJournals(session);
  assertNothingUnfinished(journals);
  const inventory = await inventoryFor(session.host, request.spec);
  await assertFresh(request, session, inventory);
  const actions = runnableActions(request);
  const { spec, consent } = request;
  if (actions.length === 0) return emptyReport(await verify(session, spec, consent));
  const before = factsBefore(actions, inventory);
  const ending = async (run: Run): Promise<Ending> =>
    await endingOf(session, run, { ...request, before });
  const report = await runJournalled(session, { ...request, actions, before, ending });
  pruneJournals(session, journals);
  return report;
}
