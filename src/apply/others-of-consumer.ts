// What a consumer has that sriovctl did not give it: VFs from its own configuration, and complete PFs. Whoever
// takes a consumer's VFs out must not believe that it has none then.

import type { Lease } from "../lease/lease.ts";
import { isOfTarget, parseConsumer } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory, OwnerKind } from "../model/inventory.ts";

/** Not a bridge or a route that happens to have the consumer's name. */
const holders: ReadonlySet<OwnerKind> = new Set(["vm", "process", "netns", "container"]);

/** PFs as `BDF`, VFs as `BDF/vfN`; none where one of its devices is named, `libvirt:web1/net1`. */
export function othersOfConsumer(
  { physicalFunctions }: Inventory,
  consumer: string,
  leases: readonly Lease[],
): readonly string[] {
  const target = parseConsumer(consumer);
  if (target === null) return [];
  const leased = new Set(leases.map(({ vf }) => vf.address));
  return physicalFunctions.flatMap(({ address, owners, virtualFunctions }) => {
    const isIts = (users: typeof owners): boolean =>
      users.some((user) => holders.has(user.kind) && isOfTarget(target, user));
    const vfs = virtualFunctions.filter((vf) => isIts(vf.owners) && !leased.has(vf.address));
    const names = vfs.map(({ vfIndex }) => vfTarget(address, vfIndex));
    return isIts(owners) ? [address, ...names] : names;
  });
}
