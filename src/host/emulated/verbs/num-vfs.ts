// Writing `sriov_numvfs`: the checks in the order of drivers/pci/pci-sysfs.c sriov_numvfs_store()
// and drivers/pci/iov.c sriov_enable(), then VFs one by one. Taking them away waits, for ever if
// need be, for whoever has one open.

import type { HostRequest } from "../../host.ts";
import { vfBus } from "../../../pci/routing-id.ts";
import { cardOf } from "../cards.ts";
import { pfDriverOf } from "../drivers.ts";
import { effectOf } from "../faults.ts";
import type { Machine } from "../machine.ts";
import { addressOfVf, bdfOf, findPf, placementOf, touchVf } from "../machine.ts";
import type { StepResult, Verb } from "../step.ts";
import { again, done, missing, refused } from "../step.ts";
import { emitUevent, isVfHeld, logLine } from "../state.ts";
import type { Operation, PfState } from "../state.ts";
import {
  createVf,
  destroyVf,
  driverToProbe,
  finishVfProbe,
  openNetdev,
  lastBusFor,
  probeMsOf,
  unbindVf,
} from "../vf-life.ts";

type Request = Extract<HostRequest, { verb: "setNumVfs" }>;

/** drivers/pci/iov.c: msleep(100) after VF Enable, ssleep(1) after clearing it. */
const enableSettleMs = 100;
const disableSettleMs = 1000;

/** `sriov_totalvfs`. */
export function driverTotalVfs({ card, driver, firmware }: PfState): number {
  const total = pfDriverOf(driver)?.totalVfs(cardOf(card)) ?? cardOf(card).totalVfs;
  return Math.min(total, firmware?.now ?? total);
}

/** Locks around anything that makes or removes VFs of the PF. */
export const locksOfPf = ({ state }: Machine, pf: string): string[] =>
  state.core.lockModel === "global" ? ["pci", pf] : [pf];

export const setNumVfs: Verb<Request> = {
  check(machine, { pf: address, numVfs }) {
    const pf = findPf(machine, address);
    if (pf === null) return missing("ENOENT", "there is no such file");
    if (!Number.isInteger(numVfs) || numVfs < 0 || numVfs > 0xffff) {
      return refused("EINVAL", "wanted a number of 16 bits");
    }
    const total = driverTotalVfs(pf);
    return numVfs > total ? refused("ERANGE", `sriov_totalvfs is ${total}`) : null;
  },
  locks: (machine, { pf }) => locksOfPf(machine, pf),
  step(machine, { pf: address, numVfs }, operation) {
    const pf = findPf(machine, address);
    if (pf === null) return refused("ENODEV", "the PF has gone");
    switch (operation.phase) {
      case "creating":
        return createNext(machine, pf, operation);
      case "probing":
        return finishProbe(machine, pf, operation);
      case "removing":
      case "settling":
        return removeVfs(machine, pf, operation);
      default:
        return start(machine, { pf, numVfs, operation });
    }
  },
};

type Start = { readonly pf: PfState; readonly numVfs: number; readonly operation: Operation };

function start(machine: Machine, { pf, numVfs, operation }: Start): StepResult {
  const { state } = machine;
  if (numVfs === pf.numVfsRegister) return done;
  const log = (text: string): void =>
    logLine(state, `${pf.driver ?? "pci"} ${pf.address}: ${text}`);
  if (pf.driver === null) {
    log("no driver bound to device; cannot configure SR-IOV");
    return refused("ENOENT", "no driver is bound");
  }
  const driver = pfDriverOf(pf.driver);
  if (driver === null || driver.enableMs === null) {
    if (pf.driver !== "vfio-pci") log("driver does not support SR-IOV configuration via sysfs");
    return refused("ENOENT", `driver ${pf.driver} does not configure SR-IOV`);
  }
  if (numVfs === 0) {
    operation.phase = "removing";
    return again(driver.disableMs);
  }
  if (pf.numVfsRegister !== 0) {
    log(`${pf.numVfsRegister} VFs already enabled. Disable before enabling ${numVfs} VFs`);
    return refused("EBUSY", `${pf.numVfsRegister} VFs are enabled`);
  }
  const wanted = effectOf(operation.faults, "short-count")?.numVfs ?? numVfs;
  if (wanted < numVfs) log(`${numVfs} VFs requested; only ${wanted} enabled`);
  if (wanted === 0) return done;
  const refusal = enableRefusal(machine, pf, wanted);
  if (refusal !== null) return refusal;
  if (driver.resetsPf) openNetdev(machine, pf);
  pf.numVfsRegister = wanted;
  pf.vfEnable = true;
  operation.wanted = wanted;
  operation.phase = "creating";
  return again(driver.enableMs + enableSettleMs);
}

/** drivers/pci/iov.c sriov_enable(), in its order, as far as a machine here can fail. */
function enableRefusal(machine: Machine, pf: PfState, numVfs: number): StepResult | null {
  const log = (text: string): void => logLine(machine.state, `${pf.driver} ${pf.address}: ${text}`);
  if (numVfs > cardOf(pf.card).totalVfs) return refused("EINVAL", "TotalVFs is lower");
  if (pf.vfBarBases.some(({ base }) => base === null)) {
    log("not enough MMIO resources for SR-IOV");
    return refused("ENOMEM", "the VF BARs have no address");
  }
  const bus = vfBus(bdfOf(pf.address).routingId, placementOf(machine, pf), numVfs - 1);
  const last = lastBusFor(machine, pf);
  if (bus > last) {
    const hex = (value: number): string => value.toString(16).padStart(2, "0");
    log(`can't enable ${numVfs} VFs (bus ${hex(bus)} out of range of [bus -${hex(last)}])`);
    return refused("ENOMEM", `bus ${hex(bus)} is beyond ${hex(last)}`);
  }
  return null;
}

function createNext(machine: Machine, pf: PfState, operation: Operation): StepResult {
  const { cursor, wanted } = operation;
  if (cursor >= wanted) {
    emitUevent(machine.state, "change", pf.address);
    return done;
  }
  createVf(machine, pf, cursor);
  const vf = pf.vfs[cursor] ?? null;
  const driver = driverToProbe(machine, { pf, vf });
  const perVfMs = pfDriverOf(pf.driver)?.perVfMs ?? 1;
  if (driver === null) {
    operation.cursor++;
    return again(perVfMs);
  }
  operation.phase = "probing";
  const slow = effectOf(operation.faults, "slow-probe");
  const delayMs = slow?.vfIndexes.includes(cursor) === true ? slow.delayMs : 0;
  return again(perVfMs + probeMsOf(pf, driver) + delayMs);
}

function finishProbe(machine: Machine, pf: PfState, operation: Operation): StepResult {
  const { cursor: vfIndex, faults } = operation;
  const driver = driverToProbe(machine, { pf, vf: pf.vfs[vfIndex] ?? null });
  if (driver !== null) {
    const fails = effectOf(faults, "probe-fails")?.vfIndexes.includes(vfIndex) === true;
    const hasNoNetdev = effectOf(faults, "no-netdev")?.vfIndexes.includes(vfIndex) === true;
    finishVfProbe(machine, pf, { vfIndex, driver, fails, hasNoNetdev });
  }
  operation.cursor++;
  operation.phase = "creating";
  return createNext(machine, pf, operation);
}

/** Removes VFs in ascending order, then waits for the hardware. Also part of a PF's unbind. */
export function removeVfs(machine: Machine, pf: PfState, operation: Operation): StepResult {
  if (operation.phase === "settling") {
    pf.numVfsRegister = 0;
    if (pfDriverOf(pf.driver)?.resetsPf === true) openNetdev(machine, pf);
    return done;
  }
  while (operation.cursor < pf.vfs.length) {
    const vfIndex = operation.cursor;
    const vf = pf.vfs[vfIndex] ?? null;
    if (vf !== null) {
      // sriov_del_vfs(): both links go first, then the driver is asked to let go.
      if (vf.isLeaving !== true) touchVf(machine, pf, vfIndex);
      vf.isLeaving = true;
      const address = addressOfVf(machine, pf, vfIndex);
      if (isVfHeld(machine.state, address)) {
        logLine(machine.state, `vfio-pci ${address}: Relaying device request to user (#0)`);
        return { next: "blocked", on: `vf:${address}` };
      }
      unbindVf(machine, pf, vfIndex);
      destroyVf(machine, pf, vfIndex);
    }
    operation.cursor++;
    const perVfMs = pfDriverOf(pf.driver)?.perVfMs ?? 1;
    if (operation.cursor < pf.vfs.length) return again(perVfMs);
  }
  pf.vfs = [];
  pf.vfEnable = false;
  operation.phase = "settling";
  return again(disableSettleMs);
}
