// Says, on standard error, that an apply of this host was interrupted or is running. A host without
// journals never loads the apply room for it.

import { existsSync } from "node:fs";
import type { Host } from "../host/host.ts";
import { SriovError } from "../model/errors.ts";
import type { Problem } from "../model/problem.ts";
import { problemSentence, type Logger } from "./logger.ts";
import type { HostPaths } from "./paths.ts";

export const hasJournals = ({ journalDir }: HostPaths): boolean => existsSync(journalDir);

/** A folder that cannot be read is said as well: whoever only looks goes on. */
function readUnfinished(read: () => readonly Problem[]): readonly Problem[] {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    const { message, target: where, hint } = error;
    return [{ code: "journals-unreadable", where, message, hint }];
  }
}

export async function warnOfUnfinished(
  hostPaths: HostPaths,
  { identity }: Host,
  log: Logger,
): Promise<void> {
  if (!hasJournals(hostPaths)) return;
  const { directoryStore } = await import("../apply/journal-store.ts");
  const { unfinished } = await import("../apply/history.ts");
  const { systemClock: clock } = await import("../apply/clock.ts");
  const { isWatched } = await import("./watchdog.ts");
  const store = directoryStore(hostPaths.journalDir);
  const view = { clock, isWatched: (journal: string) => isWatched(hostPaths, journal) };
  for (const problem of readUnfinished(() => unfinished(store, identity, view))) {
    const { code, message, hint } = problem;
    if (code === "apply-running") log.note(message);
    // What is wrong with a file is of no use without its name.
    else log.warn(code.startsWith("journal-") ? problemSentence(problem) : message, hint);
  }
}
