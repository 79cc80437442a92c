// One running apply: the state of every action, the journal writes that frame them, and the
// reasons to stop. Forwards and backwards run (forward.ts, backward.ts) share it. An intent is
// durable before its first request, a result before the next intent of the same PF.

import type { Host } from "../host/host.ts";
import type { Consumers } from "../vmm/consumer.ts";
import { isOnVf, type Action, type Change } from "../model/action.ts";
import { vfTarget, type Address } from "../model/bdf.ts";
import type { Problem } from "../model/problem.ts";
import {
  enter,
  ledgerOf,
  type ActionError,
  type ActionResult,
  type ActionState,
  type Direction,
  type Ledger,
  type OpenLedger,
  type RecordedResult,
  type StepEntry,
} from "./journal.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Performer } from "./perform.ts";
import { PfView } from "./pf-view.ts";
import { lanesOf } from "./request.ts";

export type Progress =
  | { readonly type: "phase"; readonly phase: "apply" | "undo" | "verify" }
  | { readonly type: "start"; readonly direction: Direction; readonly action: Action }
  | {
      readonly type: "result";
      readonly direction: Direction;
      readonly action: Action;
      readonly result: ActionResult;
      readonly error: ActionError | null;
    };

/** Why nothing further is begun. */
type StopReason = "failure" | "stuck" | "interrupt";

type RunSetup = {
  readonly host: Host;
  readonly lockFd: number | null;
  readonly consumers: Consumers;
  readonly writer: JournalWriter;
  readonly actions: readonly Action[];
  readonly consent: Iterable<string>;
  readonly keepGoing: boolean;
  /** Where it begins: nothing for a new journal. */
  readonly ledger: Ledger;
  readonly signal: AbortSignal | null;
  readonly onProgress: (progress: Progress) => void;
};

export class Run {
  readonly setup: RunSetup;
  readonly consent: Set<string>;
  readonly ledger: OpenLedger;
  readonly warnings: Problem[] = [];
  /** Kept over the batches of a PF: to read one with 65,000 VFs costs more than a batch. */
  readonly #views = new Map<Address, PfView>();
  #stop: StopReason | null = null;

  constructor(setup: RunSetup) {
    this.setup = setup;
    this.consent = new Set(setup.consent);
    this.ledger = ledgerOf(setup.ledger);
  }

  /** Actions of the whole host first, then the PFs' own, each in plan order. */
  lanes(): { readonly host: readonly Action[]; readonly pfs: readonly (readonly Action[])[] } {
    const lanes = lanesOf(this.setup.actions);
    const host = lanes.get(null) ?? [];
    lanes.delete(null);
    return { host, pfs: [...lanes.values()] };
  }

  stateOf({ id }: Action): ActionState {
    return this.ledger.states.get(id) ?? "not-run";
  }

  get stopReason(): StopReason | null {
    if (this.#stop === null && this.setup.signal?.aborted === true) this.#stop = "interrupt";
    return this.#stop;
  }

  /** The first reason stands, except that a stuck write outranks every other. */
  stop(reason: StopReason): void {
    if (this.#stop === null || reason === "stuck") this.#stop = reason;
  }

  get isStuck(): boolean {
    return this.#stop === "stuck";
  }

  async intend(direction: Direction, actions: readonly Action[]): Promise<void> {
    await this.#write({ entry: "intent", direction, actions: actions.map(({ id }) => id) });
  }

  async record(direction: Direction, results: readonly RecordedResult[]): Promise<void> {
    await this.#write({ entry: "result", direction, results });
  }

  /** Durable first: memory never knows more than a recovery would. */
  async #write(step: StepEntry): Promise<void> {
    await this.setup.writer.write(step);
    enter(this.ledger, step);
  }

  start(direction: Direction, action: Action): void {
    this.setup.onProgress({ type: "start", direction, action });
  }

  finish(direction: Direction, action: Action, { result, error }: Omit<RecordedResult, "action">) {
    this.setup.onProgress({ type: "result", direction, action, result, error: error ?? null });
  }

  performer(
    pf: Address,
    hooks: Pick<Performer, "shouldStop" | "onStart" | "onOutcome">,
  ): Performer {
    const { host, lockFd, consumers } = this.setup;
    const view = this.#views.get(pf) ?? new PfView(host, pf);
    this.#views.set(pf, view);
    const onMissingNetdevs = this.noteMissingNetdevs.bind(this);
    const onBrought = (users: readonly string[]): void => {
      for (const user of users) this.consent.add(user);
    };
    const { consent } = this;
    const notes = { onBrought, onMissingNetdevs };
    return { host, lockFd, consumers, view, consent, ...notes, ...hooks };
  }

  noteMissingNetdevs(pf: Address, vfIndexes: readonly number[]): void {
    for (const vfIndex of vfIndexes) {
      const where = vfTarget(pf, vfIndex);
      const message = `${where} has a network driver but no netdev came in time`;
      this.warnings.push({ code: "netdev-missing", where, message, hint: "See the kernel log" });
    }
  }
}

/** Runs of consecutive changes of VFs share their journal writes; every other one has its own. */
export function inBatches<Item>(
  items: readonly Item[],
  changeOf: (item: Item) => Change,
): (readonly Item[])[] {
  const batches: Item[][] = [];
  let isOpen = false;
  for (const item of items) {
    const isShared = isOnVf(changeOf(item));
    const last = batches.at(-1);
    if (isShared && isOpen && last !== undefined && last.length < batchLimit) last.push(item);
    else batches.push([item]);
    isOpen = isShared;
  }
  return batches;
}

/** How many actions a crash can leave in doubt at once, on one PF. */
const batchLimit = 4096;

/** Waits for all, then throws the first rejection: no PF is left running unattended. */
export async function allSettled(promises: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(promises)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
