// What a consumer has that sriovctl did not give it: VFs from its own configuration, and complete PFs. Whoever
// takes a consumer's VFs out must not believe that it has none then.

import type { Lease } from "../lease/lease.ts";
import {
  isOfTarget,
  parseAssignTarget,
  parseConsumer,
  type AssignTarget,
} from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory, OwnerKind } from "../model/inventory.ts";

/** Not a bridge or a route that happens to have the consumer's name. */
const holders: ReadonlySet<OwnerKind> = new Set(["vm", "process", "netns", "container"]);

/** A device that was given is meant alone; any other may be what the consumer keeps. */
function consumerIn(named: string, leases: readonly Lease[]): AssignTarget | null {
  const isLeased = leases.some(({ holder, state }) => state !== "free" && holder?.name === named);
  return parseConsumer(named) ?? (isLeased ? null : parseAssignTarget(named));
}

/** PFs as `BDF`, VFs as `BDF/vfN`; none where a device is named that it has by a lease. */
export function othersOfConsumer(
  { physicalFunctions }: Inventory,
  named: string,
  leases: readonly Lease[],
): readonly string[] {
  const target = consumerIn(named, leases);
  if (target === null) return [];
  const held = leases.filter(({ state }) => state !== "free");
  const leased = new Set(held.map(({ vf }) => vf.address));
  return physicalFunctions.flatMap(({ address, owners, virtualFunctions }) => {
    const isIts = (users: typeof owners): boolean =>
      users.some((user) => holders.has(user.kind) && isOfTarget(target, user));
    const vfs = virtualFunctions.filter((vf) => isIts(vf.owners) && !leased.has(vf.address));
    const names = vfs.map(({ vfIndex }) => vfTarget(address, vfIndex));
    return isIts(owners) ? [address, ...names] : names;
  });
}
