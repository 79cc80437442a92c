// The VF that a person named: by address, `BDF/vfN`, interface, or a spec's label and index, `p0/3`.

import type { HostLook } from "../apply/leasing.ts";
import { targetOf, type Lease, type VfPlace } from "../lease/lease.ts";
import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { findFunction } from "./find-function.ts";

/** `p0/3` as `BDF/vf3`; anything else as it is. */
function withoutLabel(target: string, { labels }: HostLook): string {
  const [label = "", index = ""] = target.split("/");
  const pf = /^\d{1,5}$/.test(index) ? labels.get(label) : undefined;
  return pf === undefined ? target : vfTarget(pf, Number(index));
}

/** A VF of the host by any of its names; one that is leased and gone by its address. */
export function placeOf(named: string, leases: readonly Lease[], look: HostLook): VfPlace {
  const { candidates, inventory } = look;
  const target = withoutLabel(named, look);
  const places = [...candidates, ...leases].map(({ vf }) => vf);
  const exact = places.find((vf) => vf.address === target || targetOf(vf) === target);
  if (exact !== undefined) return exact;
  const address = findFunction(inventory, target).vf?.address;
  const place = places.find((vf) => vf.address === address);
  if (place !== undefined) return place;
  throw new SriovError("not-found", `Cannot lease ${named}: it is a PF, wanted a VF`, {
    operation: "lease",
    target: named,
    hint: "Name its VFs, 0000:3b:00.0/vf3, or the PF with --pf",
  });
}
