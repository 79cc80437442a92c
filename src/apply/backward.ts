// Runs actions backwards: each action's inverse, in reverse order, PFs side by side. Changes of
// VFs that the plan itself created have no inverse: they go when their VFs go, and count as
// undone only then. Where an inverse fails, what stands before it on that PF stays as it is,
// because every earlier inverse was computed for a PF that this one would have restored.

import { isOnVf, isPfChange, type Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import { changeWords } from "../plan/plan-text.ts";
import { errorOf, type ActionError, type Ledger, type RecordedResult } from "./journal.ts";
import { performOnPf, type ChangeOutcome } from "./perform.ts";
import { pfOf } from "./request.ts";
import { allSettled, inBatches, type Run } from "./run.ts";

/** A failed or doubtful action may have done part of its work, and its inverse finds out. */
function isToUndo({ id }: Action, { states, withoutEffect }: Ledger): boolean {
  const state = states.get(id) ?? "not-run";
  return state !== "not-run" && state !== "undone" && !withoutEffect.has(id);
}

/** Actions of one PF that an undo must take back, last first. */
export const undoOrder = (lane: readonly Action[], ledger: Ledger): Action[] =>
  lane.filter((action) => isToUndo(action, ledger)).toReversed();

const goesWithVf = ({ change, inverse }: Action): boolean => isOnVf(change) && inverse.length === 0;

function unknownBefore({ change, target }: Action): ActionError {
  const message = `Cannot take back "${changeWords(change)}" on ${target}: nobody knows what it was before`;
  return errorOf(new SriovError("undo-impossible", message, { operation: "undo", target }));
}

/** One result an action, from the outcomes of all inverse changes of the batch. */
function resultsOf(
  batch: readonly Action[],
  owners: readonly Action[],
  outcomes: readonly ChangeOutcome[],
): RecordedResult[] {
  const byOwner = Map.groupBy(outcomes.keys(), (index) => owners[index]);
  return batch.map((action): RecordedResult => {
    const own = (byOwner.get(action) ?? []).flatMap((index) => outcomes[index] ?? []);
    const bad = own.find(({ status }) => status === "stuck") ?? own.find((one) => "error" in one);
    if (bad !== undefined && "error" in bad) {
      const result = bad.status === "stuck" ? "stuck" : "undo-failed";
      return { action: action.id, result, error: bad.error };
    }
    if (own.length === 0) {
      return { action: action.id, result: "undo-failed", error: unknownBefore(action) };
    }
    const isWhole = own.every(({ status }) => status === "done");
    return { action: action.id, result: isWhole ? "undone" : "undo-failed" };
  });
}

/** `alongside` goes with the batch's VFs: from the intent on nobody can say that it is still done. */
async function undoBatch(
  run: Run,
  batch: readonly Action[],
  alongside: readonly Action[],
): Promise<RecordedResult[]> {
  const [first] = batch;
  const pf = first === undefined ? null : pfOf(first.change);
  if (first === undefined || pf === null) return [];
  const steps = batch.flatMap((action) =>
    action.inverse.filter(isPfChange).map((change) => ({ action, change })),
  );
  await run.intend("undo", [...batch, ...alongside]);
  for (const action of batch) run.start("undo", action);
  const performer = run.performer(pf, {
    // Undo is not interrupted, only a stuck write ends it.
    shouldStop: () => run.isStuck,
    onStart: () => {},
    onOutcome: () => {},
  });
  const changes = steps.map(({ change }) => change);
  const outcomes = await performOnPf(changes, performer);
  const owners = steps.map(({ action }) => action);
  return resultsOf(batch, owners, outcomes);
}

async function recordUndone(
  run: Run,
  batch: readonly Action[],
  results: readonly RecordedResult[],
) {
  await run.record("undo", results);
  const byId = new Map(results.map((result) => [result.action, result]));
  for (const action of batch) {
    const result = byId.get(action.id);
    if (result !== undefined) run.finish("undo", action, result);
  }
  if (results.some(({ result }) => result === "stuck")) run.stop("stuck");
}

/** Everything that went with the VFs that `results` say are gone, or did not go. */
function withVfChanges(waiting: readonly Action[], results: readonly RecordedResult[]) {
  const [{ result = "undone", error } = {}] = results;
  const rest = error === undefined ? { result } : { result, error };
  return waiting.map((action): RecordedResult => ({ action: action.id, ...rest }));
}

async function undoLane(run: Run, lane: readonly Action[]): Promise<void> {
  const order = undoOrder(lane, run.ledger);
  const creates = order.some(({ change }) => change.kind === "create-vfs");
  const waiting = creates ? order.filter(goesWithVf) : [];
  const own = creates ? order.filter((action) => !goesWithVf(action)) : order;
  let hasFailed = false;
  for (const batch of inBatches(own, ({ change }) => change)) {
    if (run.isStuck) return;
    const [first] = batch;
    if (hasFailed && first?.change.kind !== "set-autoprobe") continue;
    const isCreation = first?.change.kind === "create-vfs";
    const results = await undoBatch(run, batch, isCreation ? waiting : []);
    const all = isCreation ? [...withVfChanges(waiting, results), ...results] : results;
    await recordUndone(run, isCreation ? [...waiting, ...batch] : batch, all);
    const isPfFailure = first !== undefined && !isOnVf(first.change);
    hasFailed ||= isPfFailure && results.some(({ result }) => result !== "undone");
  }
}

/** Undoes everything that was begun, whatever it came to. */
export async function runBackward(run: Run): Promise<void> {
  run.setup.onProgress({ type: "phase", phase: "undo" });
  const { pfs } = run.lanes();
  await allSettled(pfs.map(async (lane) => await undoLane(run, lane)));
}
