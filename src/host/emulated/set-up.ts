// Changes an emulated machine from outside, as its owner would: made anew, another fault plan or
// lock model, guests stopped and started. Whatever can be wrong in the words is found before
// anything is done; only whether a guest can have its VFs is known when it is started.

import type { Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { Problem } from "../../model/problem.ts";
import { buildMachine } from "./build.ts";
import type { EmulatedHost } from "./emulated-host.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import { parseFaultPlan } from "./fault-plan.ts";
import type { Fault } from "./faults.ts";
import { checkFirmware, startFirmware, storedFirmware, storeFirmware } from "./firmware.ts";
import { guestOf, missingFor } from "./guests.ts";
import type { Machine } from "./machine.ts";
import type { MachineStatus } from "./machine-status.ts";
import { statusOf } from "./machine-status.ts";
import { profileOf } from "./machine-list.ts";
import type { LockModel } from "./profile.ts";

export type MachineChange = {
  /** Boots the machine as its profile says; VFs that were made are gone. */
  readonly isMadeAnew: boolean;
  /** What cards' firmware stores stays. */
  readonly keepsFirmware: boolean;
  /** VFs that the firmware of a PF's card is to give from its next start on. */
  readonly firmwareVfs: ReadonlyMap<Address, number>;
  readonly lockModel: LockModel | null;
  /** Replaces the fault plan; `none` takes it away, null leaves it. */
  readonly faultPlan: { readonly source: string; readonly text: string } | "none" | null;
  readonly guestsToStop: readonly string[];
  readonly guestsToStart: readonly string[];
};

/** Where the machine is. */
type MachinePlace = { readonly name: string; readonly statePath: string };

type SetUp =
  | { readonly status: MachineStatus }
  /** Of the fault plan; nothing was changed. */
  | { readonly problems: readonly Problem[] };

function faultsOf({ faultPlan }: MachineChange, machine: Machine) {
  if (faultPlan === null) return { faults: null, problems: [] };
  if (faultPlan === "none") return { faults: [], problems: [] };
  return parseFaultPlan(faultPlan.text, faultPlan.source, machine);
}

function checkGuests(machine: Machine, names: readonly string[]): void {
  for (const name of names) {
    if (guestOf(machine, name) !== null) continue;
    const known = machine.state.core.guests.map((guest) => guest.name).join(", ");
    const what = known === "" ? "it has no guests" : `its guests are ${known}`;
    const message = `Cannot find guest ${name} on emulated:${machine.state.core.name}: ${what}`;
    const hint = "See sriovctl demo --status";
    throw new SriovError("not-found", message, { operation: "find guest", target: name, hint });
  }
}

/** Throws SriovError `host-unknown`, `file-format`, `not-found` for a guest, and `kernel-refused`
 * for one that cannot have its VFs. */
export async function setUpMachine(place: MachinePlace, change: MachineChange): Promise<SetUp> {
  const { isMadeAnew, keepsFirmware, firmwareVfs, lockModel } = change;
  const { guestsToStop, guestsToStart } = change;
  // Topology and guests are the profile's: what the machine went through does not matter here.
  const pristine = buildMachine(profileOf(place.name));
  checkGuests(pristine, [...guestsToStop, ...guestsToStart]);
  checkFirmware(pristine, firmwareVfs);
  const { faults, problems } = faultsOf(change, pristine);
  if (problems.length > 0) return { problems };
  const stored = isMadeAnew && keepsFirmware ? await firmwareAt(place) : new Map<Address, number>();
  const host = await openEmulatedHost({
    ...place,
    reset: isMadeAnew,
    ...changesOf(lockModel, faults),
  });
  try {
    host.store.transact((machine) => {
      startFirmware(machine, stored);
      storeFirmware(machine, firmwareVfs);
    });
    for (const guest of guestsToStop) host.happen({ event: "guest-ends", guest });
    for (const guest of guestsToStart) start(host, guest);
  } finally {
    await host.close();
  }
  // Opening a machine lets what waited for nobody but a guest come to its end.
  const settled = await openEmulatedHost(place);
  try {
    return { status: settled.store.transact(statusOf) };
  } finally {
    await settled.close();
  }
}

async function firmwareAt(place: MachinePlace): Promise<ReadonlyMap<Address, number>> {
  const host = await openEmulatedHost(place);
  try {
    return host.store.transact(storedFirmware);
  } finally {
    await host.close();
  }
}

const changesOf = (lockModel: LockModel | null, faults: readonly Fault[] | null) => ({
  ...(lockModel === null ? {} : { lockModel }),
  ...(faults === null ? {} : { faults }),
});

function start(host: EmulatedHost, name: string): void {
  const missing = host.store.transact((machine) => {
    const guest = guestOf(machine, name);
    return guest === null ? [] : missingFor(machine, guest);
  });
  host.happen({ event: "guest-starts", guest: name });
  if (missing.length === 0) return;
  const message = `Cannot start guest ${name}: vfio cannot open ${missing.join(", ")}, wanted it bound to vfio-pci and free`;
  const hint = "Bring the VF back first, for example with sriovctl rollback";
  throw new SriovError("kernel-refused", message, {
    operation: "start guest",
    target: name,
    hint,
  });
}
