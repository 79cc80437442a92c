// Finds the function that a person named: a BDF, `BDF/vfN`, or a network interface of a PF or VF.

import { formatBdf, parseBdf } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory, Pf, Vf } from "../model/inventory.ts";

export type FoundFunction = { readonly pf: Pf; readonly vf: Vf | null };

/** Throws SriovError `not-found`. */
export function findFunction({ physicalFunctions }: Inventory, target: string): FoundFunction {
  const [head = "", vfPart] = target.split("/");
  const bdf = parseBdf(head);
  const address = bdf === null ? null : formatBdf(bdf);
  const matches = (candidate: Pf | Vf): boolean =>
    candidate.address === address || candidate.netdevs.some(({ name }) => name === head);
  for (const pf of physicalFunctions) {
    if (matches(pf)) return { pf, vf: vfPart === undefined ? null : vfOf(pf, vfPart, target) };
    const vf = pf.virtualFunctions.find(matches);
    if (vf !== undefined && vfPart === undefined) return { pf, vf };
  }
  throw new SriovError("not-found", `Cannot find ${target}: no PF or VF has this address or name`, {
    operation: "find function",
    target,
  });
}

function vfOf(pf: Pf, vfPart: string, target: string): Vf {
  const index = /^vf(\d{1,5})$/.exec(vfPart)?.[1];
  const vf = pf.virtualFunctions.find(({ vfIndex }) => `${vfIndex}` === index);
  if (vf !== undefined) return vf;
  throw new SriovError(
    "not-found",
    `Cannot find ${target}: PF ${pf.address} has ${pf.numVfs} VFs`,
    {
      operation: "find function",
      target,
    },
  );
}
