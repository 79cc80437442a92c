// Tells of functions that a consumer keeps when it is to be without those that it was given.

import { othersOfConsumer } from "../apply/others-of-consumer.ts";
import type { Attaching } from "../apply/plug-run.ts";
import { fullInventory } from "../host/host.ts";
import type { Context } from "./context.ts";
import { clean } from "./style.ts";

/** Of a consumer, of one of its devices that has no lease, or nothing. */
export async function tellOthers(
  { log }: Context,
  { host, leasing }: Attaching,
  named: string,
): Promise<void> {
  const leases = (await leasing()).store.leases();
  const others = othersOfConsumer(await host.inventory(fullInventory), named, leases);
  if (others.length === 0) return;
  const [consumer = ""] = named.split("/");
  const message = `${clean(consumer)} keeps ${others.join(", ")}: not given to it by a lease of sriovctl`;
  log.warn(message, "Take VFs out where they were put in, a complete PF with detach --whole");
}
