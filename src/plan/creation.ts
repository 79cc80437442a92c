// The steps that take a PF from no VFs to `numVfs` configured ones. The same list serves forwards
// (what the spec wants) and backwards (what was there before), because removing VFs can only be
// undone by creating them again.
//
// Order: autoprobe off where most VFs are not for kernel drivers (a probe costs up to 5 s and
// shows a netdev to network managers), create, attributes before any driver sees the VF, the
// bindings that need no probing, autoprobe as it was, then the kernel drivers: at autoprobe 0
// even an explicit bind fails (drivers/pci/pci-driver.c pci_device_can_probe()). VFs that nobody
// gives a driver are probed last, as the kernel would have: none may want them, and that is fine.

import { vfTarget, type Address } from "../model/bdf.ts";
import type { Change } from "../model/action.ts";
import type { DriverChoice } from "../model/spec.ts";
import type { VfAttribute } from "../model/vf-attribute.ts";
import { driverName } from "./binding.ts";
import { settingWords } from "./vf-policy.ts";

export type Step = { readonly change: Change; readonly target: string; readonly because: string };

export type VfSetting = { readonly setting: VfAttribute; readonly because: string };

export type WantedMsix = { readonly count: number; readonly because: string };

/** What one VF is to be after its creation. */
export type VfFinal = {
  readonly vfIndex: number;
  /** null: nobody says; the kernel probes it where autoprobe is on. */
  readonly driver: DriverChoice | null;
  readonly driverBecause: string;
  readonly settings: readonly VfSetting[];
  /** null: left alone. */
  readonly msix: WantedMsix | null;
};

type Creation = {
  readonly pf: Address;
  readonly numVfs: number;
  readonly because: string;
  /** Before and after; null where the file is missing. */
  readonly driversAutoprobe: boolean | null;
  readonly vfs: readonly VfFinal[];
};

/** Why no driver may see the VFs as soon as they are there; null: one may. */
function holdReason({ driversAutoprobe, vfs }: Creation): string | null {
  if (driversAutoprobe !== true) return null;
  if (vfs.some(({ msix }) => msix !== null)) {
    return "MSI-X counts are set before a driver is bound";
  }
  if (vfs.some(({ driver }) => driver !== null && driver !== "kernel")) {
    return "VFs for other drivers must not show up as netdevs";
  }
  const hasSettings = vfs.some(({ settings }) => settings.length > 0);
  return hasSettings ? "policy is set before a driver sees the VF" : null;
}

const autoprobeStep = (pf: Address, isOn: boolean, because: string): Step => ({
  change: { kind: "set-autoprobe", pf, isOn },
  target: pf,
  because,
});

function bindStep(pf: Address, { vfIndex, driver, driverBecause }: VfFinal): Step[] {
  if (driver === null) return [];
  const change: Change = { kind: "bind-driver", pf, vfIndex, driver };
  return [{ change, target: vfTarget(pf, vfIndex), because: driverBecause }];
}

const probeStep = (pf: Address, vfIndex: number): Step => ({
  change: { kind: "probe-vf", pf, vfIndex },
  target: vfTarget(pf, vfIndex),
  because: "no driver is asked for, and autoprobe was off while it was created",
});

export function settingSteps(pf: Address, { vfIndex, settings }: VfFinal): Step[] {
  const target = vfTarget(pf, vfIndex);
  return settings.map(({ setting, because }): Step => {
    const change: Change = { kind: "set-vf", pf, vfIndex, attribute: setting };
    return { change, target, because: `${settingWords(setting)}: ${because}` };
  });
}

/** Small tables first: all VFs take their vectors from one pool. */
export function msixSteps(pf: Address, vfs: readonly VfFinal[]): Step[] {
  const wanted = vfs.flatMap(({ vfIndex, msix }) => (msix === null ? [] : [{ vfIndex, ...msix }]));
  return wanted
    .toSorted((left, right) => left.count - right.count)
    .map(({ vfIndex, count, because }): Step => {
      const change: Change = { kind: "set-msix-count", pf, vfIndex, msixCount: count };
      return { change, target: vfTarget(pf, vfIndex), because };
    });
}

/** Kernel drivers are bound with probing on; a PF that has it off gets it on for that long. */
export function kernelBindSteps(
  pf: Address,
  isProbing: boolean | null,
  vfs: readonly VfFinal[],
): Step[] {
  const binds = vfs.flatMap((vf) => bindStep(pf, vf));
  if (isProbing !== false || binds.length === 0) return binds;
  return [
    autoprobeStep(pf, true, "kernel drivers do not bind while autoprobe is off"),
    ...binds,
    autoprobeStep(pf, false, "autoprobe goes back to what it was"),
  ];
}

export function creationSteps(creation: Creation): Step[] {
  const { pf, numVfs, driversAutoprobe, vfs, because } = creation;
  const hold = holdReason(creation);
  const isHeld = hold !== null;
  const isProbed = driversAutoprobe !== false && !isHeld;
  const create: Change = { kind: "create-vfs", pf, numVfs };
  const bindable = vfs.filter(({ driver }) => driver !== null && driver !== "kernel");
  // A VF that nobody probed has no driver already.
  const unprobed = bindable.filter(({ driver }) => isProbed || driver !== "none");
  const forKernel = isProbed ? [] : vfs.filter(({ driver }) => driver === "kernel");
  const unclaimed = isHeld ? vfs.filter(({ driver }) => driver === null) : [];
  return [
    ...(hold === null ? [] : [autoprobeStep(pf, false, hold)]),
    { change: create, target: pf, because },
    ...vfs.flatMap((vf) => settingSteps(pf, vf)),
    ...msixSteps(pf, vfs),
    ...unprobed.flatMap((vf) => bindStep(pf, vf)),
    ...(isHeld ? [autoprobeStep(pf, true, "autoprobe goes back to what it was")] : []),
    ...kernelBindSteps(pf, isHeld ? true : driversAutoprobe, forKernel),
    ...unclaimed.map(({ vfIndex }) => probeStep(pf, vfIndex)),
  ];
}

export const bindingWords = (driver: DriverChoice): string =>
  driver === "none"
    ? "no driver"
    : driver === "kernel"
      ? "the kernel's driver"
      : driverName(driver);
