// What a session needs to give VFs to consumers and to take them back: adapters, and leases. Both are
// loaded when the first attached VF is looked after, because most sessions have none.

import type { Leasing } from "../apply/leasing.ts";
import type { Surroundings } from "../apply/holdings.ts";
import type { Host } from "../host/host.ts";
import type { Lease } from "../lease/lease.ts";
import type { Plug } from "../model/plug.ts";
import type { Session } from "../apply/session.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Context } from "./context.ts";
import type { LeasePlaces } from "./leasing.ts";

type Opening = LeasePlaces & Reading;

type Reading = Pick<Context, "wiring" | "hostName" | "paths" | "hostPaths">;

/** For a plan: asks consumers and reads leases, and makes nothing. */
export function readingOf(around: Reading, host: Host): Required<Surroundings> {
  let found: Promise<Consumers> | null = null;
  const consumers: Consumers = async (kind) => {
    found ??= around.wiring.openConsumers(around.hostName, host, around.paths);
    const consumersOfHost = await found;
    return await consumersOfHost(kind);
  };
  return { consumers, readLeases: async () => await leasesIn(around.hostPaths.leaseFile) };
}

/** Of a file that need not be there, and is not made. */
export async function leasesIn(path: string): Promise<readonly Lease[]> {
  const { openLeasesIfThere } = await import("../lease/store.ts");
  const store = openLeasesIfThere(path);
  try {
    return store?.leases() ?? [];
  } finally {
    store?.close();
  }
}

/** What consumers have, by the leases in a file. */
export const attachedPlugs = async (leaseFile: string): Promise<readonly Plug[]> =>
  (await leasesIn(leaseFile)).flatMap(({ state, plug }) =>
    state === "attached" && plug !== null ? [plug] : [],
  );

export function attachingOf(around: Opening, { host, lockFd }: Session, specFile: string | null) {
  let opened: Promise<Leasing> | null = null;
  const open = async (): Promise<Leasing> =>
    (await import("./leasing.ts")).openLeasing(around, { host, lockFd, file: specFile });
  const leasing = async (): Promise<Leasing> => await (opened ??= open());
  const closeLeases = async (): Promise<void> => {
    (await opened?.catch(() => null))?.store.close();
  };
  return { ...readingOf(around, host), leasing, closeLeases };
}
