// The time in which an apply must be confirmed, as its journal tells it: pure. The deadline is on a
// clock that no one can set (Clock.bootMs), so a wall clock that jumps moves nothing; it is valid
// for the boot that the journal names.

import type { Clock } from "./clock.ts";
import type { ActionError, JournalEntry, Outcome } from "./journal.ts";

export type WindowState =
  | "armed" // the watchdog undoes the apply at the deadline
  | "confirmed"
  | "reverted" // undone, by whomever
  | "revert-failed" // an undo was tried, and not everything is as before
  | "rebooted"; // overtaken: the VFs went with the reboot

export type ConfirmWindow = {
  readonly state: WindowState;
  /** When it came to that state; wall clock, ISO 8601. */
  readonly at: string;
  readonly withinMs: number;
  /** On Clock.bootMs. */
  readonly deadlineMs: number;
  /** Why the watchdog gave up before it began. */
  readonly error: ActionError | null;
};

export type ConfirmWish = {
  readonly withinMs: number;
  /** Starts what undoes this journal at its deadline. Resolves once it watches; else throws. */
  readonly arm: (journal: string) => Promise<void>;
};

export function armedEntry(withinMs: number, { now, bootMs }: Clock): JournalEntry {
  const armedMs = bootMs();
  return { entry: "armed", at: now(), withinMs, armedMs, deadlineMs: armedMs + withinMs };
}

/** These leave something to confirm; `stuck` and `interrupted` are not over. */
export const keepable: ReadonlySet<Outcome> = new Set(["done", "partial", "unverified"]);

/** Counts the window again from here, so that a slow apply does not eat it; null: there is none. */
export function endEntry(
  outcome: Outcome,
  withinMs: number | null,
  { now, bootMs }: Clock,
): Extract<JournalEntry, { readonly entry: "end" }> {
  const end = { entry: "end", at: now(), outcome } as const;
  if (withinMs === null || !keepable.has(outcome)) return end;
  return { ...end, deadlineMs: bootMs() + withinMs };
}

/** What an ending makes of a window that is not confirmed; absent: it stays open. */
const closedBy: Partial<Record<Outcome, WindowState>> = {
  "undone": "reverted",
  "undo-failed": "revert-failed",
  "rebooted": "rebooted",
};

export function windowAfter(
  window: ConfirmWindow | null,
  entry: JournalEntry,
): ConfirmWindow | null {
  if (entry.entry === "armed") {
    const { at, withinMs, deadlineMs } = entry;
    return { state: "armed", at, withinMs, deadlineMs, error: null };
  }
  if (window === null || window.state === "confirmed") return window;
  switch (entry.entry) {
    case "confirmed":
      return { ...window, state: "confirmed", at: entry.at, error: null };
    case "not-reverted":
      return { ...window, state: "revert-failed", at: entry.at, error: entry.error };
    case "end": {
      const { at, outcome, deadlineMs = window.deadlineMs } = entry;
      const state = closedBy[outcome];
      if (state !== undefined) return { ...window, state, at, error: null };
      return { ...window, deadlineMs };
    }
    default:
      return window;
  }
}
