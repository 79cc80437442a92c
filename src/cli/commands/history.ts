// `sriovctl history`: the applies of this host, newest first. Reads without the lock.

import { history as readHistory } from "../../apply/history.ts";
import { directoryStore } from "../../apply/journal-store.ts";
import { withHost, type RunCommand } from "../context.ts";
import { applyJson, applyRow } from "../history-entry.ts";
import { problemJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";
import { alignRows } from "../table.ts";

const historyFormat = "sriovctl-history/1";

export const history: RunCommand = async (context) => {
  const store = directoryStore(context.hostPaths.journalDir);
  const { entries, problems } = await withHost(context, async ({ identity }) =>
    readHistory(store, identity),
  );
  const newest = entries.toReversed();
  context.printJson({
    format: historyFormat,
    applies: newest.map(applyJson),
    problems: problems.map(problemJson),
  });
  const { style } = context;
  const heading = ["#", "BEGAN", "ACTIONS", "OUTCOME", "COMMAND"].map((text) => style("dim", text));
  context.print(
    ...(newest.length === 0
      ? [problems.length === 0 ? "No apply yet." : "No apply that can be read."]
      : alignRows([heading, ...newest.map((entry) => applyRow(entry, style))])),
  );
  for (const problem of problems) context.log.warn(problemSentence(problem), problem.hint);
  return 0;
};
