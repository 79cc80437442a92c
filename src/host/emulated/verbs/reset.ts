// Writing `reset` of a function (drivers/pci/pci-sysfs.c reset_store()): with the locks of the bridge
// above and of the function. A VF keeps what its PF's driver knows of it; who uses it loses its
// state. igbvf never lets go of a VF whose netdev is down: its hook waits for a poll that nobody
// ever scheduled (measured on 6.12), and both locks stay taken.

import type { HostRequest } from "../../host.ts";
import type { Machine } from "../machine.ts";
import { findPf, findVf, touchVf } from "../machine.ts";
import type { PfState } from "../state.ts";
import type { Verb } from "../step.ts";
import { again, done, missing, refused } from "../step.ts";
import { openNetdev } from "../vf-life.ts";

type Reset = Extract<HostRequest, { verb: "reset" }>;

/** A function level reset of an igb VF without a driver took this long on a real kernel. */
const resetMs = 105;

/** Drivers whose reset hook waits for ever while the netdev is down. */
const hangsWhileDown = new Set(["igbvf"]);

function noteReset(machine: Machine, pf: PfState, vfIndex: number): void {
  const vf = pf.vfs[vfIndex];
  if (!vf) return;
  vf.resets = (vf.resets ?? 0) + 1;
  touchVf(machine, pf, vfIndex);
}

export const reset: Verb<Reset> = {
  check: (machine, { address }) =>
    findPf(machine, address) === null && findVf(machine, address) === null
      ? missing("ENOENT", "there is no such file")
      : null,
  locks(machine, { address }) {
    const pf = findPf(machine, address) ?? findVf(machine, address)?.pf;
    return [...(pf?.below ? [pf.below] : []), address];
  },
  step(machine, { address }, operation) {
    const place = findVf(machine, address);
    const pf = place?.pf ?? findPf(machine, address);
    if (pf === null) return refused("ENODEV", "the function has gone");
    const { driver, netdev } = place?.vf ?? {};
    if (driver !== undefined && hangsWhileDown.has(driver) && netdev?.isUp === false) {
      return { next: "blocked", on: `${driver}:${address}` };
    }
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      return again(resetMs);
    }
    if (place !== null) noteReset(machine, pf, place.vfIndex);
    else {
      pf.vfs.forEach((_, vfIndex) => noteReset(machine, pf, vfIndex));
      openNetdev(machine, pf);
    }
    return done;
  },
};
