// The public JSON of `who`: one function, whoever uses it with all evidence, and for a PF the same
// of its VFs.

import type { Inventory, Owner, Pf, Vf } from "../model/inventory.ts";
import { consentWord } from "../plan/disruption.ts";
import { problemJson } from "./inventory-json.ts";

const whoFormat = "sriovctl-who/1";

const userJson = (owner: Owner) => ({
  kind: owner.kind,
  name: owner.name,
  pid: owner.pid,
  /** What an apply that disrupts it has to name. */
  consent: consentWord(owner),
  evidence: [owner.evidence, ...(owner.moreEvidence ?? [])],
});

const vfJson = ({ vfIndex, address, owners }: Vf) => ({
  index: vfIndex,
  address,
  users: owners.map(userJson),
});

export function whoJson({ host, problems }: Inventory, pf: Pf, vf: Vf | null) {
  const common = { format: whoFormat, host: host.name };
  const problemsJson = problems.map(problemJson);
  if (vf !== null) {
    const kind = "vf" as const;
    const physicalFunction = pf.address;
    return { ...common, kind, physicalFunction, ...vfJson(vf), problems: problemsJson };
  }
  return {
    ...common,
    kind: "pf" as const,
    address: pf.address,
    users: pf.owners.map(userJson),
    virtualFunctions: pf.virtualFunctions.map(vfJson),
    problems: problemsJson,
  };
}
