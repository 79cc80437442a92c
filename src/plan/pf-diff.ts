// The ordered changes of one PF. A count or eswitch mode that differs takes the long way: remove
// every VF, change the mode, create them anew, configure, bind. Otherwise each VF is brought to
// what the spec wants where it stands.

import { vfTarget, type Address } from "../model/bdf.ts";
import { isOnVf, type Action, type Change } from "../model/action.ts";
import { vfAt, type Pf, type Vf } from "../model/inventory.ts";
import { zeroMac } from "../model/mac.ts";
import type { Plan, PlanProblem } from "../model/plan.ts";
import { noPolicy } from "../model/vf-attribute.ts";
import { carriedChoiceOf, choiceOf, isBoundAs } from "./binding.ts";
import {
  creationSteps,
  kernelBindSteps,
  msixSteps,
  settingSteps,
  type Step,
  type VfFinal,
} from "./creation.ts";
import { altNameSteps, namesBack, restoredNames } from "./alt-names.ts";
import { disruptionsOf } from "./disruption.ts";
import { traitsOf } from "./driver-traits.ts";
import { formerSettings, usualMsixCount } from "./former.ts";
import { lossesOf } from "./losses.ts";
import { settingOf } from "./vf-policy.ts";
import { diffVf, vfProblems, type VfContext, type VfDiff } from "./vf-diff.ts";
import { rangesOf } from "../model/vf-range.ts";
import type { PfWanted } from "./wanted.ts";

export type PfDiff = {
  /** Without ids, which the whole plan hands out. */
  readonly actions: readonly Omit<Action, "id">[];
  readonly problems: readonly PlanProblem[];
  readonly unverifiable: Plan["unverifiable"];
  readonly losses: Plan["losses"];
};

/** Everything that brings a PF's present VFs back after they were removed. */
function restoringSteps(pf: Pf): Step[] {
  if (pf.numVfs === 0) return [];
  const traits = traitsOf(pf.driver);
  const vfs = pf.virtualFunctions.map((vf): VfFinal => ({
    vfIndex: vf.vfIndex,
    driver: carriedChoiceOf(vf, traits),
    driverBecause: "as before",
    settings: formerSettings(pf, vf),
    msix: vf.msixCount === null ? null : { count: vf.msixCount, because: "as before" },
  }));
  const { address, numVfs, driversAutoprobe } = pf;
  const creation = { pf: address, numVfs, driversAutoprobe, vfs, because: "as before" };
  return [...creationSteps(creation), ...restoredNames(pf)];
}

/** A VF without an administrator's MAC gets a new random one each time its kernel driver binds. */
function formerMac(vf: Vf, { pf, vfIndex }: { pf: Address; vfIndex: number }): Change[] {
  const mac = vf.policy?.mac ?? zeroMac;
  if (mac === zeroMac || !isBoundAs("kernel", vf.driver)) return [];
  return [{ kind: "set-vf", pf, vfIndex, attribute: { name: "mac", mac } }];
}

/** What takes the change back on a PF that is as this one is. */
export function inverseOf(change: Change, pf: Pf): Change[] {
  const { address, driversAutoprobe, eswitchMode } = pf;
  switch (change.kind) {
    case "remove-vfs":
      return restoringSteps(pf).map((step) => step.change);
    case "create-vfs":
      return [{ kind: "remove-vfs", pf: address }];
    case "set-autoprobe":
      return [{ ...change, isOn: driversAutoprobe ?? !change.isOn }];
    case "set-eswitch-mode":
      return [{ ...change, mode: eswitchMode ?? "legacy" }];
    case "set-admin-state":
      return [{ ...change, isUp: !change.isUp }];
    case "set-mtu": {
      const mtu = pf.netdevs[0]?.mtu ?? null;
      return mtu === null ? [] : [{ ...change, mtu }];
    }
    case "set-vf": {
      const vf = vfAt(pf, change.vfIndex);
      const had = vf === null ? null : settingOf(vf.policy ?? noPolicy, change.attribute.name);
      return had === null ? [] : [{ ...change, attribute: had }];
    }
    case "bind-driver": {
      const vf = vfAt(pf, change.vfIndex);
      if (vf === null) return [];
      return [...formerMac(vf, change), { ...change, driver: choiceOf(vf) }, ...namesBack(pf, vf)];
    }
    case "set-msix-count": {
      const msixCount = vfAt(pf, change.vfIndex)?.msixCount ?? null;
      return msixCount === null ? [] : [{ ...change, msixCount }];
    }
    case "set-alt-name":
      return [{ ...change, isPresent: !change.isPresent }];
    case "bind-pf":
      return [{ ...change, driver: choiceOf(pf) }];
    case "attach-pf":
      return [{ ...change, kind: "detach-pf" }];
    case "detach-pf":
      return [{ ...change, kind: "attach-pf" }];
    case "attach-vf":
      return [{ ...change, kind: "detach-vf" }];
    case "detach-vf":
      return [{ ...change, kind: "attach-vf" }];
    // Probing makes no difference that anybody asked for.
    case "probe-vf":
    case "load-module":
      return [];
  }
}

const vfTargets = ({ address, virtualFunctions }: Pf): string[] =>
  virtualFunctions.map(({ vfIndex }) => vfTarget(address, vfIndex));

function actionsOf(
  steps: readonly Step[],
  { pf, adapterName }: PfWanted,
  isRecreated: boolean,
): Omit<Action, "id">[] {
  const numRemovals = steps.filter(({ change }) => change.kind === "remove-vfs").length;
  return steps.map(({ change, target, because }) => {
    const isFresh = isRecreated && isOnVf(change);
    // Whoever the removal hits is listed there, once.
    const isListed = isFresh || (change.kind === "create-vfs" && numRemovals > 0);
    const disrupts = isListed ? [] : disruptionsOf(change, pf);
    // Changes of VFs that this plan creates go with their VF.
    const inverse = isFresh ? [] : inverseOf(change, pf);
    const action = { change, target, adapter: adapterName, because, disrupts, inverse };
    return change.kind === "remove-vfs" ? { ...action, removes: vfTargets(pf) } : action;
  });
}

function pfSteps({ pf, spec }: PfWanted): { before: Step[]; after: Step[] } {
  const [netdev] = pf.netdevs;
  const target = pf.address;
  const before: Step[] = [];
  const after: Step[] = [];
  if (netdev === undefined) return { before, after };
  const { adminState, mtu, name } = spec;
  if (adminState !== undefined && netdev.isUp !== (adminState === "up")) {
    const change: Change = { kind: "set-admin-state", pf: target, isUp: adminState === "up" };
    const step = { change, target, because: `${name} is wanted ${adminState}` };
    (adminState === "up" ? before : after).push(step);
  }
  if (mtu !== undefined && netdev.mtu !== mtu) {
    const change: Change = { kind: "set-mtu", pf: target, mtu };
    before.push({ change, target, because: `MTU ${mtu} wanted, now ${netdev.mtu}` });
  }
  return { before, after };
}

const isModeWrong = ({ adapter, pf }: PfWanted): boolean =>
  adapter.eswitchMode !== undefined && adapter.eswitchMode !== (pf.eswitchMode ?? "legacy");

function recreationSteps(wanted: PfWanted, vfs: readonly VfFinal[]): Step[] {
  const { pf, numVfs, adapter, spec } = wanted;
  const target = pf.address;
  const steps: Step[] = [];
  const present = rangesOf(pf.virtualFunctions.map(({ vfIndex }) => vfIndex));
  const now = pf.numVfs === 0 ? "0" : `${pf.numVfs} (VF ${present})`;
  const resized = `${numVfs} VFs wanted by ${spec.name}, now ${now}`;
  if (pf.numVfs > 0) {
    const change: Change = { kind: "remove-vfs", pf: target };
    const words =
      numVfs === pf.numVfs
        ? `${now} are in the way: the eswitch mode changes at 0 VFs`
        : `${resized}: a count changes only through 0`;
    steps.push({ change, target, because: numVfs === 0 ? resized : words });
  }
  if (isModeWrong(wanted) && adapter.eswitchMode !== undefined) {
    const change: Change = { kind: "set-eswitch-mode", pf: target, mode: adapter.eswitchMode };
    steps.push({ change, target, because: `eswitchMode ${adapter.eswitchMode} wanted` });
  }
  if (numVfs === 0) return steps;
  const { driversAutoprobe } = pf;
  const because = pf.numVfs === numVfs ? "VFs come back after the eswitch change" : resized;
  return [...steps, ...creationSteps({ pf: target, numVfs, driversAutoprobe, vfs, because })];
}

/** Why a VF that stays is first taken off the driver that it has; null: it need not be. Most drivers of VFs
 * keep the MAC with which they were loaded and refuse another where the PF has set it
 * (igb_set_vf_mac_addr()), so a consumer that is handed the netdev would have the old one. */
function offReason(vf: Vf, { driver, settings, msix }: VfFinal, wanted: PfWanted): string | null {
  if (vf.driver === null) return null;
  if (msix !== null) return "an MSI-X count changes only without a driver";
  const { consumer = null } = wanted.vfs.get(vf.vfIndex) ?? {};
  const isHandedOver = consumer !== null && driver === "kernel" && isBoundAs(driver, vf.driver);
  const isNewMac = settings.some(({ setting }) => setting.name === "mac");
  return isHandedOver && isNewMac && traitsOf(wanted.pf.driver).macNeedsReload
    ? "its driver takes a new MAC only when it is loaded"
    : null;
}

/** Drivers and settings of VFs that stay. */
function inPlaceSteps(wanted: PfWanted, vfs: readonly VfFinal[]): Step[] {
  const { pf } = wanted;
  const steps: Step[] = [];
  const forKernel: VfFinal[] = [];
  for (const final of vfs) {
    const vf = vfAt(pf, final.vfIndex);
    if (vf === null) continue;
    const target = vfTarget(pf.address, final.vfIndex);
    const isWrong = final.driver !== null && !isBoundAs(final.driver, vf.driver);
    const bind = (driver: NonNullable<VfFinal["driver"]>, because: string): Step => ({
      change: { kind: "bind-driver", pf: pf.address, vfIndex: final.vfIndex, driver },
      target,
      because,
    });
    const off = offReason(vf, final, wanted);
    const mustLetGo = off !== null;
    if (mustLetGo) steps.push(bind("none", off));
    steps.push(...settingSteps(pf.address, final), ...msixSteps(pf.address, [final]));
    if (!isWrong && !mustLetGo) continue;
    const driver = final.driver ?? choiceOf(vf);
    const because = `${final.driverBecause}, now ${vf.driver ?? "none"}`;
    if (driver === "kernel") forKernel.push({ ...final, driver, driverBecause: because });
    else if (driver !== "none" || !mustLetGo) steps.push(bind(driver, because));
  }
  return [...steps, ...kernelBindSteps(pf.address, pf.driversAutoprobe, forKernel)];
}

/** The changes of one PF, in order; empty when nothing differs. */
export function diffPf(wanted: PfWanted): PfDiff {
  const { pf, numVfs } = wanted;
  const isRecreated = numVfs !== pf.numVfs || isModeWrong(wanted);
  const traits = traitsOf(pf.driver);
  const usualMsix = usualMsixCount(pf);
  const diffs: VfDiff[] = [];
  for (let vfIndex = 0; vfIndex < numVfs; vfIndex++) {
    const vf = vfAt(pf, vfIndex);
    const vfWanted = wanted.vfs.get(vfIndex) ?? null;
    if (vfWanted === null && !isRecreated) continue;
    const [now, former] = isRecreated ? [null, vf] : [vf, null];
    const context: VfContext = { pf, wantedPf: wanted, traits, vf: now, former, usualMsix };
    diffs.push(diffVf(vfWanted, vfIndex, context));
  }
  const finals = diffs.map(({ final }) => final);
  const { before, after } = pfSteps(wanted);
  const vfSteps = isRecreated ? recreationSteps(wanted, finals) : inPlaceSteps(wanted, finals);
  const nameSteps = altNameSteps(wanted, finals, vfSteps);
  return {
    actions: actionsOf([...before, ...vfSteps, ...nameSteps, ...after], wanted, isRecreated),
    problems: vfProblems(
      diffs.flatMap(({ refusals }) => refusals),
      wanted,
    ),
    unverifiable: diffs.flatMap(({ unverifiable }) => unverifiable),
    losses: isRecreated && pf.numVfs > 0 ? lossesOf(wanted) : [],
  };
}
