// Which driver has a function: `driver_override`, `drivers_probe`, `unbind`,
// `sriov_drivers_autoprobe` and loading a module (drivers/base/bus.c, drivers/pci/pci-driver.c).
// `drivers_probe` says "done" whatever came of it, as in the kernel.

import type { HostRequest } from "../../host.ts";
import { cardOf } from "../cards.ts";
import { pfDriverOf } from "../drivers.ts";
import { effectOf } from "../faults.ts";
import type { Machine, VfPlace } from "../machine.ts";
import { findPf, findPort, findVf, touchVf } from "../machine.ts";
import type { StepResult, Verb } from "../step.ts";
import { again, done, missing, refused } from "../step.ts";
import type { Operation, PfState } from "../state.ts";
import { isVfHeld } from "../state.ts";
import {
  driverToProbe,
  finishPfProbe,
  finishVfProbe,
  isLoaded,
  isMatch,
  probeMsOf,
  unbindPf,
  unbindVf,
} from "../vf-life.ts";
import { locksOfPf, removeVfs } from "./num-vfs.ts";

type Request<Name extends HostRequest["verb"]> = Extract<HostRequest, { verb: Name }>;

const noFile = missing("ENOENT", "there is no such file");
const noDevice = refused("ENODEV", "there is no such device");

export const setDriversAutoprobe: Verb<Request<"setDriversAutoprobe">> = {
  check: (machine, { pf }) => (findPf(machine, pf) === null ? noFile : null),
  locks: () => [],
  step(machine, { pf: address, isOn }) {
    const pf = findPf(machine, address);
    if (pf !== null) pf.autoprobe = isOn;
    return done;
  },
};

/** PAGE_SIZE - 1, the longest text that the attribute takes. */
const longestOverride = 4095;

export const setDriverOverride: Verb<Request<"setDriverOverride">> = {
  check(machine, { address, driver }) {
    const isThere = findPf(machine, address) !== null || findVf(machine, address) !== null;
    // Bridges have the attribute too; nothing here binds them.
    if (!isThere && findPort(machine, address) === null) return noFile;
    return (driver ?? "").length >= longestOverride ? refused("EINVAL", "the name is long") : null;
  },
  locks: () => [],
  step(machine, { address, driver }) {
    const override = driver === null || driver === "" ? null : driver;
    const pf = findPf(machine, address);
    if (pf !== null) pf.override = override;
    const place = findVf(machine, address);
    if (place === null) return done;
    if (override === null) delete place.vf.override;
    else place.vf.override = override;
    touchVf(machine, place.pf, place.vfIndex);
    return done;
  },
};

const unbindMs = 20;

export const unbind: Verb<Request<"unbind">> = {
  check(machine, { address }) {
    const driver = findVf(machine, address)?.vf.driver ?? findPf(machine, address)?.driver ?? null;
    return driver === null ? refused("ENODEV", "no driver is bound") : null;
  },
  locks: (machine, { address }) =>
    findPf(machine, address) === null ? [address] : locksOfPf(machine, address),
  step(machine, { address }, operation) {
    const pf = findPf(machine, address);
    if (pf !== null) return unbindPfStep(machine, pf, operation);
    const place = findVf(machine, address);
    if (place === null || place.vf.driver === undefined) return noDevice;
    if (isVfHeld(machine.state, address)) return { next: "blocked", on: `vf:${address}` };
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      return again(unbindMs);
    }
    unbindVf(machine, place.pf, place.vfIndex);
    return done;
  },
};

/** Most drivers take their VFs with them; nvme and pci-pf-stub leave them. */
function unbindPfStep(machine: Machine, pf: PfState, operation: Operation): StepResult {
  if (pf.driver === null) return noDevice;
  const driver = pfDriverOf(pf.driver);
  const takesVfs = pf.vfs.length > 0 && driver?.keepsVfsOnUnbind !== true;
  if (operation.phase === "starting" && takesVfs) {
    operation.phase = "removing";
    return again(driver?.disableMs ?? 0);
  }
  if (operation.phase === "starting") {
    operation.phase = "finishing";
    return again(unbindMs);
  }
  if (operation.phase !== "finishing") {
    const result = removeVfs(machine, pf, operation);
    if (result.next !== "done") return result;
  }
  unbindPf(machine, pf);
  return done;
}

export const probe: Verb<Request<"probe">> = {
  check(machine, { address }) {
    const isThere = findPf(machine, address) !== null || findVf(machine, address) !== null;
    return isThere || findPort(machine, address) !== null ? null : noDevice;
  },
  locks: (_, { address }) => [address],
  step(machine, { address }, operation) {
    const isEnd = operation.phase === "finishing";
    operation.phase = "finishing";
    const pf = findPf(machine, address);
    if (pf !== null) {
      const driver = pf.driver === null ? driverToProbe(machine, { pf, vf: null }) : null;
      if (driver === null) return done;
      if (!isEnd) return again(pfProbeMs);
      finishPfProbe(machine, pf, driver);
      return done;
    }
    return probeVf(machine, { address, operation, isEnd });
  },
};

const pfProbeMs = 400;

type VfProbeStep = {
  readonly address: string;
  readonly operation: Operation;
  readonly isEnd: boolean;
};

function probeVf(machine: Machine, { address, operation, isEnd }: VfProbeStep): StepResult {
  const place = findVf(machine, address);
  if (place === null || place.vf.driver !== undefined) return done;
  const { pf, vf, vfIndex } = place;
  const driver = driverToProbe(machine, { pf, vf });
  if (driver === null) return done;
  const slow = effectOf(operation.faults, "slow-probe");
  const delayMs = slow !== null && hits(slow.vfIndexes, vfIndex) ? slow.delayMs : 0;
  if (!isEnd) return again(probeMsOf(pf, driver) + delayMs);
  const failure = effectOf(operation.faults, "probe-fails");
  const missing = effectOf(operation.faults, "no-netdev");
  finishVfProbe(machine, pf, {
    vfIndex,
    driver,
    fails: failure !== null && hits(failure.vfIndexes, vfIndex),
    hasNoNetdev: missing !== null && hits(missing.vfIndexes, vfIndex),
  });
  return done;
}

const hits = (vfIndexes: readonly number[], vfIndex: number): boolean =>
  vfIndexes.includes(vfIndex);

const loadMs = 50;

/** What modprobe makes of a name: an alias is a function's, and means the driver of such VFs. */
function moduleNamed(machine: Machine, name: string): string | null {
  const [, vendor, device] = /^pci:v([0-9A-F]{8})d([0-9A-F]{8})sv/.exec(name) ?? [];
  if (vendor === undefined || device === undefined) return name;
  const cards = machine.state.pfs.map(({ card }) => cardOf(card));
  const [vendorId, deviceId] = [vendor, device].map((digits) => Number.parseInt(digits, 16));
  const own = cards.find((card) => card.vendorId === vendorId && card.vfDeviceId === deviceId);
  return own?.vfDriver ?? null;
}

export const loadModule: Verb<Request<"loadModule">> = {
  check(machine, { module: name }) {
    const module = moduleNamed(machine, name);
    const known = machine.state.core.loadableModules.map((each) => each.replaceAll("_", "-"));
    const isKnown =
      module !== null && (known.includes(module.replaceAll("_", "-")) || isLoaded(machine, module));
    return isKnown ? null : missing("ENOENT", "there is no such module");
  },
  locks: (machine, { module }) => [`module:${moduleNamed(machine, module)}`],
  step(machine, { module: name }, operation) {
    const module = moduleNamed(machine, name);
    if (module === null || isLoaded(machine, module)) return done;
    if (operation.phase === "starting") {
      operation.phase = "finishing";
      return again(loadMs);
    }
    loadDriver(machine, module === "vfio_pci" ? "vfio-pci" : module);
    return done;
  },
};

export function loadDriver(machine: Machine, driver: string): void {
  machine.state.core.loadedDrivers.push(driver);
  bindWhatMatches(machine, driver);
}

/** A new driver, or one with a new identifier, probes every function that has none
 * (drivers/base/dd.c driver_attach()). */
export function bindWhatMatches(machine: Machine, driver: string): void {
  for (const pf of machine.state.pfs) {
    if (!pf.isPresent) continue;
    attachPf(machine, pf, driver);
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf !== null) attachVf(machine, { pf, vf, vfIndex }, driver);
    });
  }
}

/** Has this one driver probe a PF, if it matches and the PF has none. */
export function attachPf(machine: Machine, pf: PfState, driver: string): void {
  if (pf.driver !== null || !isMatch(machine, { pf, vf: null }, driver)) return;
  finishPfProbe(machine, pf, driver);
}

export function attachVf(machine: Machine, place: VfPlace, driver: string): void {
  const { pf, vf, vfIndex } = place;
  if (vf.driver !== undefined || !isMatch(machine, place, driver)) return;
  finishVfProbe(machine, pf, { vfIndex, driver, fails: false, hasNoNetdev: false });
}

/** `sriov_vf_msix_count` (drivers/pci/iov.c sriov_vf_msix_count_store()). */
export const setMsixCount: Verb<Request<"setMsixCount">> = {
  check: (machine, { address }) => (findVf(machine, address) === null ? noFile : null),
  locks: (machine, { address }) => {
    const place = findVf(machine, address);
    return place === null ? [address] : [place.pf.address, address];
  },
  step(machine, { address, msixCount }) {
    if (!Number.isInteger(msixCount) || msixCount < 0) {
      return refused("EINVAL", "wanted 0 or a positive number");
    }
    const place = findVf(machine, address);
    if (place === null) return noDevice;
    const { pf, vf, vfIndex } = place;
    const driver = pfDriverOf(pf.driver);
    if (driver?.resizesMsix !== true) {
      return refused("EOPNOTSUPP", `driver ${pf.driver ?? "(none)"} does not resize MSI-X`);
    }
    if (vf.driver !== undefined) return refused("EBUSY", `driver ${vf.driver} has the VF`);
    if (msixCount === 0 && driver.msixZero === "no-change") return done;
    const card = cardOf(pf.card);
    const others = pf.vfs.reduce(
      (sum, other, index) =>
        other === null || index === vfIndex ? sum : sum + (other.msixCount ?? card.vfMsixCount),
      0,
    );
    if (others + msixCount > card.vfTotalMsix) {
      return refused("ENOSPC", `${card.vfTotalMsix - others} vectors are left`);
    }
    if (msixCount === 0) delete vf.msixCount;
    else vf.msixCount = msixCount;
    touchVf(machine, pf, vfIndex);
    return done;
  },
};
