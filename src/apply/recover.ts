// Takes up a journal again: `recover` one that has not ended, `rollback` one that has. Both
// append to the journal that they take up, so a crash on the way leaves the same kind of journal
// and the same choice. Whom it would hit is asked before anything is touched, and again before
// each action.

import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory } from "../model/inventory.ts";
import { fullInventory, type Host } from "../host/host.ts";
import type { Problem } from "../model/problem.ts";
import type { Consent } from "../model/plan.ts";
import { notRestored, undoAll, type RunOptions } from "./apply.ts";
import { asUndoneNow } from "./attach-again.ts";
import { bringBack } from "./bring-back.ts";
import { wouldDisrupt } from "./census.ts";
import { runForward } from "./forward.ts";
import { endEntry } from "./confirm-window.ts";
import { isArmed, isOpen, type Direction, type Journal } from "./journal.ts";
import { JournalWriter } from "./journal-writer.ts";
import { recoveryOf, undoWay, type Recovery, type Way } from "./recovery.ts";
import { deadlineMs } from "./request.ts";
import { cleanGivenBack, leasedConsumers, settleLeases } from "./plug-leases.ts";
import { actionReports, forwardOutcome, type Report } from "./report.ts";
import { Run } from "./run.ts";
import { readOwnJournals, touchedPfs, type Session } from "./session.ts";

export type RecoverRequest = RunOptions & {
  /** `preferred` is undo where that hits nobody unnamed, else finish. */
  readonly choice: "preferred" | "finish" | "undo";
  /** Users agreed to now, besides those that the journal names. */
  readonly consent: Consent;
  readonly command: string;
  /** How long to wait for a kernel write that is still in flight. */
  readonly settleTimeoutMs: number;
};

type RollbackRequest = RunOptions & {
  readonly consent: Consent;
  readonly command: string;
};

const pollMs = 500;

async function read(host: Host, pfs: readonly string[]): Promise<Inventory> {
  return await host.inventory({ ...fullInventory, detailOf: pfs, only: pfs });
}

/** The inventory once no PF of the journal is changing; throws `stuck` when that takes too long. */
export async function settledInventory(
  host: Host,
  journal: Journal,
  timeoutMs: number,
): Promise<Inventory> {
  const pfs = touchedPfs(journal.header.actions);
  const startedAt = host.now();
  for (;;) {
    const inventory = await read(host, pfs);
    const changing = inventory.physicalFunctions.find(({ isChanging }) => isChanging);
    if (changing === undefined) return inventory;
    if (host.now() - startedAt >= timeoutMs) {
      const target = changing.address;
      const message = `Cannot recover ${target}: the kernel still works on its sriov_numvfs`;
      throw new SriovError("stuck", message, { operation: "recover", target });
    }
    await host.sleep(pollMs);
  }
}

function refuse({ unnamed }: Way, verb: string): void {
  if (unnamed.length > 0) throw wouldDisrupt(verb, verb, unnamed);
}

type Resumption = RunOptions & {
  readonly journal: Journal;
  readonly way: Way;
  readonly direction: Direction;
  readonly consent: Consent;
  readonly command: string;
};

/**
 * Sets autoprobe of the journal's PFs to what it is once `actions` are done and nothing else is.
 * An undo that a crash cut short leaves it as an inverse needed it, and binding to a kernel driver
 * switches it for a moment; neither is an action of the plan.
 */
async function putBackAutoprobe(
  { host, lockFd }: Session,
  { header }: Journal,
  actions: readonly Action[],
): Promise<void> {
  const wanted = new Map(header.before.map((pf) => [pf.address, pf.driversAutoprobe]));
  for (const { change } of actions) {
    if (change.kind === "set-autoprobe") wanted.set(change.pf, change.isOn);
  }
  const { physicalFunctions } = await read(host, [...wanted.keys()]);
  for (const { address, driversAutoprobe } of physicalFunctions) {
    const isOn = wanted.get(address) ?? null;
    if (isOn === null || driversAutoprobe === null || driversAutoprobe === isOn) continue;
    const options = { deadlineMs: deadlineMs(0), lockFd };
    await host.perform({ verb: "setDriversAutoprobe", pf: address, isOn }, options);
  }
}

/** After the last action it is too late to stop for it. */
async function autoprobeWarnings(...put: Parameters<typeof putBackAutoprobe>): Promise<Problem[]> {
  try {
    await putBackAutoprobe(...put);
    return [];
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    const { target: where, message, hint } = error;
    return [{ code: "autoprobe-left", where, message, hint }];
  }
}

async function runResumed(session: Session, run: Run, resumption: Resumption) {
  const { journal, way, direction, onInterrupt } = resumption;
  const { before, comesBack } = journal.header;
  const takeBack = comesBack === true ? bringBack : undoAll;
  if (direction === "undo") return await takeBack(session, run, before);
  const todo = new Set(way.actions);
  const isDone = (action: Action): boolean => !todo.has(action);
  // VFs that are made while it is wrong get no driver, so this must not fail.
  await putBackAutoprobe(session, journal, journal.header.actions.filter(isDone));
  await runForward(
    run,
    way.actions.map(({ id }) => id),
  );
  const forward = forwardOutcome(run);
  if (forward === "done" || forward === "partial" || forward === "stuck") {
    return { outcome: forward, notRestored: null };
  }
  const isLeft = forward === "interrupt" && onInterrupt === "leave";
  if (isLeft) return { outcome: "interrupted" as const, notRestored: null };
  return await takeBack(session, run, before);
}

export async function resume(session: Session, resumption: Resumption): Promise<Report> {
  const { journal, direction, consent, command, keepGoing, signal, onProgress } = resumption;
  const { host, lockFd } = session;
  const { header } = journal;
  const { before } = header;
  const actions = direction === "undo" ? await asUndoneNow(session, header) : header.actions;
  // An apply that plugs in knows what a VF was before, and brings it back; what was only detached is leased
  // again before, or nobody's.
  const plugsIn = actions.some(({ change }) => change.kind === "attach-vf");
  const consumers = leasedConsumers(session, direction === "do" || plugsIn ? "claiming" : "leased");
  const writer = new JournalWriter(await session.journals.reopen(journal.id, journal.soundBytes));
  try {
    const at = session.now();
    await writer.write({ entry: "resumed", at, command, pid: process.pid, direction, consent });
    const agreed = [...journal.consent, ...consent];
    const options = { keepGoing, signal, onProgress, actions, consent: agreed };
    const run = new Run({ host, lockFd, consumers, writer, ledger: journal, ...options });
    const ending = await runResumed(session, run, resumption);
    const isUndone = ending.outcome === "undone";
    const isWhole = isUndone || ending.outcome === "done";
    const left = isUndone ? [] : actions;
    if (isWhole) run.warnings.push(...(await autoprobeWarnings(session, journal, left)));
    const rest = isUndone ? await notRestored(session, before) : ending.notRestored;
    const { outcome } = ending;
    const withinMs = isArmed(journal) ? (journal.window?.withinMs ?? null) : null;
    const isLeft = outcome === "stuck" || outcome === "interrupted";
    const givenBack = isLeft ? [] : await settleLeases(session, actions, outcome);
    const end = endEntry(outcome, withinMs, session);
    await writer.write(end);
    run.warnings.push(...(await cleanGivenBack(session, givenBack)));
    const reports = { actions: actionReports(run), warnings: run.warnings, notRestored: rest };
    const confirmByMs = end.deadlineMs ?? null;
    return { journal: journal.id, outcome, ...reports, verify: null, confirmByMs };
  } finally {
    await writer.close();
  }
}

/** The journal that has not ended; null when there is none. */
async function openJournal(session: Session): Promise<Journal | null> {
  return (await readOwnJournals(session)).findLast(isOpen) ?? null;
}

/** What `recover` would do, for the question on the terminal; null when nothing is unfinished. */
export async function previewRecovery(
  session: Session,
  { consent, settleTimeoutMs }: Pick<RecoverRequest, "consent" | "settleTimeoutMs">,
): Promise<Recovery | null> {
  const journal = await openJournal(session);
  if (journal === null) return null;
  return recoveryOf(
    journal,
    await settledInventory(session.host, journal, settleTimeoutMs),
    consent,
  );
}

/**
 * Finishes or undoes the apply that has not ended; null when there is none. Throws `stuck` while
 * the kernel works on one of its writes, `would-disrupt` before anything is touched.
 */
export async function recover(session: Session, request: RecoverRequest): Promise<Report | null> {
  const journal = await openJournal(session);
  if (journal === null) return null;
  const { choice, consent, settleTimeoutMs } = request;
  const inventory = await settledInventory(session.host, journal, settleTimeoutMs);
  const recovery = recoveryOf(journal, inventory, consent);
  if (recovery.kind === "nothing") return null;
  const picked = choice === "preferred" ? recovery.preferred : choice;
  const way = recovery[picked];
  refuse(way, `recover --${picked}`);
  const direction: Direction = picked === "finish" ? "do" : "undo";
  return await resume(session, { ...request, journal, way, direction });
}

/** A way back that ended half-way can be tried again. */
const isRollable = ({ outcome, window }: Journal): boolean =>
  outcome === "done" ||
  outcome === "partial" ||
  outcome === "unverified" ||
  (outcome === "undo-failed" && window?.state === "revert-failed");

async function lastApply(session: Session): Promise<Journal> {
  const journals = await readOwnJournals(session);
  const open = journals.findLast(isOpen);
  const { bootId } = session.host.identity;
  if (open !== undefined) {
    const message = `Cannot roll back: ${open.header.command} has not ended (journal ${open.id})`;
    throw new SriovError("unfinished-apply", message, { operation: "rollback", target: open.id });
  }
  const last = journals.findLast(isRollable);
  const target = session.host.identity.name;
  if (last === undefined) {
    throw new SriovError("not-found", "Cannot roll back: no apply is left to take back", {
      operation: "rollback",
      target,
      hint: "See sriovctl history",
    });
  }
  if (last.header.host.bootId !== bootId) {
    const message = `Cannot roll back journal ${last.id}: its VFs went with a reboot`;
    const hint = "Write what you want into a spec and apply it";
    throw new SriovError("not-found", message, { operation: "rollback", target: last.id, hint });
  }
  return last;
}

/** What `rollback` would do. Throws `not-found` when there is nothing to take back. */
export async function previewRollback(
  session: Session,
  consent: Consent,
): Promise<{
  readonly journal: Journal;
  readonly way: Way;
}> {
  const journal = await lastApply(session);
  const inventory = await read(session.host, touchedPfs(journal.header.actions));
  const agreed = new Set([...journal.consent, ...consent]);
  return { journal, way: undoWay(journal, { inventory, consent: agreed }) };
}

/** Returns to the state before the last apply. Throws before anything is touched. */
export async function rollback(session: Session, request: RollbackRequest): Promise<Report> {
  const { journal, way } = await previewRollback(session, request.consent);
  refuse(way, "roll back");
  return await resume(session, { ...request, journal, way, direction: "undo" });
}
