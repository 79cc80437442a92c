// An emulated machine with a pool and two guests, attaching and detaching on it, and a manager that is
// killed at any one of its steps: a journal write, a host request, a lease transition, a plug. Each counts
// twice, once where it is lost and once where it arrives and nobody hears of it.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { apply } from "../../src/apply/apply.ts";
import { attach, type Attached } from "../../src/apply/attach.ts";
import { detach, previewDetach } from "../../src/apply/detach.ts";
import { holdingsFor } from "../../src/apply/holdings.ts";
import type { JournalSink, JournalStore } from "../../src/apply/journal-store.ts";
import type { Leasing } from "../../src/apply/leasing.ts";
import type { Attaching } from "../../src/apply/plug-run.ts";
import { mendAbandoned } from "../../src/apply/plug-leases.ts";
import { recover } from "../../src/apply/recover.ts";
import type { Report } from "../../src/apply/report.ts";
import { inventoryFor } from "../../src/apply/verify.ts";
import { leasesOfConsumer, withoutVfs } from "../../src/apply/without-vfs.ts";
import { emulatedConsumers } from "../../src/host/emulated/consumers.ts";
import { openEmulatedHost, type EmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Fault } from "../../src/host/emulated/faults.ts";
import type { Host } from "../../src/host/host.ts";
import type { Lease } from "../../src/lease/lease.ts";
import type { LeaseStore } from "../../src/lease/store.ts";
import { parseAssignTarget } from "../../src/model/assign-target.ts";
import type { Consent, Plan } from "../../src/model/plan.ts";
import type { Plug } from "../../src/model/plug.ts";
import type { Spec } from "../../src/model/spec.ts";
import { plan } from "../../src/plan/plan.ts";
import type { Consumers } from "../../src/vmm/consumer.ts";
import { temporaryDirectory } from "../run-program.ts";
import { countingClock } from "../sim/bench.ts";
import { machineProfile, type MachinePlan } from "../sim/machines.ts";
import { memoryJournals } from "../sim/memory-journals.ts";
import { Killed, leasingOn, poolSpec, wishFor } from "./pool-bench.ts";
import { pf } from "./lease-bench.ts";

export type AttachBench = {
  readonly host: EmulatedHost;
  readonly leasing: Leasing;
  readonly session: Attaching;
};

const machine: MachinePlan = {
  pfs: [{ card: "intel-82576", numVfs: 3 }],
  guests: [
    { name: "web1", holds: [] },
    { name: "web2", holds: [] },
  ],
};

export function benchOn(host: EmulatedHost, leasing: Leasing): AttachBench {
  const session: Attaching = {
    now: countingClock(),
    bootMs: () => 0,
    host,
    journals: memoryJournals(),
    lockFd: null,
    consumers: emulatedConsumers((change) => host.store.transact(change)),
    leasing: async () => leasing,
    readLeases: async () => leasing.store.leases(),
  };
  return { host, leasing, session };
}

export async function openAttachBench(
  context: TestContext,
  {
    faults = [],
    guests = machine.guests,
    spec = poolSpec([pf], 2),
  }: {
    readonly faults?: readonly Fault[];
    readonly guests?: MachinePlan["guests"];
    readonly spec?: Spec;
  } = {},
): Promise<AttachBench> {
  const profile = machineProfile({ ...machine, ...(guests === undefined ? {} : { guests }) });
  const host = await openEmulatedHost({ name: profile, statePath: null, faults });
  const path = join(temporaryDirectory(context), "leases.sqlite");
  const leasing = leasingOn(host, spec, path);
  context.after(() => leasing.store.close());
  return benchOn(host, leasing);
}

export const options = {
  keepGoing: false,
  onInterrupt: "undo",
  signal: null,
  onProgress: () => {},
  consent: [],
  command: "test",
} as const;

export async function attachTo(session: Attaching, to: string): Promise<Attached> {
  const consumer = parseAssignTarget(to);
  assert(consumer !== null);
  const none = { form: null, endpoint: null, failover: null, vfToken: null, user: null };
  const vlan = { id: 120, qos: 0, protocol: "802.1q" } as const;
  const terms = {
    ...none,
    mac: "02:00:5e:10:00:01",
    vlan,
    scope: "both",
    ipAddresses: [],
  } as const;
  return await attach(session, { consumer, wish: wishFor(to), terms }, options);
}

export async function planFor(session: Attaching, spec: Spec, consent: Consent): Promise<Plan> {
  const inventory = await inventoryFor(session.host, spec);
  const holdings = await holdingsFor(session, spec, { inventory, consent });
  return plan({ spec, inventory, consent, ...holdings });
}

/** Plans and applies, as `sriovctl apply --yes` does. */
export async function applyTo(
  session: Attaching,
  spec: Spec,
  consent: Consent = [],
): Promise<Report> {
  const planned = await planFor(session, spec, consent);
  const request = { ...options, spec, plan: planned, consent, onProblem: "stop" } as const;
  return await apply(session, request);
}

const isPluggedLease = (lease: Lease): lease is Lease & { readonly plug: Plug } =>
  lease.state === "attached" && lease.plug !== null;

/** null: there was nothing to take out. */
export async function detachFrom(session: Attaching, to: string): Promise<Report | null> {
  const { store } = await session.leasing();
  const lease = store.leases().find(({ holder }) => holder?.name === to);
  if (lease === undefined || !isPluggedLease(lease)) return null;
  return await detach(session, await previewDetach(session, lease, []), options);
}

/** The consumer's VFs go, `work` runs, and they come back. */
export async function runWithout(
  session: Attaching,
  to: string,
  work: () => Promise<void>,
): Promise<Report | null> {
  const { store } = await session.leasing();
  const leases = leasesOfConsumer(store.leases(), to);
  return (await withoutVfs(session, leases, { ...options, work })).back;
}

/** `web1 holds 0000:10:10.0 as net1, 02:00:5e:10:00:01, VLAN 120`. */
export const guestWords = ({ host }: AttachBench): string[] =>
  host.store.transact(({ state }) =>
    state.core.guests.flatMap(({ name, holds, devices = [] }) =>
      holds.map((vf) => {
        const device = devices.find((one) => one.vf === vf);
        return `${name} holds ${vf} as ${device?.name ?? "nothing"}, ${device?.mac}`;
      }),
    ),
  );

type Steps = { readonly before: () => void; readonly after: () => void };

/** Throws at step `at`, counted from 0, and at every one that comes later. */
export function stepsUntil(at: number): Steps & { readonly count: () => number } {
  let count = 0;
  const step = (): void => {
    if (count++ >= at) throw new Killed();
  };
  return { before: step, after: step, count: () => count };
}

async function stepped<T>({ before, after }: Steps, act: () => Promise<T>): Promise<T> {
  before();
  const result = await act();
  after();
  return result;
}

const dyingHost = (host: Host, steps: Steps): Host => ({
  identity: host.identity,
  inventory: async (wish) => await host.inventory(wish),
  facts: async (inventory) => await host.facts(inventory),
  owners: async (addresses) => await host.owners(addresses),
  numaNodesOf: async (place) => await host.numaNodesOf(place),
  readConfig: async (address) => await host.readConfig(address),
  perform: async (request, wish) =>
    await stepped(steps, async () => await host.perform(request, wish)),
  awaitVfs: async (address, numVfs, timeoutMs) => await host.awaitVfs(address, numVfs, timeoutMs),
  now: () => host.now(),
  sleep: async (durationMs) => await host.sleep(durationMs),
  close: async () => await host.close(),
});

const dyingSink = (sink: JournalSink, steps: Steps): JournalSink => ({
  append: async (text) => await stepped(steps, async () => await sink.append(text)),
  close: async () => await sink.close(),
});

const dyingJournals = (journals: JournalStore, steps: Steps): JournalStore => ({
  ...journals,
  create: async (id) =>
    await stepped(steps, async () => dyingSink(await journals.create(id), steps)),
  reopen: async (id, bytes) =>
    await stepped(steps, async () => dyingSink(await journals.reopen(id, bytes), steps)),
});

/** Only what changes leases counts. */
const dyingStore = (store: LeaseStore, { before, after }: Steps): LeaseStore =>
  new Proxy(store, {
    get: (target, name) => {
      if (name === "leases") return () => target.leases();
      if (name !== "transact") return undefined;
      return <T>(work: Parameters<LeaseStore["transact"]>[0]): T => {
        before();
        const result = target.transact(work) as T;
        after();
        return result;
      };
    },
  });

const dyingConsumers =
  (consumers: Consumers, steps: Steps): Consumers =>
  async (kind) => {
    const adapter = await consumers(kind);
    if (adapter === null) return null;
    return {
      look: async (plug) => await adapter.look(plug),
      check: async (plug) => await adapter.check(plug),
      checkUnplug: async (plug) => await adapter.checkUnplug(plug),
      plug: async (plug, deadlineMs) =>
        await stepped(steps, async () => await adapter.plug(plug, deadlineMs)),
      unplug: async (plug, wish) =>
        await stepped(steps, async () => await adapter.unplug(plug, wish)),
    };
  };

const deadPid = 2 ** 22 + 1; // above every kernel's pid_max

/** A session whose process dies as `steps` say. */
export function mortalSession({ host, leasing, session }: AttachBench, steps: Steps): Attaching {
  const dying = dyingHost(host, steps);
  const { consumers = async () => null } = session;
  const store = dyingStore(leasing.store, steps);
  return {
    ...session,
    host: dying,
    journals: dyingJournals(session.journals, steps),
    consumers: dyingConsumers(consumers, steps),
    leasing: async () => ({ ...leasing, host: dying, store, worker: deadPid }),
  };
}

/** Whether it died on the way. */
export async function diesIn(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  }
}

/** What `sriovctl recover` does. */
export async function recoverAll(
  session: Attaching,
  choice: "preferred" | "finish" | "undo",
): Promise<Report | null> {
  const report = await recover(session, { ...options, choice, settleTimeoutMs: 1000 });
  await mendAbandoned(await session.leasing());
  return report;
}
