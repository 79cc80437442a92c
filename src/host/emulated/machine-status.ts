// What people want to know of a machine beside its inventory: how its kernel locks, which guests
// run, what is in flight and what of the fault plan is to come.

import type { Address } from "../../model/bdf.ts";
import { describeRequest } from "./describe.ts";
import type { Fault } from "./faults.ts";
import type { Machine } from "./machine.ts";
import type { LockModel } from "./profile.ts";

export type MachineStatus = {
  readonly lockModel: LockModel;
  readonly guests: readonly {
    readonly name: string;
    readonly isRunning: boolean;
    /** VFs that it has open, or will want when it is started. */
    readonly vfs: readonly Address[];
  }[];
  /** Settings that the next boot changes. */
  readonly firmware: readonly {
    readonly pf: Address;
    readonly now: number;
    readonly nextBoot: number;
  }[];
  /** Requests that the kernel still works on; `waitsFor` is null for one that only needs time. */
  readonly inFlight: readonly { readonly request: string; readonly waitsFor: string | null }[];
  readonly faults: readonly {
    readonly on: Fault["on"];
    readonly effect: Fault["effect"];
    /** Matching requests that it has still to let pass, and that it then hits. */
    readonly toPass: number;
    readonly toHit: number;
  }[];
};

/** `vf:0000:5e:18.0` -> what a person would say. */
function waitText(machine: Machine, waitsFor: string | null): string | null {
  if (waitsFor === null) return null;
  const [kind = "", ...rest] = waitsFor.split(":");
  const what = rest.join(":");
  if (kind === "lock") return `the ${what === "pci" ? "global PCI" : what} lock`;
  if (kind !== "vf") return "ever: the fault plan hangs it";
  const holder = machine.state.core.guests.find(({ holds }) => holds.includes(what));
  return `VF ${what}${holder === undefined ? "" : `, which ${holder.name} has open`}`;
}

export function statusOf(machine: Machine): MachineStatus {
  const { lockModel, guests, operations, faults } = machine.state.core;
  return {
    lockModel,
    guests: guests.map(({ name, holds, stoppedWith }) => ({
      name,
      isRunning: stoppedWith === undefined,
      vfs: stoppedWith ?? holds,
    })),
    firmware: machine.state.pfs.flatMap(({ address, firmware }) =>
      firmware === undefined || firmware.now === firmware.nextBoot
        ? []
        : [{ pf: address, ...firmware }],
    ),
    inFlight: operations
      .filter(({ phase }) => phase !== "done")
      .map(({ request, waitsFor }) => ({
        request: describeRequest(request).sentence,
        waitsFor: waitText(machine, waitsFor),
      })),
    faults: faults.map(({ fault, seen }) => {
      const { skip = 0, times = 1 } = fault.on;
      const toHit = Math.max(0, Math.min(times, skip + times - seen));
      return { ...fault, toPass: Math.max(0, skip - seen), toHit };
    }),
  };
}
