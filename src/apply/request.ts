// The one door to a mutating host call. The census stands in it: the first request of a change
// asks who would be hit, so a change that finds the host as wanted asks nobody and hits nobody.

import type { Host, HostRequest } from "../host/host.ts";
import { isPfChange, type Action, type Change, type ChangeKind } from "../model/action.ts";
import type { Address } from "../model/bdf.ts";
import type { Consumers } from "../vmm/consumer.ts";

export type Of<Kind extends ChangeKind> = Extract<Change, { readonly kind: Kind }>;

export const pfOf = (change: Change): Address | null => (isPfChange(change) ? change.pf : null);

/** Actions by PF, and under null those of the whole host, each in the given order. */
export const lanesOf = (actions: readonly Action[]): Map<Address | null, Action[]> =>
  Map.groupBy(actions, ({ change }) => pfOf(change));

export type HostAccess = {
  readonly host: Host;
  /** Descriptor of the apply lock, for writers that may outlive us. */
  readonly lockFd: number | null;
};

export type Bench = HostAccess & {
  readonly consumers: Consumers;
  /** Throws `would-disrupt`; asked once a change, before its first request. */
  readonly permit: () => Promise<void>;
  /** Users whom this change brought, not found: to hit them later hits nobody else. */
  readonly noteBrought: (users: readonly string[]) => void;
  readonly noteMissingNetdevs: (pf: Address, vfIndexes: readonly number[]) => void;
};

/** `requested`: whether it took is seen later, for many at once (binding.ts). */
export type Executed =
  | { readonly status: "done" }
  | { readonly status: "requested" }
  | { readonly status: "stuck"; readonly pid: number | null };

export const done: Executed = { status: "done" };

const baseDeadlineMs = 60_000;
const perVfDeadlineMs = 1_000;

/** Time after which a request counts as stuck; creating and removing take longer with more VFs. */
export const deadlineMs = (numVfs: number): number => baseDeadlineMs + numVfs * perVfDeadlineMs;

const settleBaseMs = 10_000;
const settlePerVfMs = 100;

/** How long links and netdevs of so many VFs may take to come. */
export const settleMs = (numVfs: number): number => settleBaseMs + settlePerVfMs * numVfs;

/** For requests that nobody can be hit by: nothing is asked and nothing noted. */
/** Where nothing is attached. */
export const noConsumers: Consumers = async () => null;

export const noNotes: Omit<Bench, keyof HostAccess> = {
  consumers: noConsumers,
  permit: async () => {},
  noteBrought: () => {},
  noteMissingNetdevs: () => {},
};

export async function request(bench: Bench, what: HostRequest, numVfs = 0): Promise<Executed> {
  await bench.permit();
  const { host, lockFd } = bench;
  return await host.perform(what, { deadlineMs: deadlineMs(numVfs), lockFd });
}
