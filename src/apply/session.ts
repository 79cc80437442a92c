// What a command that changes a host holds while it runs: the host, its journals and the lock.
// Opening takes the lock, so two of them never exist for one host at a time.

import type { Host } from "../host/host.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import { formatEntry, isArmed, isOpen, type Journal, type JournalEntry } from "./journal.ts";
import { windowAfter } from "./confirm-window.ts";
import { directoryStore, readJournals, type JournalStore } from "./journal-store.ts";
import { acquireLock } from "./lock.ts";
import { placeOf } from "./recovery.ts";
import type { Lease } from "../lease/lease.ts";
import type { Leasing } from "./leasing.ts";
import { lanesOf } from "./request.ts";

export type Session = Clock & {
  readonly host: Host;
  readonly journals: JournalStore;
  /** null where nobody else can reach the host: an emulated one inside this process. */
  readonly lockFd: number | null;
  /** Who puts VFs into their consumers; absent: nobody. */
  readonly consumers?: Consumers;
  /** Leases of what is attached, opened when they are first needed; absent: none are kept. */
  readonly leasing?: () => Promise<Leasing>;
  /** The same leases, for reading: no store is made for that. */
  readonly readLeases?: () => Promise<readonly Lease[]>;
};

type SessionWish = {
  readonly host: Host;
  /** The host's own directory of journals. */
  readonly journalDirectory: string;
  readonly lockFile: string;
  /** As typed, for whoever finds the host locked. */
  readonly command: string;
  readonly clock: Clock;
  /** How long to wait for the lock; recover waits for a writer that was left behind. */
  readonly lockWaitMs: number;
};

/** Throws `host-read-only` or `locked`. Close it in any case. */
export async function openSession(
  wish: SessionWish,
): Promise<Session & { readonly close: () => void }> {
  const { host, journalDirectory, lockFile, command, clock, lockWaitMs } = wish;
  const { name, isWritable } = host.identity;
  if (!isWritable) {
    throw new SriovError("host-read-only", `Cannot change ${name}: it is read-only`, {
      operation: "apply",
      target: name,
    });
  }
  const holder = { pid: process.pid, command, since: clock.now() };
  const lock = await acquireLock(lockFile, { holder, waitMs: lockWaitMs });
  const journals = directoryStore(journalDirectory);
  return { ...clock, host, journals, lockFd: lock.fd, close: lock.release };
}

/** Appends entries to a journal that nobody else is writing. */
export async function appendTo(
  session: Session,
  { id, soundBytes }: Journal,
  entries: readonly JournalEntry[],
): Promise<void> {
  const sink = await session.journals.reopen(id, soundBytes);
  try {
    await sink.append(entries.map(formatEntry).join(""));
  } finally {
    await sink.close();
  }
}

/** Journals of this machine. Those that a reboot overtook are ended; a damaged one throws. */
export async function readOwnJournals(session: Session): Promise<readonly Journal[]> {
  const { journals, problems } = readJournals(session.journals);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new SriovError("file-format", `${problem.where}: ${problem.message}`, {
      operation: "read journal",
      target: problem.where,
      ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    });
  }
  const own: Journal[] = [];
  for (const journal of journals) {
    const place = placeOf(journal, session.host.identity);
    if (place === "other-machine") continue;
    if (place === "here" || !(isOpen(journal) || isArmed(journal))) {
      own.push(journal);
      continue;
    }
    const at = session.now();
    const end = { entry: "end", at, outcome: "rebooted" } as const;
    await appendTo(session, journal, [end]);
    own.push({ ...journal, outcome: end.outcome, window: windowAfter(journal.window, end) });
  }
  return own;
}

export function assertNothingUnfinished(journals: readonly Journal[]): void {
  const open = journals.find((journal) => isOpen(journal) || isArmed(journal));
  if (open === undefined) return;
  const { id, header } = open;
  const isUnfinished = isOpen(open);
  const what = isUnfinished ? "has not ended" : "waits for its confirmation";
  const message = `Cannot begin: ${header.command} of ${header.startedAt} ${what} (journal ${id})`;
  const code = isUnfinished ? "unfinished-apply" : "unconfirmed-apply";
  throw new SriovError(code, message, { operation: "apply", target: id });
}

/** Ended journals that are kept; each host keeps its own. */
const keptJournals = 100;

/** Removes the oldest ended journals beyond the limit. */
export function pruneJournals({ journals: store }: Session, journals: readonly Journal[]): void {
  const ended = journals.filter((journal) => !isOpen(journal));
  for (const { id } of ended.slice(0, Math.max(0, ended.length - keptJournals))) store.remove(id);
}

/** PFs that the actions touch, in order. */
export const touchedPfs = (actions: readonly Action[]): string[] =>
  [...lanesOf(actions).keys()].filter((pf) => pf !== null);
