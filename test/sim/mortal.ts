// A manager that dies at a chosen point, as SIGKILL leaves it: from then on nothing that it waits
// for ever comes back, its writes are lost, and what it had asked of the kernel goes on without
// it. Points are journal writes and host requests, counted from 0.

import type { JournalSink, JournalStore } from "../../src/apply/journal-store.ts";
import type { Session } from "../../src/apply/session.ts";
import type { EmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Host } from "../../src/host/host.ts";

export type CrashPoint =
  /** The journal write with this number is lost, with everything after it. */
  | { readonly write: number }
  /** The write arrives, and nothing after it. */
  | { readonly afterWrite: number }
  /** The request reaches the kernel, and nobody hears the answer. */
  | { readonly request: number };

type Mortal = {
  readonly session: Session;
  /** Resolves at the moment of death. */
  readonly died: Promise<"died">;
  readonly count: () => { readonly writes: number; readonly requests: number };
};

/** One for each who waits: a promise keeps all that wait for it, and so whole machines that are dead. */
const never = (): Promise<never> => new Promise(() => {});

export function mortal(
  { journals, ...session }: Session,
  host: EmulatedHost,
  point: CrashPoint | null,
): Mortal {
  let isDead = false;
  let writes = 0;
  let requests = 0;
  const { promise: died, resolve } = Promise.withResolvers<"died">();
  const die = async (): Promise<never> => {
    isDead = true;
    host.abandon();
    resolve("died");
    return await never();
  };
  const alive = async <Result>(act: () => Promise<Result>): Promise<Result> =>
    isDead ? await never() : await act();

  const written = async <Result>(act: () => Promise<Result>): Promise<Result> => {
    if (isDead) return await never();
    const number = writes++;
    if (point !== null && "write" in point && point.write === number) return await die();
    const result = await act();
    if (point !== null && "afterWrite" in point && point.afterWrite === number) return await die();
    return result;
  };
  const sinkOf = (sink: JournalSink): JournalSink => ({
    append: async (text) => await written(async () => await sink.append(text)),
    close: async () => await alive(async () => await sink.close()),
  });
  const store: JournalStore = {
    ...journals,
    create: async (id) => await written(async () => sinkOf(await journals.create(id))),
    reopen: async (id, soundBytes) =>
      await written(async () => sinkOf(await journals.reopen(id, soundBytes))),
  };
  const dying: Host = {
    identity: host.identity,
    inventory: async (options) => await alive(async () => await host.inventory(options)),
    facts: async (inventory) => await alive(async () => await host.facts(inventory)),
    owners: async (addresses) => await alive(async () => await host.owners(addresses)),
    numaNodesOf: async (place) => await alive(async () => await host.numaNodesOf(place)),
    readConfig: async (address) => await alive(async () => await host.readConfig(address)),
    perform: async (request, options) => {
      if (isDead) return await never();
      const number = requests++;
      if (point === null || !("request" in point) || point.request !== number) {
        return await host.perform(request, options);
      }
      // Whatever it comes to, nobody is there to hear it.
      host.perform(request, options).catch(() => {});
      return await die();
    },
    awaitVfs: async (pf, numVfs, timeoutMs) =>
      await alive(async () => await host.awaitVfs(pf, numVfs, timeoutMs)),
    now: () => host.now(),
    sleep: async (durationMs) => await alive(async () => await host.sleep(durationMs)),
    close: async () => await alive(async () => await host.close()),
  };
  return {
    session: { ...session, host: dying, journals: store },
    died,
    count: () => ({ writes, requests }),
  };
}
