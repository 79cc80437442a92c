// Reading the journals without touching anything and without the lock: `history` lists them,
// `unfinished` is the quick look that every command takes to say that a crash needs attention.

import type { HostIdentity } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import { wallTimeOf, type Clock } from "./clock.ts";
import type { ConfirmWindow } from "./confirm-window.ts";
import { isOpen, type Journal, type Outcome } from "./journal.ts";
import { isAlive } from "./lock.ts";
import { readJournal, readJournals, type JournalStore } from "./journal-store.ts";
import { placeOf } from "./recovery.ts";

export type HistoryEntry = {
  readonly journal: string;
  readonly startedAt: string;
  readonly command: string;
  /** null: it has not ended. */
  readonly outcome: Outcome | null;
  readonly place: "here" | "other-machine" | "rebooted";
  readonly numActions: number;
  readonly numDone: number;
  readonly endings: Journal["endings"];
  /** null: it did not wait for a confirmation. */
  readonly window: ConfirmWindow | null;
};

const numDone = ({ states }: Journal): number =>
  [...states.values()].filter((state) => state === "done").length;

/** Every apply of this host's directory, oldest first, and what could not be read. */
export function history(
  store: JournalStore,
  host: HostIdentity,
): { readonly entries: readonly HistoryEntry[]; readonly problems: readonly Problem[] } {
  const { journals, problems, unborn } = readJournals(store);
  const entries = journals.map((journal): HistoryEntry => {
    const { id, header, outcome, endings, window } = journal;
    return {
      journal: id,
      startedAt: header.startedAt,
      command: header.command,
      outcome,
      place: placeOf(journal, host),
      numActions: header.actions.length,
      numDone: numDone(journal),
      endings,
      window,
    };
  });
  return { entries, problems: [...problems, ...unborn] };
}

// An end that leaves something to confirm has the deadline behind its outcome.
const closedEnd =
  /\{"entry":"(?:confirmed",[^\n]*|end",[^\n]*"outcome":"(?!stuck|interrupted)[a-z-]+")\}\n$/;

/** Reads the whole file only where its last line is no lasting end. */
function mayBeOpen(store: JournalStore, id: string): boolean {
  try {
    return !closedEnd.test(new TextDecoder().decode(store.readTail(id)));
  } catch {
    // `readJournal` says why it cannot be read.
    return true;
  }
}

/** How windows are told: by which clock, and whether the watchdog of a journal is alive. */
export type WindowView = {
  readonly clock: Clock;
  readonly isWatched: (journal: string) => boolean;
};

const clockWords = (time: Date): string => time.toTimeString().slice(0, 8);

/** Says until when it can be confirmed; null: it need not, or not any more. */
function windowProblem(
  { id, header: { command, startedAt }, window }: Journal,
  where: string,
  { clock, isWatched }: WindowView,
): Problem | null {
  if (window === null) return null;
  const subject = `${command} of ${startedAt}`;
  const code = "unconfirmed-apply";
  if (window.state === "revert-failed") {
    const why = window.error === null ? "" : `: ${window.error.message}`;
    const hint = "Run sriovctl rollback to try again, or sriovctl confirm to keep it";
    return { code: "not-reverted", where, message: `Not taken back: ${subject}${why}`, hint };
  }
  if (window.state !== "armed") return null;
  const isOver = clock.bootMs() >= window.deadlineMs;
  if (!isWatched(id)) {
    const message = `Unconfirmed, and its watchdog is gone: ${subject} does not revert by itself`;
    const hint = "Run sriovctl confirm to keep it, or sriovctl rollback to take it back";
    return { code, where, message, hint };
  }
  const time = clockWords(wallTimeOf(window.deadlineMs, clock));
  const deadline = isOver ? `is being reverted, as was due at ${time}` : `reverts at ${time}`;
  return {
    code,
    where,
    message: `Unconfirmed: ${subject} ${deadline}`,
    hint: "Run sriovctl confirm",
  };
}

/**
 * Applies of this machine and boot that recover must see to or that wait for a confirmation, and
 * journals that are damaged.
 */
export function unfinished(store: JournalStore, host: HostIdentity, view: WindowView): Problem[] {
  const problems: Problem[] = [];
  for (const id of store.ids()) {
    if (!mayBeOpen(store, id)) continue;
    const decoded = readJournal(store, id);
    if (decoded.kind !== "journal") {
      problems.push(decoded.problem);
      continue;
    }
    const { journal } = decoded;
    if (placeOf(journal, host) !== "here") continue;
    const where = store.pathOf(id);
    const open = isOpen(journal) ? openProblem(journal, where) : null;
    if (open !== null) problems.push(open);
    // While somebody works on it, what it comes to is not known.
    const window = open?.code === "apply-running" ? null : windowProblem(journal, where, view);
    if (window !== null) problems.push(window);
  }
  return problems;
}

function openProblem({ id, header, pid }: Journal, where: string): Problem {
  const { command, startedAt } = header;
  // Our own is one that had the same number before.
  if (pid !== process.pid && isAlive(pid)) {
    const what = pid === header.pid ? "An apply is running" : "An apply is taken up again";
    const message = `${what} in process ${pid}: ${command} of ${startedAt}`;
    return { code: "apply-running", where, message };
  }
  const message = `An apply has not ended: ${command} of ${startedAt} (journal ${id})`;
  const hint = "Run sriovctl recover to finish or undo it";
  return { code: "unfinished-apply", where, message, hint };
}
