// The emulated host: `Host` over a machine that lives in memory or in a file. Requests become
// operations of the machine; whoever waits for one lets the machine's time run. Time jumps to the
// next thing that happens as soon as nobody in this process has anything else to do, so what is
// asked for at the same moment overlaps, and nothing takes real time unless `speed` says so.

import { SriovError } from "../../model/errors.ts";
import type { Address } from "../../model/bdf.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { HostIdentity, Inventory, Owner } from "../../model/inventory.ts";
import type {
  Host,
  HostRequest,
  InventoryOptions,
  NumaPlace,
  PerformOptions,
  RequestOutcome,
  VfArrival,
} from "../host.ts";
import { buildMachine } from "./build.ts";
import { configSpaceOf } from "./config-space.ts";
import { outcomeOf } from "./describe.ts";
import type { EmulatedHostOptions } from "./emulated-host-options.ts";
import type { MachineEvent } from "./events.ts";
import { applyEvent } from "./events.ts";
import { effectOf, faultKeyOf, takeFaults } from "./faults.ts";
import { factsOf } from "./host-facts.ts";
import { arrivalOf, identityOf, inventoryOf, numaNodesOf } from "./inventory.ts";
import type { Machine } from "./machine.ts";
import { findPf } from "./machine.ts";
import { profileOf } from "./machine-list.ts";
import {
  advanceOnce,
  advanceTo,
  nextWakeMs,
  operationOf,
  startOperation,
  takeOperation,
} from "./operations.ts";
import { ownersOf } from "./owners.ts";
import { printMachine } from "./print.ts";
import { adoptOrphans, sessionOf } from "./sessions.ts";
import type { Operation } from "./state.ts";
import type { MachineStore } from "./store.ts";
import { memoryStore, openStore, removeStore } from "./store.ts";

export interface EmulatedHost extends Host {
  readonly store: MachineStore;
  /** Makes something happen that is no request: a guest opens a VF, a card vanishes. */
  happen(event: MachineEvent): void;
  /** The whole machine as text, for people and tests. */
  print(): string;
  /** What SIGKILL does: nobody waits any more, and the machine goes on. */
  abandon(): void;
}

/** Throws SriovError `host-unknown` for a name, `file-format` for a file that is no machine. */
export async function openEmulatedHost(options: EmulatedHostOptions): Promise<EmulatedHost> {
  const { name, statePath, store: given, reset = false } = options;
  if (given !== undefined) return new MachineHost(given, options);
  const profile = typeof name === "string" ? profileOf(name) : name;
  const build = (): Machine => buildMachine(profile);
  if (reset && statePath !== null) removeStore(statePath);
  const store = statePath === null ? memoryStore(build()) : openStore(statePath, build);
  return new MachineHost(store, options);
}

type Wait<Result> = {
  readonly isReady: (machine: Machine) => boolean;
  readonly deadlineMs: number;
  /** Taken from the machine in the transaction in which the wait ends. */
  readonly result: (machine: Machine) => Result;
};

type Waiter = Omit<Wait<unknown>, "result"> & {
  /** Takes the result; what it returns is called when the machine has been left as it is then. */
  readonly serve: (machine: Machine) => () => void;
};

let hostCount = 0;

class MachineHost implements EmulatedHost {
  readonly store: MachineStore;
  readonly identity: HostIdentity;
  readonly #speed: number;
  readonly #configRoot: string | null;
  readonly #session: string;
  readonly #openedAtRealMs = performance.now();
  readonly #openedAtMs: number;
  #clockMs = 0;
  #waiters: Waiter[] = [];
  #isPumpDue = false;
  #isClosed = false;

  constructor(store: MachineStore, options: EmulatedHostOptions) {
    const { speed = Infinity, faults, lockModel, configRoot = null } = options;
    this.store = store;
    this.#configRoot = configRoot;
    this.#speed = speed;
    this.#session = sessionOf(hostCount++);
    this.identity = store.transact((machine) => {
      const { core } = machine.state;
      if (faults !== undefined) core.faults = faults.map((fault) => ({ fault, seen: 0 }));
      if (lockModel !== undefined) core.lockModel = lockModel;
      adoptOrphans(machine, speed === Infinity);
      this.#clockMs = core.clockMs;
      return identityOf(machine);
    });
    this.#openedAtMs = this.#clockMs;
  }

  /** Real time may have passed, and others may have used the machine. */
  #transact<Result>(change: (machine: Machine) => Result): Result {
    return this.store.transact((machine) => {
      if (this.#speed !== Infinity) advanceTo(machine, this.now());
      try {
        return change(machine);
      } finally {
        this.#clockMs = machine.state.core.clockMs;
      }
    });
  }

  async inventory(options: InventoryOptions): Promise<Inventory> {
    const inventory = this.#inventory(options);
    const root = this.#configRoot;
    if (root === null || (options.claims !== true && options.reservations === undefined)) {
      return inventory;
    }
    const { othersUnder, withOtherManagers } = await import("../other-managers.ts");
    return await withOtherManagers(inventory, options, othersUnder(root));
  }

  async facts(inventory: Inventory): Promise<HostFacts> {
    return this.#transact((machine) => factsOf(machine, inventory));
  }

  #inventory(options: InventoryOptions): Inventory {
    return this.#transact((machine) => {
      const key = { verb: "inventory", target: null, vfIndex: null, attribute: null } as const;
      for (const { effect } of takeFaults(machine.state, key)) {
        if (effect.kind === "event") applyEvent(machine, effect.event);
      }
      return inventoryOf(machine, options);
    });
  }

  async owners(addresses: readonly Address[]): Promise<ReadonlyMap<Address, readonly Owner[]>> {
    return this.#transact(
      (machine) => new Map(addresses.map((address) => [address, ownersOf(machine, address)])),
    );
  }

  async numaNodesOf(place: NumaPlace): Promise<readonly number[]> {
    return this.#transact((machine) => numaNodesOf(machine, place));
  }

  async readConfig(address: Address): Promise<Uint8Array> {
    const bytes = this.#transact((machine) => configSpaceOf(machine, address));
    if (bytes !== null) return bytes;
    const message = `Cannot read config space of ${address}: there is no such function`;
    const detail = { operation: "read config", target: address, errno: "ENOENT" };
    throw new SriovError("not-found", message, detail);
  }

  async perform(request: HostRequest, { deadlineMs }: PerformOptions): Promise<RequestOutcome> {
    const { id, startedAtMs, ended } = this.#transact((machine) => {
      const faults = takeFaults(machine.state, faultKeyOf(request));
      const event = effectOf(faults, "event")?.event;
      if (event !== undefined) applyEvent(machine, event);
      const operation = startOperation(machine, request, { session: this.#session, faults });
      this.#finishNow(machine, operation);
      const { id, startedAtMs, phase } = operation;
      return { id, startedAtMs, ended: phase === "done" ? takeOperation(machine, id) : null };
    });
    const operation =
      ended ??
      (await this.#wait({
        isReady: (machine) => operationOf(machine, id)?.phase === "done",
        deadlineMs: startedAtMs + deadlineMs,
        result: (machine) => takeOperation(machine, id),
      }));
    return outcomeOf(operation);
  }

  /** Link requests are serial under RTNL: with nobody else about, waiting would change nothing. */
  #finishNow(machine: Machine, operation: Operation): void {
    const isAlone = machine.state.core.operations.length === 1 && this.#waiters.length === 0;
    if (!isAlone || this.#speed !== Infinity || operation.request.verb !== "setVf") return;
    while (operation.wakeAtMs !== null) advanceOnce(machine);
  }

  async awaitVfs(pf: Address, numVfs: number, timeoutMs: number): Promise<VfArrival> {
    const result = (machine: Machine): VfArrival => arrivalOf(machine, pf);
    const isReady = (machine: Machine): boolean => {
      const count = findPf(machine, pf)?.vfs.length ?? 0;
      if (count < numVfs || (numVfs === 0 && count > 0)) return false;
      const now = result(machine);
      return now.numVfs === numVfs && now.withoutNetdev.length === 0;
    };
    return await this.#wait({ isReady, deadlineMs: this.now() + timeoutMs, result });
  }

  now(): number {
    if (this.#speed === Infinity) return this.#clockMs;
    const passedMs = (performance.now() - this.#openedAtRealMs) * this.#speed;
    return Math.max(this.#clockMs, this.#openedAtMs + passedMs);
  }

  async sleep(durationMs: number): Promise<void> {
    const deadlineMs = this.now() + durationMs;
    await this.#wait({ isReady: () => false, deadlineMs, result: () => null });
  }

  happen(event: MachineEvent): void {
    this.#transact((machine) => applyEvent(machine, event));
    this.#schedule(0);
  }

  print(): string {
    return this.#transact(printMachine);
  }

  abandon(): void {
    this.#isClosed = true;
    this.#waiters = [];
    this.store.transact((machine) => {
      for (const operation of machine.state.core.operations) {
        if (operation.session === this.#session) operation.session = "";
      }
      const { core } = machine.state;
      core.operations = core.operations.filter(
        ({ phase, session }) => phase !== "done" || session !== "",
      );
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.abandon();
    this.store.close();
  }

  #wait<Result>({ isReady, deadlineMs, result }: Wait<Result>): Promise<Result> {
    return new Promise((resolve) => {
      const serve = (machine: Machine) => {
        const taken = result(machine);
        return () => resolve(taken);
      };
      this.#waiters.push({ isReady, deadlineMs, serve });
      this.#schedule(0);
    });
  }

  /** After everything that runs now has come to wait. */
  #schedule(delayMs: number): void {
    if (this.#isPumpDue || this.#isClosed || this.#waiters.length === 0) return;
    this.#isPumpDue = true;
    const pump = (): void => {
      this.#isPumpDue = false;
      if (!this.#isClosed) this.#pump();
    };
    if (delayMs > 0) setTimeout(pump, delayMs);
    else setImmediate(pump);
  }

  /** Lets time run until somebody is served. */
  #pump(): void {
    const { ready, delayMs, answers } = this.#transact((machine) => {
      const served = this.#runUntilServed(machine);
      return { ...served, answers: served.ready.map(({ serve }) => serve(machine)) };
    });
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const answer of answers) answer();
    this.#schedule(delayMs);
  }

  #runUntilServed(machine: Machine): { ready: Waiter[]; delayMs: number } {
    const { core } = machine.state;
    const soonest = Math.min(...this.#waiters.map(({ deadlineMs }) => deadlineMs));
    for (;;) {
      const ready = this.#waiters.filter(
        ({ isReady, deadlineMs }) => isReady(machine) || core.clockMs >= deadlineMs,
      );
      if (ready.length > 0) return { ready, delayMs: 0 };
      const next = Math.min(nextWakeMs(machine) ?? Infinity, soonest);
      const waitMs = this.#speed === Infinity ? 0 : (next - this.now()) / this.#speed;
      // Real time has to pass; every step is worth looking at, so at most a quarter of a second.
      if (waitMs > 0) return { ready, delayMs: Math.min(Math.max(waitMs, 1), 250) };
      if (next === Infinity) return { ready, delayMs: 250 };
      if (nextWakeMs(machine) === next) advanceOnce(machine);
      else core.clockMs = Math.max(core.clockMs, next);
    }
  }
}
