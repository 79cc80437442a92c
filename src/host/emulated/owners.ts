// Who uses a function of the machine, with the evidence that a Linux host would show.

import type { Address } from "../../model/bdf.ts";
import type { Owner } from "../../model/inventory.ts";
import type { Wish } from "../../model/reservation.ts";
import type { Machine } from "./machine.ts";
import { findPf, findVf } from "./machine.ts";
import { holderOf } from "./state.ts";
import type { PfState, VfState } from "./state.ts";

const owner = (kind: Owner["kind"], name: string, evidence: string): Owner => ({
  kind,
  name,
  pid: null,
  evidence,
});

/** Of a function that a guest has open. */
function guestOwners(machine: Machine, address: Address, group: number | null): Owner[] {
  const guest = holderOf(machine.state, address);
  if (guest === null) return [];
  const { name, pid } = guest;
  const node = `/dev/vfio/${group ?? "noiommu-0"}`;
  return [{ kind: "vm", name, pid, evidence: `/proc/${pid}/fd -> ${node}` }];
}

export function pfOwners(machine: Machine, pf: PfState): readonly Owner[] {
  const { netdev, port, users } = pf;
  if (users !== undefined) return users;
  if (pf.driver === "vfio-pci") return guestOwners(machine, pf.address, pf.group);
  if (netdev === null || port === null || !netdev.isUp) return [];
  const owners: Owner[] = [];
  const addresses = port.addresses ?? [];
  if (addresses.length > 0) {
    owners.push(owner("netdev", netdev.name, `${netdev.name} is up with ${addresses.join(", ")}`));
  }
  if (port.upper !== undefined) {
    owners.push(owner("upper", port.upper, `/sys/class/net/${netdev.name}/upper_${port.upper}`));
  }
  for (const route of port.routes ?? []) {
    owners.push(owner("route", route, `ip route: ${route} dev ${netdev.name}`));
  }
  if (port.carriesSession === true) {
    owners.push(owner("session", "ssh", `SSH_CONNECTION comes in through ${netdev.name}`));
  }
  return owners;
}

export function vfOwners(
  machine: Machine,
  { vf, address }: { readonly vf: VfState; readonly address: Address },
): readonly Owner[] {
  if (vf.users !== undefined) return vf.users;
  const inside = vf.netdev?.inside;
  if (inside !== undefined) {
    const [kind = "", name = ""] = inside.split(":");
    const isNamespace = kind === "netns" || kind === "pid";
    return [owner(isNamespace ? "netns" : "container", name, `${vf.netdev?.name} is in ${inside}`)];
  }
  return guestOwners(machine, address, vf.group ?? null);
}

export function ownersOf(machine: Machine, address: Address): readonly Owner[] {
  const pf = findPf(machine, address);
  if (pf !== null) return pfOwners(machine, pf);
  const place = findVf(machine, address);
  return place === null ? [] : vfOwners(machine, { vf: place.vf, address });
}

/** What a guest that is off was started with: it wants that again. */
export const wishesOf = ({ state }: Machine): Wish[] =>
  state.core.guests.flatMap(({ name, stoppedWith = [] }) =>
    stoppedWith.map((address) => ({
      target: { address },
      reservation: {
        kind: "vm" as const,
        name,
        manager: "emulated",
        role: "function" as const,
        evidence: [`guest ${name} is off and is started with ${address}`],
      },
      isLive: false,
    })),
  );
