// The public JSON of `who`: one function, whoever uses it with all evidence, whose configuration
// names it, and where two want the same; for a PF the same of its VFs.

import type { Conflict } from "../model/conflict.ts";
import type { Inventory, Owner, Pf, Vf } from "../model/inventory.ts";
import { consentWord } from "../plan/disruption.ts";
import { problemJson, reservationJson } from "./inventory-json.ts";

const whoFormat = "sriovctl-who/1";

const userJson = (owner: Owner) => ({
  kind: owner.kind,
  name: owner.name,
  pid: owner.pid,
  /** What an apply that disrupts it has to name. */
  consent: consentWord(owner),
  evidence: [owner.evidence, ...(owner.moreEvidence ?? [])],
});

const conflictJson = ({ kind, target, parties, sentence }: Conflict) => {
  return { kind, target, parties, sentence };
};

const usesJson = ({ owners, reservations = [] }: Pf | Vf) => ({
  users: owners.map(userJson),
  reservations: reservations.map(reservationJson),
});

const vfJson = (vf: Vf) => ({ index: vf.vfIndex, address: vf.address, ...usesJson(vf) });

export type WhoAnswer = {
  readonly inventory: Inventory;
  readonly pf: Pf;
  /** null where the PF itself was asked for. */
  readonly vf: Vf | null;
  readonly conflicts: readonly Conflict[];
};

export function whoJson({ inventory, pf, vf, conflicts }: WhoAnswer) {
  const common = { format: whoFormat, host: inventory.host.name };
  const rest = {
    conflicts: conflicts.map(conflictJson),
    problems: inventory.problems.map(problemJson),
  };
  if (vf !== null) {
    const kind = "vf" as const;
    return { ...common, kind, physicalFunction: pf.address, ...vfJson(vf), ...rest };
  }
  return {
    ...common,
    kind: "pf" as const,
    address: pf.address,
    ...usesJson(pf),
    virtualFunctions: pf.virtualFunctions.map(vfJson),
    ...rest,
  };
}
