// What `detach` and `without-vfs` are about: leases of VFs that are plugged in, by the consumer, by one device
// of it, or by the VF.

import { lookAtVfs, ownerWords, type HostLook, type Leasing } from "../apply/leasing.ts";
import { leasesOfConsumer } from "../apply/without-vfs.ts";
import {
  isPluggedIn,
  leaseWords,
  targetOf,
  type AttachedLease,
  type Lease,
  type VfPlace,
} from "../lease/lease.ts";
import { formOfTarget, parseAssignTarget, parseConsumer } from "../model/assign-target.ts";
import { parseBdf } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { usage } from "./plug-wish.ts";
import { placeOf } from "./vf-place.ts";

function refused(target: string, why: string, hint: string): SriovError {
  const detail = { operation: "detach VF", target, hint };
  return new SriovError("lease-refused", `Cannot detach ${target}: ${why}`, detail);
}

/** `libvirt:web1` or `libvirt:web1/net1`; not a VF's name. Throws `usage` for neither. */
function isConsumer(text: string): boolean {
  if (parseAssignTarget(text) !== null || parseConsumer(text) !== null) return true;
  const form = formOfTarget(text);
  if (form === null) return false;
  throw usage("detach VF", `Cannot detach ${text}: wanted ${form}, or it without the device`);
}

/** A VF by any of its names. Throws `usage` for what cannot be one. */
function placeNamed(named: string, leases: readonly Lease[], look: HostLook): VfPlace {
  try {
    return placeOf(named, leases, look);
  } catch (error) {
    const [head = ""] = named.split("/");
    const isUnknown = error instanceof SriovError && error.code === "not-found";
    if (!isUnknown || parseBdf(head) !== null) throw error;
    const message = `Cannot find ${named}: it is no VF, and no consumer, wanted KIND:NAME[/DEVICE]`;
    throw usage("detach VF", message, "libvirt:web1 is all that the domain has");
  }
}

/** None where the consumer, or the VF, has nothing to take out. Throws `usage`, `not-found`, and
 * `lease-refused` for a VF that somebody has by other means. */
export async function attachedLeases(
  leasing: Leasing,
  named: string,
): Promise<readonly AttachedLease[]> {
  const leases = leasing.store.leases();
  if (isConsumer(named)) return leasesOfConsumer(leases, named);
  const look = await lookAtVfs(leasing);
  const place = placeNamed(named, leases, look);
  const lease = leases.find(({ vf }) => vf.address === place.address);
  if (lease !== undefined && isPluggedIn(lease)) return [lease];
  const [owner] = look.candidates.find(({ vf }) => vf.address === place.address)?.owners ?? [];
  const name = targetOf(place);
  const hint = "It was not attached by sriovctl; take it out where it was put in";
  if (owner !== undefined) throw refused(name, `it is ${ownerWords(owner)}`, hint);
  if (lease === undefined || lease.state === "free") return [];
  const mend = lease.state === "releasing" ? "reconcile" : `release ${name}`;
  throw refused(name, `it ${leaseWords(lease)}`, `See sriovctl lease ${mend}`);
}
