// Undoing what was to come back. What fails to, while its consumer is there, leaves the journal open and
// the lease as it is: nobody else gets the VF, and `recover` tries again with the same terms.

import { isPlugChange } from "../model/action.ts";
import { undoAll } from "./apply.ts";
import type { PfFacts } from "./facts.ts";
import { answerOf } from "./plugging.ts";
import { noConsumers } from "./request.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";

/** Whether a consumer that is there waits for its VF. */
async function isOwing({ consumers = noConsumers }: Session, run: Run): Promise<boolean> {
  for (const action of run.setup.actions) {
    const { change } = action;
    if (run.stateOf(action) !== "undo-failed" || !isPlugChange(change)) continue;
    const answer = await answerOf(change.plug, consumers);
    if (answer === "has-not" || answer === "unknown") return true;
  }
  return false;
}

/** As `undoAll`; `interrupted` where something is still to come back. */
export async function bringBack(
  session: Session,
  run: Run,
  before: readonly PfFacts[],
): ReturnType<typeof undoAll> {
  const undone = await undoAll(session, run, before);
  if (undone.outcome !== "undo-failed" || !(await isOwing(session, run))) return undone;
  return { ...undone, outcome: "interrupted" };
}
