// Tells of functions that a consumer keeps when it is to be without those that it was given.

import { othersOfConsumer } from "../apply/others-of-consumer.ts";
import type { Session } from "../apply/session.ts";
import { fullInventory } from "../host/host.ts";
import type { Lease } from "../lease/lease.ts";
import type { Context } from "./context.ts";
import { clean } from "./style.ts";

export async function tellOthers(
  { log }: Context,
  { host }: Session,
  consumer: string,
  leases: readonly Lease[],
): Promise<void> {
  const others = othersOfConsumer(await host.inventory(fullInventory), consumer, leases);
  if (others.length === 0) return;
  const message = `${clean(consumer)} keeps ${others.join(", ")}: not given to it by a lease of sriovctl`;
  log.warn(message, "Take VFs out where they were put in, a complete PF with detach --whole");
}
