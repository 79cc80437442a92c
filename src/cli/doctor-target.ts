// `sriovctl doctor TARGET`: which findings concern one PF, one VF or one VM. What is wrong with the
// host concerns everybody; what is wrong with a PF concerns its VFs.

import type { Diagnosis, Finding } from "../doctor/doctor.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Inventory } from "../model/inventory.ts";
import { findFunction } from "./find-function.ts";

/** Targets that concern the function or VM that a person named. Throws SriovError `not-found`. */
export function targetsFor(inventory: Inventory, named: string): ReadonlySet<string> {
  const targets = new Set(["host"]);
  for (const pf of inventory.physicalFunctions) {
    for (const { owners, vfIndex } of pf.virtualFunctions) {
      if (!owners.some(({ kind, name }) => kind === "vm" && name === named)) continue;
      targets.add(pf.address).add(vfTarget(pf.address, vfIndex));
    }
  }
  if (targets.size > 1) return targets;
  const { pf, vf } = findFunction(inventory, named);
  targets.add(pf.address);
  const vfs = vf === null ? pf.virtualFunctions : [vf];
  for (const { vfIndex } of vfs) targets.add(vfTarget(pf.address, vfIndex));
  return targets;
}

function narrowFinding<Kind extends Finding>(finding: Kind, targets: ReadonlySet<string>): Kind[] {
  const own = finding.targets.filter((target) => targets.has(target));
  return own.length === 0 ? [] : [{ ...finding, targets: own }];
}

export const narrowTo = (diagnosis: Diagnosis, targets: ReadonlySet<string>): Diagnosis => ({
  ...diagnosis,
  findings: diagnosis.findings.flatMap((finding) => narrowFinding(finding, targets)),
  waived: diagnosis.waived.flatMap((finding) => narrowFinding(finding, targets)),
});
