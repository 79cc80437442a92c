// A PF that was opened, or reset by its driver when VFs came or went, has no carrier for a moment,
// and some drivers take no VF rate without one (igb: seen on a real kernel right after VFs were
// made). So a rate waits for the link of a PF that is up.

import { traitsOf } from "../plan/driver-traits.ts";
import type { PfView } from "./pf-view.ts";

/** Autonegotiation takes seconds on copper; without a cable it never ends. */
const patienceMs = 10_000;
const pollMs = 100;

/** Whether waiting could help: the netdev is up, has no carrier, and the driver minds. */
async function lacksLink(view: PfView): Promise<boolean> {
  const { driver, netdevs } = await view.read();
  const [netdev] = netdevs;
  const isWaiting = netdev?.isUp === true && netdev.hasLink === false;
  return isWaiting && traitsOf(driver).rateNeedsLink;
}

/** Returns when the link is there, or when patience is at its end: then the driver says why not. */
export async function awaitLink(view: PfView): Promise<void> {
  const { host } = view;
  const untilMs = host.now() + patienceMs;
  while ((await lacksLink(view)) && host.now() < untilMs) {
    await host.sleep(pollMs);
    view.forget();
  }
}
