// What happens on a machine without its manager: guests open and close VFs, somebody renames a
// netdev, a card vanishes. Plain data, so that a fault plan or a test can make it happen at a step.

import type { Address } from "../../model/bdf.ts";
import { assertNever } from "../../model/assert.ts";
import { cardOf } from "./cards.ts";
import { endNamespace } from "./plugs.ts";
import { closeVf, endGuest, openVf, startGuest } from "./guests.ts";
import type { Machine } from "./machine.ts";
import { findPf, findVf, joinGroup } from "./machine.ts";
import type { PfState } from "./state.ts";
import { logLine } from "./state.ts";
import { loadDriver } from "./verbs/binding.ts";
import { destroyVf, driverToProbe, finishPfProbe, isLoaded } from "./vf-life.ts";

export type MachineEvent =
  /** The guest opens a VF; nothing happens unless the VF is bound to vfio-pci and free. */
  | { readonly event: "guest-opens"; readonly guest: string; readonly vf: Address }
  | { readonly event: "guest-closes"; readonly guest: string; readonly vf: Address }
  /** The guest is shut down and closes all it has. */
  | { readonly event: "guest-ends"; readonly guest: string }
  /** The guest is started and opens what it had; nothing happens unless all of it can be had. */
  | { readonly event: "guest-starts"; readonly guest: string }
  /** `netns:ci` is no more: the kernel hands its netdevs to the host (default_device_exit_net()). */
  | { readonly event: "namespace-ends"; readonly namespace: string }
  | { readonly event: "netdev-renamed"; readonly pf: Address; readonly name: string }
  /** Surprise removal: the PF is gone and its VFs with it. */
  | { readonly event: "pf-vanishes"; readonly pf: Address }
  /** udev comes round to what was added: modules of drivers that its functions wait for are loaded. */
  | { readonly event: "udev-loads-drivers" }
  /** `rescan`: PFs that had vanished are found again, as after boot. */
  | { readonly event: "rescan" };

export function applyEvent(machine: Machine, event: MachineEvent): void {
  switch (event.event) {
    case "guest-opens": {
      openVf(machine, event.guest, event.vf);
      break;
    }
    case "guest-closes": {
      closeVf(machine, event.guest, event.vf);
      break;
    }
    case "guest-ends": {
      endGuest(machine, event.guest);
      break;
    }
    case "guest-starts": {
      startGuest(machine, event.guest);
      break;
    }
    case "namespace-ends": {
      endNamespace(machine, event.namespace);
      break;
    }
    case "netdev-renamed": {
      const netdev = findPf(machine, event.pf)?.netdev;
      if (netdev) netdev.name = event.name;
      break;
    }
    case "pf-vanishes": {
      vanish(machine, event.pf);
      break;
    }
    case "udev-loads-drivers": {
      const { loadableModules } = machine.state.core;
      const vfs = machine.state.pfs.filter(({ vfs }) => vfs.length > 0);
      const wanted = new Set(vfs.map(({ card }) => cardOf(card).vfDriver));
      for (const driver of wanted) {
        if (driver === null || !loadableModules.includes(driver)) continue;
        if (!isLoaded(machine, driver)) loadDriver(machine, driver);
      }
      break;
    }
    case "rescan": {
      for (const pf of machine.state.pfs) if (!pf.isPresent) find(machine, pf);
      break;
    }
    default:
      assertNever(event);
  }
}

function vanish(machine: Machine, address: Address): void {
  const pf = findPf(machine, address);
  if (!pf) return;
  for (const guest of machine.state.core.guests) {
    guest.holds = guest.holds.filter((held) => findVf(machine, held)?.pf !== pf);
  }
  for (let vfIndex = 0; vfIndex < pf.vfs.length; vfIndex++) destroyVf(machine, pf, vfIndex);
  pf.vfs = [];
  pf.vfEnable = false;
  pf.numVfsRegister = 0;
  pf.netdev = null;
  pf.driver = null;
  pf.isPresent = false;
  if (pf.group !== null) machine.groupIds.leave(pf.group);
  pf.group = null;
  logLine(machine.state, `pcieport ${pf.below ?? address}: pciehp: Slot: Link Down`);
  for (const operation of machine.state.core.operations) {
    if (operation.waitsFor?.startsWith("vf:") !== true) continue;
    operation.waitsFor = null;
    operation.wakeAtMs = machine.state.core.clockMs;
  }
}

function find(machine: Machine, pf: PfState): void {
  pf.isPresent = true;
  pf.autoprobe = true;
  pf.override = null;
  joinGroup(machine, pf);
  const driver = driverToProbe(machine, { pf, vf: null });
  if (driver !== null) finishPfProbe(machine, pf, driver);
}
