// What speaks against a PF as a whole before any of its VFs is looked at: a count that it cannot
// have, no driver, a change in flight, a mode or a netdev that it lacks.

import { pendingReboot, type PlanProblem } from "../model/plan.ts";
import { isNetwork, type Bridge } from "../model/inventory.ts";
import { inventoryCapacity, type CapacityLimit } from "../pci/pf-capacity.ts";
import { traitsOf } from "./driver-traits.ts";
import type { PfWanted } from "./wanted.ts";

/** What ends the count of a PF without VFs before its driver would: where there are VFs now, First
 * VF Offset and VF Stride may change when they go, and nothing can be said. */
function placeLimit({ pf, numVfs }: PfWanted, bridges: readonly Bridge[]): CapacityLimit | null {
  if (pf.numVfs > 0) return null;
  const { limits } = inventoryCapacity(pf, bridges);
  const limit = limits.find(({ kind }) => kind in placeRules);
  return limit !== undefined && numVfs > limit.numVfs ? limit : null;
}

/** What a PF without VFs has or has not, whoever its driver is: each with the doctor's rule. */
const placeRules: Partial<Readonly<Record<CapacityLimit["kind"], string>>> = {
  "bus-numbers": "bus-numbers-short",
  "memory": "vf-memory-not-assigned",
  "msix": "no-vectors-for-vfs",
};

/** More VFs than the firmware gives now, and no more than it gives from its next start on. */
function waitsForBoot({ pf: { firmwareVfs, totalVfs }, numVfs }: PfWanted): boolean {
  const nextBoot = firmwareVfs?.nextBoot ?? 0;
  return totalVfs !== null && numVfs > totalVfs && numVfs <= nextBoot;
}

/** Vectors that the spec gives to VFs by number; the driver gives the others what is left. */
const namedVectors = ({ vfs }: PfWanted): number =>
  [...vfs.values()].reduce(
    (sum, { policy: { msix } }) => sum + (typeof msix === "number" ? msix : 0),
    0,
  );

export function pfRefusals(wanted: PfWanted, bridges: readonly Bridge[]): PlanProblem[] {
  const { pf, spec, adapter, adapterName, numVfs } = wanted;
  const problems: PlanProblem[] = [];
  const label = `${spec.name} (${pf.address})`;
  const refuse = (code: string, message: string, hint: string, key = ""): void => {
    const where = spec.places?.[key] ?? adapter.places?.[key] ?? spec.where;
    problems.push({ code, where, message, hint, adapter: adapterName });
  };
  if (pf.isChanging) {
    const message = `Cannot plan ${label}: a change of its VF count is still in flight`;
    refuse("pf-changing", message, "Wait for it, or see sriovctl recover");
  }
  const isResized = spec.numVfs !== undefined && spec.numVfs !== pf.numVfs;
  if (isResized && pf.totalVfs === null) {
    const message = `Cannot set ${numVfs} VFs on ${label}: it has no sriov_numvfs file`;
    const total = pf.capabilityTotalVfs;
    const why = total === null ? "It has no SR-IOV capability" : `The capability says ${total} VFs`;
    refuse(
      "pf-without-sriov",
      message,
      `${why}; see the firmware, the BIOS and the driver`,
      "numVfs",
    );
  } else if (isResized && pf.driver === null) {
    const message = `Cannot set ${numVfs} VFs on ${label}: no driver is bound to it`;
    refuse("pf-without-driver", message, "Bind the PF's driver first", "numVfs");
  } else if (isResized && waitsForBoot(wanted)) {
    const message = `Cannot set ${numVfs} VFs on ${label} before a reboot: sriov_totalvfs is ${pf.totalVfs}, and the card's firmware allows ${pf.firmwareVfs?.nextBoot} from its next start on`;
    const hint = "Power the host off and on when that suits its guests, then apply";
    refuse(pendingReboot, message, hint, "numVfs");
  } else if (isResized && pf.totalVfs !== null && numVfs > pf.totalVfs) {
    const message = `Cannot set ${numVfs} VFs on ${label}: sriov_totalvfs is ${pf.totalVfs}`;
    const hardware = pf.capabilityTotalVfs;
    const isLower = hardware !== null && hardware > pf.totalVfs;
    const hint = isLower ? `The device could have ${hardware}, the driver allows fewer` : null;
    refuse("too-many-vfs", message, hint ?? `Set numVfs to ${pf.totalVfs} or fewer`, "numVfs");
  } else if (isResized) {
    const limit = placeLimit(wanted, bridges);
    const message = `Cannot set ${numVfs} VFs on ${label}: ${limit?.numVfs} fit, ${limit?.words}`;
    const hint = `See sriovctl doctor --explain ${limit === null ? "" : placeRules[limit.kind]}`;
    if (limit !== null) refuse("vfs-do-not-fit", message, hint, "numVfs");
  }
  const wantsSwitchdev = adapter.eswitchMode === "switchdev" && pf.eswitchMode !== "switchdev";
  if (wantsSwitchdev && (pf.eswitchMode === null || !traitsOf(pf.driver).hasSwitchdev)) {
    const message = `Cannot set ${label} to switchdev: driver ${pf.driver} has no eswitch modes`;
    refuse("no-eswitch-modes", message, "Remove eswitchMode or set it to legacy", "eswitchMode");
  }
  const needsNetdev = spec.mtu !== undefined || spec.adminState !== undefined;
  if (needsNetdev && pf.netdevs.length === 0) {
    const message = `Cannot set mtu or adminState of ${label}: it has no netdev`;
    refuse("pf-without-netdev", message, "Remove the keys, or see why the netdev is missing");
  }
  const vectors = namedVectors(wanted);
  if (pf.vfTotalMsix !== null && pf.vfTotalMsix > 0 && vectors > pf.vfTotalMsix) {
    const message = `Cannot give ${vectors} MSI-X vectors to VFs of ${label}: sriov_vf_total_msix is ${pf.vfTotalMsix}`;
    refuse("too-many-vectors", message, "Lower msix of some of its VFs");
  }
  const wantsPolicy = [...wanted.vfs.values()].some(({ policy }) => Object.keys(policy).length > 0);
  const unread = pf.virtualFunctions.some(({ policy }) => policy === null);
  if (wantsPolicy && unread && !isResized && isNetwork(pf)) {
    const message = `Cannot compare the VF policy of ${label}: its VFs' attributes are not known`;
    refuse("policy-unknown", message, "See the problems of sriovctl list for the reason");
  }
  return problems;
}
