// The journal of one apply: JSON lines, append-only. A header says what is to be done and on
// which machine and boot; then an intent before and a result after each action, whichever
// direction it runs in; `resumed` where recover or rollback took it up again; `end` with the
// outcome; `armed` and `confirmed` where it waits for a confirmation (confirm-window.ts).
// Everything recovery knows comes from replaying these lines, so they carry data only.

import { isPlugChange, type Action } from "../model/action.ts";
import type { ErrorCode, SriovError } from "../model/errors.ts";
import type { Consent } from "../model/plan.ts";
import { windowAfter, type ConfirmWindow } from "./confirm-window.ts";
import type { PfFacts } from "./facts.ts";

/** Version 2 has the entries and fields of a confirmation window, version 3 attaches and detaches
 * VFs; a journal without either is still written as version 1, so that an older sriovctl reads it
 * after a downgrade. */
export const journalFormats = [
  "sriovctl-journal/1",
  "sriovctl-journal/2",
  "sriovctl-journal/3",
] as const;

type JournalFormat = (typeof journalFormats)[number];

/** `undo` runs an action's inverse. */
export type Direction = "do" | "undo";

export type ActionError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly errno: string | null;
  readonly hint: string;
};

/** What is known of an action when its run ends; `not-run` is an action that was not begun. */
export type ActionResult = "done" | "failed" | "not-run" | "undone" | "undo-failed" | "stuck";

export type RecordedResult = {
  readonly action: string;
  readonly result: ActionResult;
  readonly error?: ActionError;
  /** It failed before it could change anything, and was never begun before. */
  readonly noEffect?: true;
};

/** How an apply ended. Only `stuck` and `interrupted` leave the journal open. */
export type Outcome =
  | "done" // and verified: planning again is empty
  | "unverified" // every action done, but planning again is not empty
  | "partial" // some VFs (with keep-going: some PFs) failed, the rest is done
  | "undone" // something failed or somebody interrupted; the host is as it was before
  | "undo-failed" // likewise, but not everything could be undone
  | "stuck" // the kernel still works on a write
  | "interrupted" // stopped between two actions and left for recover
  | "rebooted"; // found unfinished after a reboot

type JournalHost = {
  readonly name: string;
  readonly machineId: string | null;
  readonly bootId: string | null;
  readonly kernelRelease: string | null;
};

export type JournalHeader = {
  readonly entry: "header";
  readonly format: JournalFormat;
  readonly host: JournalHost;
  /** ISO 8601, by the caller's clock; for people only, order is in the file name. */
  readonly startedAt: string;
  readonly command: string;
  readonly pid: number;
  readonly keepGoing: boolean;
  readonly consent: Consent;
  readonly actions: readonly Action[];
  /** What the touched PFs were like before the first action. */
  readonly before: readonly PfFacts[];
  /** What it took away was to come back: undoing it is what it is for. */
  readonly comesBack?: true;
};

export type StepEntry =
  | { readonly entry: "intent"; readonly direction: Direction; readonly actions: readonly string[] }
  | {
      readonly entry: "result";
      readonly direction: Direction;
      readonly results: readonly RecordedResult[];
    };

export type JournalEntry =
  | StepEntry
  | {
      readonly entry: "resumed";
      readonly at: string;
      readonly command: string;
      readonly pid: number;
      readonly direction: Direction;
      /** Consent given in addition to the header's. */
      readonly consent: Consent;
    }
  | {
      readonly entry: "end";
      readonly at: string;
      readonly outcome: Outcome;
      /** Clock.bootMs: the window that is open is counted anew from the end of the apply. */
      readonly deadlineMs?: number;
    }
  /** From here on a watchdog undoes everything at the deadline, unless `confirmed` comes first. */
  | {
      readonly entry: "armed";
      readonly at: string;
      readonly withinMs: number;
      /** Both on Clock.bootMs. */
      readonly armedMs: number;
      readonly deadlineMs: number;
    }
  | {
      readonly entry: "confirmed";
      readonly at: string;
      readonly command: string;
      readonly pid: number;
    }
  /** The watchdog could not even begin, and gave up. */
  | { readonly entry: "not-reverted"; readonly at: string; readonly error: ActionError };

/**
 * State of an action after replaying the journal. `doing` and `undoing` have an intent and no
 * result: whether the kernel did it is not known.
 */
export type ActionState = "not-run" | "doing" | "undoing" | Exclude<ActionResult, "not-run">;

/** What is known of each action, by its id. A run keeps one and replaying makes the same one. */
export type Ledger = {
  readonly states: ReadonlyMap<string, ActionState>;
  readonly errors: ReadonlyMap<string, ActionError>;
  /** Failed actions that need no undo. */
  readonly withoutEffect: ReadonlySet<string>;
};

export type OpenLedger = {
  readonly states: Map<string, ActionState>;
  readonly errors: Map<string, ActionError>;
  readonly withoutEffect: Set<string>;
};

export type Journal = Ledger & {
  /** File name without its extension; sorts in the order in which applies began. */
  readonly id: string;
  readonly header: JournalHeader;
  /** The header's, and what was given on resuming. */
  readonly consent: Consent;
  /** null: nobody ended it, or it was resumed since. */
  readonly outcome: Outcome | null;
  /** Time and outcome of every ending, oldest first. */
  readonly endings: readonly { readonly at: string; readonly outcome: Outcome }[];
  /** The last direction that was begun. */
  readonly direction: Direction;
  /** Of the process that worked on it last. */
  readonly pid: number;
  /** null: the apply never waited for a confirmation. */
  readonly window: ConfirmWindow | null;
  /** Bytes up to the end of the last whole line; what follows is torn. */
  readonly soundBytes: number;
};

export function formatFor(actions: readonly Action[], isArmed: boolean): JournalFormat {
  const isNewer = ({ change }: Action): boolean =>
    isPlugChange(change) || change.kind === "bind-pf";
  if (actions.some(isNewer)) return "sriovctl-journal/3";
  return isArmed ? "sriovctl-journal/2" : "sriovctl-journal/1";
}

export const formatEntry = (entry: JournalHeader | JournalEntry): string =>
  `${JSON.stringify(entry)}\n`;

export const errorOf = ({ code, message, errno, hint }: SriovError): ActionError => ({
  code,
  message,
  errno,
  hint,
});

/** True when recover is the only command that may go on. */
export const isOpen = ({ outcome }: Journal): boolean =>
  outcome === null || outcome === "stuck" || outcome === "interrupted";

/** True while a watchdog is to undo it unless somebody confirms. */
export const isArmed = ({ window }: Journal): boolean => window?.state === "armed";

type OfWindow = Extract<JournalEntry, { readonly entry: "armed" | "confirmed" | "not-reverted" }>;

const isOfWindow = (entry: JournalEntry): entry is OfWindow =>
  entry.entry === "armed" || entry.entry === "confirmed" || entry.entry === "not-reverted";

export const ledgerOf = ({ states, errors, withoutEffect }: Ledger): OpenLedger => ({
  states: new Map(states),
  errors: new Map(errors),
  withoutEffect: new Set(withoutEffect),
});

/** Enters what a journal line says of its actions. */
export function enter({ states, errors, withoutEffect }: OpenLedger, step: StepEntry): void {
  if (step.entry === "intent") {
    for (const action of step.actions) {
      if (states.get(action) === "undo-failed") errors.delete(action);
      states.set(action, step.direction === "do" ? "doing" : "undoing");
      withoutEffect.delete(action);
    }
    return;
  }
  for (const { action, result, error, noEffect } of step.results) {
    states.set(action, result);
    if (noEffect === true) withoutEffect.add(action);
    if (error !== undefined) errors.set(action, error);
    // What failed and was then taken back still says why it failed.
    else if (result !== "undone") errors.delete(action);
  }
}

/** The journal of `entries` in the order in which they were written. Total: unknown ids are kept. */
export function replay(
  id: string,
  header: JournalHeader,
  {
    entries,
    soundBytes,
  }: { readonly entries: readonly JournalEntry[]; readonly soundBytes: number },
): Journal {
  const ledger: OpenLedger = {
    states: new Map(header.actions.map((action) => [action.id, "not-run"])),
    errors: new Map(),
    withoutEffect: new Set(),
  };
  const consent = new Set(header.consent);
  const endings: { at: string; outcome: Outcome }[] = [];
  let outcome: Outcome | null = null;
  let direction: Direction = "do";
  let { pid } = header;
  let window: ConfirmWindow | null = null;
  for (const entry of entries) {
    window = windowAfter(window, entry);
    if (entry.entry === "end") {
      outcome = entry.outcome;
      endings.push({ at: entry.at, outcome });
      continue;
    }
    if (isOfWindow(entry)) continue;
    outcome = null;
    direction = entry.direction;
    if (entry.entry === "resumed") {
      ({ pid } = entry);
      for (const word of entry.consent) consent.add(word);
    } else {
      enter(ledger, entry);
    }
  }
  const found = { ...ledger, consent: [...consent], outcome, endings, direction };
  return { id, header, ...found, pid, window, soundBytes };
}
