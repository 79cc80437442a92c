// Reading the journals without touching anything and without the lock: `history` lists them,
// `unfinished` is the quick look that every command takes to say that a crash needs attention.

import type { HostIdentity } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import { isOpen, type Journal, type Outcome } from "./journal.ts";
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
    const { id, header, outcome, endings } = journal;
    return {
      journal: id,
      startedAt: header.startedAt,
      command: header.command,
      outcome,
      place: placeOf(journal, host),
      numActions: header.actions.length,
      numDone: numDone(journal),
      endings,
    };
  });
  return { entries, problems: [...problems, ...unborn] };
}

const closedEnd = /\{"entry":"end",[^\n]*"outcome":"(?!stuck|interrupted)[a-z-]+"\}\n$/;

/** Reads the whole file only where its last line is no lasting end. */
function mayBeOpen(store: JournalStore, id: string): boolean {
  try {
    return !closedEnd.test(new TextDecoder().decode(store.readTail(id)));
  } catch {
    // `readJournal` says why it cannot be read.
    return true;
  }
}

/** By its pid: a recycled one delays the warning, and the lock still keeps others out. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Applies of this machine and boot that recover must see to, and journals that are damaged. */
export function unfinished(store: JournalStore, host: HostIdentity): Problem[] {
  const problems: Problem[] = [];
  for (const id of store.ids()) {
    if (!mayBeOpen(store, id)) continue;
    const decoded = readJournal(store, id);
    if (decoded.kind !== "journal") {
      problems.push(decoded.problem);
      continue;
    }
    const { journal } = decoded;
    if (!isOpen(journal) || placeOf(journal, host) !== "here") continue;
    const { command, startedAt, pid } = journal.header;
    const where = store.pathOf(id);
    if (isAlive(pid)) {
      const message = `An apply is running in process ${pid}: ${command} of ${startedAt}`;
      problems.push({ code: "apply-running", where, message });
      continue;
    }
    const message = `An apply has not ended: ${command} of ${startedAt} (journal ${id})`;
    const hint = "Run sriovctl recover to finish or undo it";
    problems.push({ code: "unfinished-apply", where, message, hint });
  }
  return problems;
}
