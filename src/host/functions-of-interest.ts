// Which functions the facts are about: the PFs, every bridge above them, and whoever shares an IOMMU
// group with them or their VFs. VFs themselves are left out: the inventory has them, and their config
// space tells nothing that their PF's does not.

import { compareAddresses, type Address } from "../model/bdf.ts";
import type { IommuGroupFacts } from "../model/host-facts.ts";
import type { Inventory } from "../model/inventory.ts";

/** Addresses in order; each at most once. */
export function functionsOfInterest(
  { physicalFunctions }: Inventory,
  groups: readonly IommuGroupFacts[],
): Address[] {
  const wanted = new Set<Address>();
  const vfs = new Set<Address>();
  const groupNumbers = new Set<number | null>();
  for (const pf of physicalFunctions) {
    wanted.add(pf.address);
    for (const parent of pf.path) wanted.add(parent);
    groupNumbers.add(pf.iommuGroup);
    for (const { address, iommuGroup } of pf.virtualFunctions) {
      vfs.add(address);
      groupNumbers.add(iommuGroup);
    }
  }
  for (const { number, members } of groups) {
    if (groupNumbers.has(number)) for (const member of members) wanted.add(member);
  }
  return [...wanted].filter((address) => !vfs.has(address)).sort(compareAddresses);
}
