// One apply of the history, for programs and for people: `history` and `status` show the same.

import type { WindowState } from "../apply/confirm-window.ts";
import type { HistoryEntry } from "../apply/history.ts";
import { clean, type Style } from "./style.ts";

export const applyJson = ({ endings, window, ...entry }: HistoryEntry) => ({
  ...entry,
  confirm: window === null ? null : { state: window.state, at: window.at },
  endings: endings.map(({ at, outcome }) => ({ at, outcome })),
});

/** What an outcome does not say already. */
const trialWords: Partial<Record<WindowState, string>> = {
  "armed": ", unconfirmed",
  "confirmed": ", confirmed",
  "revert-failed": ", not taken back",
};

/** Cells: number, begin, actions, outcome, command. */
export function applyRow(entry: HistoryEntry, style: Style): string[] {
  const { journal, startedAt, outcome, numActions, numDone, command, place, window } = entry;
  const isGood = outcome === "done" || outcome === "undone";
  const elsewhere = place === "here" ? "" : ` (${place})`;
  const isOver = outcome === "undone" || outcome === "rebooted";
  const trial = window === null || isOver ? "" : (trialWords[window.state] ?? "");
  const words = style(isGood ? "good" : "bad", outcome ?? "unfinished") + elsewhere + trial;
  const number = `${Number.parseInt(journal, 10)}`;
  const count = isGood ? `${numActions}` : `${numDone}/${numActions}`;
  return [number, startedAt.slice(0, 19), count, words, clean(command)];
}
