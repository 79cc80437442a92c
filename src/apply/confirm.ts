// The two ends of a confirmation window: somebody confirms, or the watchdog undoes. Both take the
// lock and read the journal again, so whoever comes first wins and the other one finds it so.

import { SriovError } from "../model/errors.ts";
import type { Inventory } from "../model/inventory.ts";
import { consentWord } from "../plan/disruption.ts";
import type { RunOptions } from "./apply.ts";
import { keepable } from "./confirm-window.ts";
import { errorOf, isArmed, isOpen, type Journal } from "./journal.ts";
import { resume, settledInventory } from "./recover.ts";
import { undoWay } from "./recovery.ts";
import type { Report } from "./report.ts";
import { appendTo, readOwnJournals, type Session } from "./session.ts";

export type Confirmation = {
  readonly kind: "confirmed" | "confirmed-before" | "nothing";
  /** null where there was never anything to confirm. */
  readonly journal: Journal | null;
};

const lastOf = async (session: Session): Promise<Journal | null> =>
  (await readOwnJournals(session)).at(-1) ?? null;

/**
 * Ends the window of the last apply; it stays. Throws `confirm-too-late` when it was undone,
 * `unfinished-apply` when it never came to its end.
 */
export async function confirmApply(session: Session, command: string): Promise<Confirmation> {
  const journal = await lastOf(session);
  const state = journal?.window?.state;
  const isKept =
    journal !== null && state === "confirmed" && keepable.has(journal.outcome ?? "stuck");
  if (isKept) return { kind: "confirmed-before", journal };
  if (journal === null || state === undefined || state === "confirmed" || state === "rebooted") {
    return { kind: "nothing", journal: null };
  }
  const { id, header, window } = journal;
  if (state === "reverted") {
    const message = `Cannot confirm ${header.command}: it was taken back at ${window?.at}`;
    throw new SriovError("confirm-too-late", message, { operation: "confirm", target: id });
  }
  if (isOpen(journal)) {
    const message = `Cannot confirm ${header.command}: it has not ended (journal ${id})`;
    throw new SriovError("unfinished-apply", message, { operation: "confirm", target: id });
  }
  const { pid } = process;
  await appendTo(session, journal, [{ entry: "confirmed", at: session.now(), command, pid }]);
  return { kind: "confirmed", journal };
}

type Revert =
  /** Confirmed or undone by somebody. */
  | { readonly kind: "over" }
  /** The apply ended meanwhile, and its window is counted from there. */
  | { readonly kind: "early"; readonly deadlineMs: number }
  | { readonly kind: "reverted"; readonly report: Report };

type RevertRequest = RunOptions & {
  readonly journal: string;
  readonly command: string;
  /** `now` where somebody said no before the deadline. */
  readonly when: "at-deadline" | "now";
  /** How long to wait for a kernel write that is still in flight. */
  readonly settleTimeoutMs: number;
};

/** A session that did not confirm is lost, or nobody would miss it. */
const sessionsOf = ({ physicalFunctions }: Inventory): string[] =>
  physicalFunctions
    .flatMap((pf) => [...pf.owners, ...pf.virtualFunctions.flatMap(({ owners }) => owners)])
    .filter(({ kind }) => kind === "session")
    .map(consentWord);

/**
 * What the watchdog does at the deadline: undoes everything that was begun, except what would hit
 * somebody whom the apply's consent does not name. Throws `stuck` while the kernel works on one of
 * its writes.
 */
export async function revertUnconfirmed(session: Session, request: RevertRequest): Promise<Revert> {
  const journal = await lastOf(session);
  if (journal === null || journal.id !== request.journal || !isArmed(journal)) {
    return { kind: "over" };
  }
  const deadlineMs = journal.window?.deadlineMs ?? 0;
  const isEarly = request.when === "at-deadline" && session.bootMs() < deadlineMs;
  if (isEarly) return { kind: "early", deadlineMs };
  const inventory = await settledInventory(session.host, journal, request.settleTimeoutMs);
  const consent = sessionsOf(inventory);
  const agreed = new Set([...journal.consent, ...consent]);
  // Not refused as a whole for one user: the PF that carries the network may be another one.
  const way = undoWay(journal, { inventory, consent: agreed });
  const report = await resume(session, { ...request, journal, way, direction: "undo", consent });
  return { kind: "reverted", report };
}

/** Notes that the watchdog gave up, so that everybody can be told why. */
export async function noteNotReverted(
  session: Session,
  id: string,
  failure: SriovError,
): Promise<void> {
  const journal = await lastOf(session);
  if (journal === null || journal.id !== id || !isArmed(journal)) return;
  const entry = { entry: "not-reverted", at: session.now(), error: errorOf(failure) } as const;
  await appendTo(session, journal, [entry]);
}
