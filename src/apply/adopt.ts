// A VF that its consumer has already, given by somebody else: all that is missing is the lease, and it is made
// of what consumer and PF say. Nothing of the host or of the consumer is changed.

import { formatAssignTarget, isOfTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { vfAt, type Inventory, type Vf } from "../model/inventory.ts";
import type { Plug } from "../model/plug.ts";
import type { Vlan } from "../model/vf-attribute.ts";
import type { Candidate } from "../lease/candidates.ts";
import type { Lease } from "../lease/lease.ts";
import type { Plugged } from "../vmm/consumer.ts";
import { momentOf, type HostLook, type Leasing } from "./leasing.ts";
import { claimReady, noteAway } from "./plug-leases.ts";
import { consumersOf, type Attaching } from "./plug-run.ts";
import { adapterFor, isPlugged } from "./plugging.ts";

export type Adoption = {
  readonly candidate: Candidate;
  /** As the consumer has it, under the name that was asked for. */
  readonly plug: Plug;
  readonly plugged: Plugged;
};

/** The named VF, where it is leased to nobody and its consumer is the only one who uses it. */
function usedByConsumer(asked: Plug, look: HostLook, leases: readonly Lease[]): Candidate | null {
  const { consumer, vf } = asked;
  if (leases.some((lease) => lease.vf.address === vf && lease.state !== "free")) return null;
  const found = look.candidates.find((one) => one.vf.address === vf);
  const isIts = found?.owners.every((owner) => isOfTarget(consumer, owner)) ?? false;
  return found !== undefined && found.owners.length > 0 && isIts ? found : null;
}

function vfOf({ physicalFunctions }: Inventory, { pf: address, vfIndex }: Plug): Vf | null {
  const pf = physicalFunctions.find((one) => one.address === address);
  return pf === undefined ? null : vfAt(pf, vfIndex);
}

const noMac = "00:00:00:00:00:00";

const vlanOf = (vlan: Vlan | "none" | null | undefined): Vlan | null =>
  vlan === undefined || vlan === null || vlan === "none" || vlan.id === 0 ? null : vlan;

/** What the consumer does not tell, the PF does. */
function plugAsFound(asked: Plug, plugged: Plugged, vf: Vf | null): Plug {
  const { isLive, isPersistent, form = null, failover = null } = plugged;
  const mac = plugged.mac ?? vf?.policy?.mac ?? null;
  return {
    ...asked,
    mac: mac === noMac ? null : mac,
    vlan: vlanOf(plugged.vlan ?? vf?.policy?.vlan),
    scope:
      isLive === true && isPersistent === true ? "both" : isLive === true ? "live" : "persistent",
    form,
    failover,
  };
}

const unnamed = (plug: Plug): Plug => ({ ...plug, consumer: { ...plug.consumer, device: null } });

/** null: the consumer has it under no name at all. */
function refuseName({ consumer, pf, vfIndex }: Plug, { device }: Plugged): null {
  if (device === null) return null;
  const target = formatAssignTarget(consumer);
  const message = `Cannot attach to ${target}: ${consumer.name} has ${vfTarget(pf, vfIndex)} as ${device}`;
  const hint = `Call it so: --to ${formatAssignTarget({ ...consumer, device })}`;
  throw new SriovError("lease-refused", message, { operation: "attach VF", target, hint });
}

/** null: there is nothing to adopt. `asked` is the plug with what was asked for. */
export async function adoptionOf(
  session: Attaching,
  asked: Plug,
  look: HostLook,
): Promise<Adoption | null> {
  const { store } = await session.leasing();
  const candidate = usedByConsumer(asked, look, store.leases());
  if (candidate === null) return null;
  const adapter = await adapterFor(asked, consumersOf(session));
  const plugged = await adapter.look(asked);
  if (!isPlugged(plugged)) return refuseName(asked, await adapter.look(unnamed(asked)));
  const plug = plugAsFound(asked, plugged, vfOf(look.inventory, asked));
  return { candidate, plug, plugged };
}

/** The lease of it. Throws `lease-refused` where it is somebody's by now. */
export function adopt(leasing: Leasing, { candidate, plug }: Adoption): Lease {
  const { consumer } = plug;
  const reason = "adopted: it was there already";
  const lease = leasing.store.transact((table) => {
    const { vf, generation } = claimReady(leasing, table, { candidate, consumer, reason });
    const event = { kind: "attached", generation, plug } as const;
    return table.step(vf, event, momentOf(leasing, reason));
  });
  noteAway(leasing, plug);
  return lease;
}
