// Whether another host has a VF for each that a VM has here, asked before anything is taken out for a
// migration: of the same model, so that the guest's driver fits, used by nobody, and in an IOMMU group that can be
// handed out. What the inventory does not tell (who leased what over there) is not judged.

import { formatAssignTarget, needsNetdev, type AssignTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import { candidatesOf, type Candidate } from "./candidates.ts";

/** A VF that somebody has here, by the PF that it is of. */
export type VfHere = { readonly consumer: AssignTarget; readonly pf: Pf; readonly vfIndex: number };

type FitThere = { readonly here: VfHere; readonly there: Candidate };

type TargetFits = {
  readonly fits: readonly FitThere[];
  /** One for each that has none over there. */
  readonly problems: readonly Problem[];
};

const hex = (id: number): string => id.toString(16).padStart(4, "0");

const modelOf = ({ vendorId, deviceId }: Pf): string => `${hex(vendorId)}:${hex(deviceId)}`;

/** Why the VF is none for what is here; null: it is one. */
function objectionTo(there: Candidate, pf: Pf, { consumer }: VfHere): string | null {
  const { owners, isPfChanging, iommuGroup, groupMembers } = there;
  const [owner] = owners;
  if (owner !== undefined) return `used by ${owner.kind}:${owner.name}`;
  if (isPfChanging) return "a change of its PF has not ended";
  if (pf.netdevs[0]?.isUp === false) return `its PF ${pf.netdevs[0].name} is down`;
  if (needsNetdev(consumer.kind)) return null;
  if (iommuGroup === null) return "in no IOMMU group: the IOMMU is off";
  if (groupMembers.length <= 1) return null;
  return "in an IOMMU group with others";
}

const shownReasons = 4;

/** How many VFs for each reason. */
function reasonWords(reasons: readonly string[]): string {
  const groups = [...Map.groupBy(reasons, (reason) => reason)].toSorted(
    ([, left], [, right]) => right.length - left.length,
  );
  const words = groups.slice(0, shownReasons).map(([reason, { length }]) => `${length} ${reason}`);
  return [...words, ...(groups.length > shownReasons ? ["and others"] : [])].join(", ");
}

/** One VF over there for each here, none of them twice. */
export function fitsOn(target: Inventory, wanted: readonly VfHere[]): TargetFits {
  const pfs = new Map(target.physicalFunctions.map((pf) => [pf.address, pf]));
  const candidates = candidatesOf(target, new Map());
  const taken = new Set<Candidate>();
  const fits: FitThere[] = [];
  const problems: Problem[] = [];
  for (const here of wanted) {
    const model = modelOf(here.pf);
    const reasons: string[] = [];
    const found = candidates.find((there) => {
      const pf = pfs.get(there.vf.pf);
      if (pf === undefined || modelOf(pf) !== model || taken.has(there)) return false;
      const reason = objectionTo(there, pf, here);
      if (reason !== null) reasons.push(reason);
      return reason === null;
    });
    if (found !== undefined) {
      taken.add(found);
      fits.push({ here, there: found });
      continue;
    }
    const ofModel = target.physicalFunctions.filter((pf) => modelOf(pf) === model);
    const numVfs = ofModel.reduce((sum, pf) => sum + pf.virtualFunctions.length, 0);
    const where = vfTarget(here.pf.address, here.vfIndex);
    const to = formatAssignTarget(here.consumer);
    const start = `Cannot find a VF on ${target.host.name} for ${to}, which has one of ${model} here`;
    const numTaken = numVfs - reasons.length;
    const others = Array.from({ length: numTaken }, () => "taken by what comes before");
    const why =
      ofModel.length === 0
        ? "there is no such card"
        : numVfs === 0
          ? "there are such cards, without VFs"
          : `of ${numVfs} VFs of that model ${reasonWords([...reasons, ...others])}`;
    const hint = "Free one there, or make VFs there; then capture that host again";
    problems.push({ code: "target-lacks-vf", where, message: `${start}: ${why}`, hint });
  }
  return { fits, problems };
}
