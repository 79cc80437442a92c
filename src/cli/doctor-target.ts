// `sriovctl doctor TARGET`: which findings concern one PF, one VF or one VM. What is wrong with the
// host concerns everybody; what is wrong with a PF concerns its VFs.

import { type Diagnosis, type Finding, narrowed } from "../doctor/doctor.ts";
import type { Evidence } from "../doctor/view.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Pf, Vf } from "../model/inventory.ts";
import { findFunction } from "./find-function.ts";

/** `web1`, or as `list` writes it, `vm:web1`; one that is off counts by what it is to have. */
function isOfVm({ owners, reservations = [] }: Pf | Vf, named: string): boolean {
  const vm = named.startsWith("vm:") ? named.slice(3) : named;
  return [...owners, ...reservations].some(({ kind, name }) => kind === "vm" && name === vm);
}

/** Targets that concern the function or VM that a person named. Throws SriovError `not-found`. */
export function targetsFor(
  { inventory, facts }: Pick<Evidence, "inventory" | "facts">,
  named: string,
): ReadonlySet<string> {
  const targets = new Set(["host"]);
  for (const pf of inventory.physicalFunctions) {
    if (isOfVm(pf, named)) targets.add(pf.address);
    for (const vf of pf.virtualFunctions) {
      if (isOfVm(vf, named)) targets.add(pf.address).add(vfTarget(pf.address, vf.vfIndex));
    }
  }
  // Somebody asks why it has no VFs.
  const plain = facts.cardsWithoutSriov?.find(
    (card) => named === card.address || named === card.netdev,
  );
  if (plain !== undefined) targets.add(plain.address);
  if (targets.size > 1) return targets;
  const { pf, vf } = findFunction(inventory, named);
  targets.add(pf.address);
  const vfs = vf === null ? pf.virtualFunctions : [vf];
  for (const { vfIndex } of vfs) targets.add(vfTarget(pf.address, vfIndex));
  return targets;
}

function narrowFinding<Kind extends Finding>(finding: Kind, targets: ReadonlySet<string>): Kind[] {
  const own = finding.targets.filter((target) => targets.has(target));
  return own.length === 0 ? [] : [narrowed(finding, own)];
}

export const narrowTo = (diagnosis: Diagnosis, targets: ReadonlySet<string>): Diagnosis => ({
  ...diagnosis,
  findings: diagnosis.findings.flatMap((finding) => narrowFinding(finding, targets)),
  waived: diagnosis.waived.flatMap((finding) => narrowFinding(finding, targets)),
});
