// What a session needs to give VFs to consumers and to take them back: adapters, and leases. Both are
// loaded when the first attached VF is looked after, because most sessions have none.

import type { Leasing } from "../apply/leasing.ts";
import type { Session } from "../apply/session.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Context } from "./context.ts";
import type { LeasePlaces } from "./leasing.ts";

type Surroundings = LeasePlaces & Pick<Context, "wiring" | "hostName">;

export function attachingOf(
  around: Surroundings,
  { host, lockFd }: Session,
  specFile: string | null,
) {
  let opened: Promise<Leasing> | null = null;
  let found: Promise<Consumers> | null = null;
  const open = async (): Promise<Leasing> =>
    (await import("./leasing.ts")).openLeasing(around, { host, lockFd, file: specFile });
  const leasing = async (): Promise<Leasing> => await (opened ??= open());
  const consumers: Consumers = async (kind) => {
    found ??= around.wiring.openConsumers(around.hostName, host, around.paths);
    const consumersOfHost = await found;
    return await consumersOfHost(kind);
  };
  const closeLeases = async (): Promise<void> => {
    (await opened?.catch(() => null))?.store.close();
  };
  return { leasing, consumers, closeLeases };
}
