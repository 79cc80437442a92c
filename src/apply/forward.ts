// Runs actions forwards: those of the whole host first, then every PF in its own lane, side by
// side. What a lane does at a failure is in docs/apply.md ("What triggers an undo").

import { formatAssignTarget } from "../model/assign-target.ts";
import { isOnVf, isPfChange, isPlugChange, type Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import { moduleOf } from "../plan/binding.ts";
import { loadModule } from "./executors.ts";
import type { RecordedResult } from "./journal.ts";
import { failed, performOnPf, stuck, type ChangeOutcome } from "./perform.ts";
import { allSettled, inBatches, type Run } from "./run.ts";
import { noNotes, pfOf } from "./request.ts";

function resultOf(action: Action, outcome: ChangeOutcome): RecordedResult {
  const { status } = outcome;
  return "error" in outcome
    ? { action: action.id, result: status, error: outcome.error }
    : { action: action.id, result: status };
}

async function performBatch(run: Run, batch: readonly Action[]): Promise<RecordedResult[]> {
  const [first] = batch;
  const pf = first === undefined ? null : pfOf(first.change);
  if (first === undefined || pf === null) return [];
  const at = (index: number): Action => batch[index] ?? first;
  const performer = run.performer(pf, {
    shouldStop: () => run.stopReason !== null,
    onStart: (index) => run.start("do", at(index)),
    onOutcome: (index, outcome) => run.finish("do", at(index), resultOf(at(index), outcome)),
  });
  const changes = batch.map(({ change }) => change).filter(isPfChange);
  const outcomes = await performOnPf(changes, performer);
  return outcomes.map((outcome, index) => resultOf(at(index), outcome));
}

async function performModule(run: Run, action: Action): Promise<RecordedResult[]> {
  const { change } = action;
  if (change.kind !== "load-module") return [];
  const { host, lockFd } = run.setup;
  const bench = { host, lockFd, ...noNotes };
  run.start("do", action);
  let outcome: ChangeOutcome = { status: "done" };
  try {
    const executed = await loadModule(change, bench);
    if (executed.status === "stuck") outcome = stuck(change, "the host", executed.pid);
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    outcome = failed(error);
  }
  const result = resultOf(action, outcome);
  run.finish("do", action, result);
  return [result];
}

/**
 * The census stops a change before its first request; a creation that the kernel refuses makes
 * no VF, so VFs that are there then are somebody else's.
 */
function hadNoEffect({ change }: Action, { result, error }: RecordedResult): boolean {
  if (result !== "failed" || error === undefined) return false;
  return error.code === "would-disrupt" || (change.kind === "create-vfs" && error.errno !== null);
}

/** A VF that was taken from its consumer has to come back: where that fails, all goes back. */
function mustComeBack(lane: readonly Action[], { target }: Pick<Action, "target">): boolean {
  const consumers = new Set<string>();
  for (const { change } of lane) {
    if (change.kind === "detach-vf") consumers.add(formatAssignTarget(change.plug.consumer));
  }
  return lane.some(
    ({ change, target: other }) =>
      other === target &&
      isPlugChange(change) &&
      consumers.has(formatAssignTarget(change.plug.consumer)),
  );
}

/** Intent, requests, result. False when nothing further of this lane may run. */
async function runBatch(
  run: Run,
  batch: readonly Action[],
  lane: readonly Action[],
): Promise<boolean> {
  const [first] = batch;
  if (first === undefined || run.stopReason !== null) return false;
  const fresh = new Set(batch.filter((action) => run.stateOf(action) === "not-run"));
  await run.intend("do", batch);
  const perform = isPfChange(first.change) ? performBatch(run, batch) : performModule(run, first);
  const results = (await perform).flatMap((result, index): RecordedResult[] => {
    const action = batch[index];
    if (action === undefined || fresh.has(action)) {
      return action !== undefined && hadNoEffect(action, result)
        ? [{ ...result, noEffect: true }]
        : [result];
    }
    // An earlier run may have done what this one did not reach: it stays in doubt.
    return result.result === "not-run" ? [] : [result];
  });
  await run.record("do", results);
  if (results.some(({ result }) => result === "stuck")) {
    run.stop("stuck");
    return false;
  }
  return batch.every(
    (action) =>
      run.stateOf(action) === "done" || (isOnVf(action.change) && !mustComeBack(lane, action)),
  );
}

/** With keep-going a PF that failed must still not be left refusing drivers. */
async function putBackAutoprobe(run: Run, lane: readonly Action[]): Promise<void> {
  const ofAutoprobe = lane.filter(({ change }) => change.kind === "set-autoprobe");
  const last = ofAutoprobe.at(-1);
  const isBegun = ofAutoprobe.some((action) => run.stateOf(action) === "done");
  if (last !== undefined && isBegun && run.stateOf(last) === "not-run")
    await runBatch(run, [last], lane);
}

async function runLane(
  run: Run,
  lane: readonly Action[],
  todo: ReadonlySet<string>,
): Promise<void> {
  const actions = lane.filter(({ id }) => todo.has(id));
  const failedVfs = new Set<string>();
  for (const whole of inBatches(actions, ({ change }) => change)) {
    // A VF that failed gets nothing more: least of all a driver without its policy.
    const batch = whole.filter(({ target }) => !failedVfs.has(target));
    if (batch.length === 0) continue;
    const isSound = await runBatch(run, batch, lane);
    for (const action of batch) {
      const hasFailed = run.stateOf(action) === "failed";
      if (hasFailed && isOnVf(action.change)) failedVfs.add(action.target);
    }
    if (isSound) continue;
    if (run.stopReason !== null) return;
    if (run.setup.keepGoing) await putBackAutoprobe(run, lane);
    else run.stop("failure");
    return;
  }
}

/** Modules that did not load, as drivers name them. */
const failedModules = (run: Run, host: readonly Action[]): Set<string> =>
  new Set(
    host.flatMap((action) => {
      const { change } = action;
      const isLoaded = run.stateOf(action) === "done";
      return isLoaded || change.kind !== "load-module" ? [] : [change.module];
    }),
  );

const needsOneOf = (modules: ReadonlySet<string>, lane: readonly Action[]): boolean =>
  lane.some(({ change }) => {
    const module = change.kind === "bind-driver" ? moduleOf(change.driver) : null;
    return module !== null && modules.has(module);
  });

/** Runs the actions with these ids; on return `run.stopReason` says whether all were reached. */
export async function runForward(run: Run, ids: readonly string[]): Promise<void> {
  run.setup.onProgress({ type: "phase", phase: "apply" });
  const todo = new Set(ids);
  const { host, pfs } = run.lanes();
  for (const action of host) await runLane(run, [action], todo);
  if (run.stopReason !== null) return;
  // A PF cannot end as planned without its modules; nothing of it is begun then.
  const modules = failedModules(run, host);
  const lanes = pfs.filter((lane) => !needsOneOf(modules, lane));
  await allSettled(lanes.map(async (lane) => await runLane(run, lane, todo)));
}
