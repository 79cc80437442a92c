// `sriovctl history`: the applies of this host, newest first. Reads without the lock.

import { history as readHistory, type HistoryEntry } from "../../apply/history.ts";
import type { WindowState } from "../../apply/confirm-window.ts";
import { directoryStore } from "../../apply/journal-store.ts";
import { withHost, type RunCommand } from "../context.ts";
import { problemJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";
import { clean, type Style } from "../style.ts";
import { alignRows } from "../table.ts";

const historyFormat = "sriovctl-history/1";

const entryJson = ({ endings, window, ...entry }: HistoryEntry) => ({
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

function rowOf(entry: HistoryEntry, style: Style): string[] {
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

export const history: RunCommand = async (context) => {
  const store = directoryStore(context.hostPaths.journalDir);
  const { entries, problems } = await withHost(context, async ({ identity }) =>
    readHistory(store, identity),
  );
  const newest = entries.toReversed();
  context.printJson({
    format: historyFormat,
    applies: newest.map(entryJson),
    problems: problems.map(problemJson),
  });
  const { style } = context;
  const heading = ["#", "BEGAN", "ACTIONS", "OUTCOME", "COMMAND"].map((text) => style("dim", text));
  context.print(
    ...(newest.length === 0
      ? [problems.length === 0 ? "No apply yet." : "No apply that can be read."]
      : alignRows([heading, ...newest.map((entry) => rowOf(entry, style))])),
  );
  for (const problem of problems) context.log.warn(problemSentence(problem), problem.hint);
  return 0;
};
