// Requests in flight, and the time that passes for them. Each operation takes its locks in order,
// then makes one step after another; a step says when the next is due or what it waits for. Time is
// the machine's own and jumps from one due step to the next, so two operations that do not share a
// lock overlap, and one that waits for a guest costs nothing.

import { assert } from "../../model/assert.ts";
import type { HostRequest } from "../host.ts";
import type { Fault } from "./faults.ts";
import { effectOf } from "./faults.ts";
import { findVf, type Machine } from "./machine.ts";
import type { Operation } from "./state.ts";
import type { StepResult } from "./step.ts";
import { done, refused } from "./step.ts";
import { verbOf } from "./verbs/verbs.ts";

export function startOperation(
  machine: Machine,
  request: HostRequest,
  { session, faults }: { readonly session: string; readonly faults: Fault[] },
): Operation {
  const { core } = machine.state;
  const operation: Operation = {
    id: core.nextOperationId++,
    request,
    session,
    startedAtMs: core.clockMs,
    phase: "locking",
    wakeAtMs: null,
    waitsFor: null,
    locks: [],
    locksHeld: 0,
    cursor: 0,
    wanted: 0,
    faults,
    errno: null,
    isMissing: false,
    reason: "",
  };
  const refusal = effectOf(faults, "refuse");
  const early = refusal === null ? verbOf(request.verb).check(machine, request) : null;
  core.operations.push(operation);
  if (refusal !== null) finish(machine, operation, refused(refusal.errno, "fault plan"));
  else if (early !== null) finish(machine, operation, early);
  else if (effectOf(faults, "ignore") !== null) finish(machine, operation, done);
  else {
    operation.locks = [...verbOf(request.verb).locks(machine, request)];
    proceed(machine, operation);
  }
  return operation;
}

/** Takes what locks are free and starts when it has all. */
function proceed(machine: Machine, operation: Operation): void {
  const { core } = machine.state;
  while (operation.locksHeld < operation.locks.length) {
    const lock = operation.locks[operation.locksHeld];
    assert(lock !== undefined, "an operation names the lock it wants");
    if (core.locks[lock] !== undefined) {
      operation.waitsFor = `lock:${lock}`;
      return;
    }
    core.locks[lock] = operation.id;
    operation.locksHeld++;
  }
  operation.waitsFor = null;
  operation.phase = "starting";
  if (effectOf(operation.faults, "hang") !== null) operation.waitsFor = "fault";
  else step(machine, operation);
}

function step(machine: Machine, operation: Operation): void {
  const { core } = machine.state;
  operation.wakeAtMs = null;
  const result = verbOf(operation.request.verb).step(machine, operation.request, operation);
  if (result.next === "again") operation.wakeAtMs = core.clockMs + result.afterMs;
  else if (result.next === "blocked") operation.waitsFor = result.on;
  else finish(machine, operation, result);
}

function finish(machine: Machine, operation: Operation, result: StepResult): void {
  const { core } = machine.state;
  if (result.next === "refused" || result.next === "missing") {
    operation.isMissing = result.next === "missing";
    operation.errno = result.errno;
    operation.reason = result.reason;
  }
  operation.phase = "done";
  operation.wakeAtMs = null;
  operation.waitsFor = null;
  const held = operation.locks.slice(0, operation.locksHeld);
  for (const lock of held) delete core.locks[lock];
  operation.locksHeld = 0;
  if (operation.session === "") {
    core.operations = core.operations.filter((each) => each !== operation);
  }
  for (const lock of held) {
    // First come, first served: ids rise.
    const next = core.operations.find(({ waitsFor }) => waitsFor === `lock:${lock}`);
    if (next !== undefined) proceed(machine, next);
  }
}

export const operationOf = ({ state }: Machine, id: number): Operation | null =>
  state.core.operations.find((operation) => operation.id === id) ?? null;

/** Takes an operation that is done off the machine; any other is left behind. */
export function takeOperation(machine: Machine, id: number): Operation | null {
  const { core } = machine.state;
  const found = operationOf(machine, id);
  if (found?.phase === "done") {
    core.operations = core.operations.filter((each) => each !== found);
  } else if (found !== null) {
    // It ends by itself, and nobody asks how.
    found.session = "";
  }
  return found;
}

/** When the machine does something next by itself; null when it never does. */
export function nextWakeMs({ state }: Machine): number | null {
  let next: number | null = null;
  for (const { wakeAtMs } of state.core.operations) {
    if (wakeAtMs !== null && (next === null || wakeAtMs < next)) next = wakeAtMs;
  }
  return next;
}

/** Makes the one step that is due next, at its time. */
export function advanceOnce(machine: Machine): void {
  const { core } = machine.state;
  const at = nextWakeMs(machine);
  const operation = core.operations.find(({ wakeAtMs }) => wakeAtMs === at && at !== null);
  if (operation === undefined || at === null) return;
  core.clockMs = Math.max(core.clockMs, at);
  step(machine, operation);
}

/** Lets time pass until `untilMs`. */
export function advanceTo(machine: Machine, untilMs: number): void {
  for (let at = nextWakeMs(machine); at !== null && at <= untilMs; at = nextWakeMs(machine)) {
    advanceOnce(machine);
  }
  const { core } = machine.state;
  core.clockMs = Math.max(core.clockMs, untilMs);
}

/**
 * Whether a write to the PF's VF count is in flight, or anything else that its manager did not live
 * to see the end of: on Linux a request dies with its process only when the kernel is done with
 * it, and whoever comes next finds the apply lock taken until then.
 */
export const isChanging = (machine: Machine, pf: string): boolean =>
  machine.state.core.operations.some(({ request, phase, session }) => {
    if (phase === "done") return false;
    if (request.verb === "setNumVfs") return request.pf === pf;
    return session === "" && pfOfRequest(machine, request) === pf;
  });

function pfOfRequest(machine: Machine, request: HostRequest): string | null {
  if ("pf" in request) return request.pf;
  return "address" in request ? (findVf(machine, request.address)?.pf.address ?? null) : null;
}
