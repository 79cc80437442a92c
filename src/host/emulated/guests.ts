// The machine's running VMs, as far as SR-IOV sees them: a guest opens VFs through vfio and holds
// them until it closes them or is shut down. What waits for such a VF goes on then.

import type { Address } from "../../model/bdf.ts";
import type { Machine } from "./machine.ts";
import { findPf, findVf } from "./machine.ts";
import { holderOf } from "./state.ts";
import type { GuestState } from "./state.ts";

export const guestOf = ({ state }: Machine, name: string): GuestState | null =>
  state.core.guests.find((guest) => guest.name === name) ?? null;

const canOpen = (machine: Machine, vf: Address): boolean =>
  (findVf(machine, vf)?.vf.driver ?? findPf(machine, vf)?.driver) === "vfio-pci" &&
  holderOf(machine.state, vf) === null;

export function openVf(machine: Machine, name: string, vf: Address): void {
  const guest = guestOf(machine, name);
  if (guest === null || guest.stoppedWith !== undefined || !canOpen(machine, vf)) return;
  guest.holds.push(vf);
}

export function closeVf(machine: Machine, name: string, vf: Address): void {
  const guest = guestOf(machine, name);
  if (guest === null) return;
  guest.holds = guest.holds.filter((held) => held !== vf);
  const { clockMs, operations } = machine.state.core;
  for (const operation of operations) {
    if (operation.waitsFor !== `vf:${vf}`) continue;
    operation.waitsFor = null;
    operation.wakeAtMs = clockMs;
  }
}

/** VFs that a guest is started with: what it had but for what was plugged into the running one only. */
function keptByStop(guest: GuestState): Address[] {
  const isLiveOnly = (vf: Address): boolean =>
    guest.devices?.some((device) => device.vf === vf && !device.isPersistent) === true;
  const configured = (guest.devices ?? []).flatMap(({ vf, isPersistent }) =>
    isPersistent ? [vf] : [],
  );
  return [...new Set([...guest.holds.filter((vf) => !isLiveOnly(vf)), ...configured])];
}

export function endGuest(machine: Machine, name: string): void {
  const guest = guestOf(machine, name);
  if (guest === null || guest.stoppedWith !== undefined) return;
  const { holds } = guest;
  guest.stoppedWith = keptByStop(guest);
  guest.devices = guest.devices?.filter(({ isPersistent }) => isPersistent) ?? [];
  for (const vf of holds) closeVf(machine, name, vf);
}

/** VFs that a stopped guest wants and cannot have: gone, not bound to vfio-pci, or held. */
export const missingFor = (machine: Machine, { stoppedWith = [] }: GuestState): Address[] =>
  stoppedWith.filter((vf) => !canOpen(machine, vf));

/** As QEMU does, which ends at once when it cannot open a device. */
export function startGuest(machine: Machine, name: string): void {
  const guest = guestOf(machine, name);
  if (guest?.stoppedWith === undefined || missingFor(machine, guest).length > 0) return;
  guest.holds = guest.stoppedWith;
  delete guest.stoppedWith;
}
