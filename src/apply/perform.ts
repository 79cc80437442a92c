// Makes a list of changes on one PF, in order. A failing VF is left out from then on and the
// others go on; a failing change of the PF itself ends the list, because everything after it
// was planned for a PF that it did not become. The one thing that still happens then is the last
// change of autoprobe: a PF must not be left refusing drivers.

import type { Host } from "../host/host.ts";
import type { Consumers } from "../vmm/consumer.ts";
import { isOnVf, type Change, type PfChange } from "../model/action.ts";
import type { Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { changeWords } from "../plan/plan-text.ts";
import { settleBindings } from "./binding.ts";
import { refuseUnnamedUsers } from "./census.ts";
import { executeOnPf } from "./executors.ts";
import { errorOf, type ActionError } from "./journal.ts";
import type { PfView } from "./pf-view.ts";
import { settleMs, type Bench, type Executed, type Of } from "./request.ts";

type Bind = Of<"bind-driver">;

export type ChangeOutcome =
  | { readonly status: "done" }
  | { readonly status: "not-run" }
  | { readonly status: "failed"; readonly error: ActionError }
  | { readonly status: "stuck"; readonly error: ActionError };

export type Performer = {
  readonly host: Host;
  readonly lockFd: number | null;
  readonly consumers: Consumers;
  readonly consent: ReadonlySet<string>;
  readonly view: PfView;
  /** Asked before each change; true leaves the rest undone. */
  readonly shouldStop: () => boolean;
  readonly onStart: (index: number) => void;
  readonly onOutcome: (index: number, outcome: ChangeOutcome) => void;
  readonly onBrought: (users: readonly string[]) => void;
  readonly onMissingNetdevs: (pf: Address, vfIndexes: readonly number[]) => void;
};

const notRun: ChangeOutcome = { status: "not-run" };

export const failed = (error: SriovError): ChangeOutcome => ({
  status: "failed",
  error: errorOf(error),
});

export function stuck(change: Change, target: string, pid: number | null): ChangeOutcome {
  const writer = pid === null ? "the kernel" : `process ${pid}`;
  const words = changeWords(change);
  const message = `Cannot ${words} on ${target}: ${writer} is still at it after the deadline`;
  const detail = { operation: change.kind, target };
  return { status: "stuck", error: errorOf(new SriovError("stuck", message, detail)) };
}

/** Asks once, however many requests a change needs. */
function once(ask: () => Promise<void>): () => Promise<void> {
  let asked: Promise<void> | null = null;
  return async () => {
    asked ??= ask();
    await asked;
  };
}

class PfRun {
  readonly #changes: readonly PfChange[];
  readonly #performer: Performer;
  readonly #view: PfView;
  readonly #outcomes: ChangeOutcome[];
  readonly #failedVfs = new Set<number>();
  /** Requested bindings that nobody has looked at yet, by their index in `changes`. */
  readonly #pending = new Map<number, Bind>();
  readonly #pendingVfs = new Set<number>();
  readonly #written = new Set<string>();

  constructor(changes: readonly PfChange[], performer: Performer) {
    this.#changes = changes;
    this.#performer = performer;
    this.#view = performer.view;
    this.#outcomes = changes.map(() => notRun);
  }

  async run(): Promise<readonly ChangeOutcome[]> {
    for (const [index, change] of this.#changes.entries()) {
      if (this.#performer.shouldStop()) break;
      if (isOnVf(change) && this.#failedVfs.has(change.vfIndex)) continue;
      if (this.#mustSettleBefore(change)) await this.#settle();
      const outcome = await this.#perform(index, change);
      if (outcome.status === "stuck") break;
      if (outcome.status === "failed" && !isOnVf(change)) {
        await this.#putBackAutoprobe(index);
        break;
      }
    }
    // The last look at bindings comes after every request; without one the view is out of date.
    const isSeen = this.#pending.size > 0;
    await this.#settle();
    if (!isSeen) this.#view.forget();
    return this.#outcomes;
  }

  #mustSettleBefore(change: PfChange): boolean {
    return isOnVf(change) ? this.#pendingVfs.has(change.vfIndex) : this.#pending.size > 0;
  }

  #note(index: number, outcome: ChangeOutcome): void {
    const change = this.#changes[index];
    this.#outcomes[index] = outcome;
    if (outcome.status === "failed" && change !== undefined && isOnVf(change)) {
      this.#failedVfs.add(change.vfIndex);
    }
    this.#performer.onOutcome(index, outcome);
  }

  #benchFor(change: PfChange): Bench {
    const { host, lockFd, consumers, onBrought, onMissingNetdevs } = this.#performer;
    const permit = once(async () => {
      await refuseUnnamedUsers(change, await this.#view.read(), this.#performer);
    });
    const notes = { noteBrought: onBrought, noteMissingNetdevs: onMissingNetdevs };
    return { host, lockFd, consumers, permit, ...notes };
  }

  async #perform(index: number, change: PfChange): Promise<ChangeOutcome> {
    this.#performer.onStart(index);
    this.#forgetIfRewritten(change);
    try {
      const executed = await executeOnPf(change, this.#view, this.#benchFor(change));
      if (executed.status === "requested" && change.kind === "bind-driver") {
        this.#pending.set(index, change);
        this.#pendingVfs.add(change.vfIndex);
        return { status: "done" };
      }
      const outcome = this.#outcomeOf(executed, change);
      this.#note(index, outcome);
      return outcome;
    } catch (error) {
      // Everything else is a bug or a crash, and the journal makes that safe.
      if (!(error instanceof SriovError)) throw error;
      this.#view.forget();
      const outcome = failed(error);
      this.#note(index, outcome);
      return outcome;
    }
  }

  #outcomeOf(executed: Executed, change: PfChange): ChangeOutcome {
    return executed.status === "stuck"
      ? stuck(change, change.pf, executed.pid)
      : { status: "done" };
  }

  /** The view does not know what a setting did; a second one of the same name must look again. */
  #forgetIfRewritten(change: PfChange): void {
    if (change.kind !== "set-vf") return;
    const key = `${change.vfIndex} ${change.attribute.name}`;
    if (this.#written.has(key)) this.#view.forget();
    this.#written.add(key);
  }

  async #settle(): Promise<void> {
    if (this.#pending.size === 0) return;
    const pending = [...this.#pending];
    this.#pending.clear();
    this.#pendingVfs.clear();
    const binds = pending.map(([, bind]) => bind);
    const failures = await this.#failedBindings(binds);
    await this.#awaitNetdevs(binds.filter((bind) => !failures.has(bind)));
    for (const [index, bind] of pending) {
      const failure = failures.get(bind);
      this.#note(index, failure === undefined ? { status: "done" } : failed(failure));
    }
  }

  /** Whoever is started after us looks for the netdevs, and some drivers make them late. */
  async #awaitNetdevs(binds: readonly Bind[]): Promise<void> {
    const forKernel = new Set(
      binds.flatMap(({ driver, vfIndex }) => (driver === "kernel" ? [vfIndex] : [])),
    );
    const [first] = binds;
    if (first === undefined || forKernel.size === 0) return;
    const { host, onMissingNetdevs } = this.#performer;
    try {
      const { numVfs } = await this.#view.read();
      const { withoutNetdev } = await host.awaitVfs(first.pf, numVfs, settleMs(numVfs));
      this.#view.forget();
      const missing = withoutNetdev.filter((vfIndex) => forKernel.has(vfIndex));
      if (missing.length > 0) onMissingNetdevs(first.pf, missing);
    } catch (error) {
      // The PF went away: what comes next says so.
      if (!(error instanceof SriovError)) throw error;
    }
  }

  async #failedBindings(binds: readonly Bind[]): Promise<ReadonlyMap<Bind, SriovError>> {
    const { host, lockFd } = this.#performer;
    try {
      return await settleBindings(binds, this.#view, { host, lockFd });
    } catch (error) {
      // The PF went away: none of them can be called bound.
      if (!(error instanceof SriovError)) throw error;
      return new Map(binds.map((bind) => [bind, error]));
    }
  }

  async #putBackAutoprobe(failedIndex: number): Promise<void> {
    const isAutoprobe = ({ kind }: PfChange): boolean => kind === "set-autoprobe";
    const last = this.#changes.findLastIndex(isAutoprobe);
    const change = this.#changes[last];
    if (change === undefined || last < failedIndex) return;
    if (this.#changes.slice(0, failedIndex).some(isAutoprobe)) await this.#perform(last, change);
  }
}

/** Changes of the PF of the performer's view. One outcome a change, in order. Rejects only for bugs and for a host that broke off. */
export async function performOnPf(
  changes: readonly PfChange[],
  performer: Performer,
): Promise<readonly ChangeOutcome[]> {
  return await new PfRun(changes, performer).run();
}
