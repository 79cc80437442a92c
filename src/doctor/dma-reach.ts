// How a function's memory accesses are seen by the IOMMU: its group, whether addresses are translated,
// who shares the group and so can be reached past the IOMMU, and which hop lets that happen.

import type { Address } from "../model/bdf.ts";
import type { Owner, Pf, Vf } from "../model/inventory.ts";
import { acsPath, brokenHop, drawPath } from "./acs-path.ts";
import { isVfioDriver, type View } from "./view.ts";

export type DmaPeer = {
  readonly address: Address;
  /** A bridge of the group carries the others' traffic; it has no memory of a tenant. */
  readonly isBridge: boolean;
  readonly driver: string | null;
  readonly owners: readonly Owner[];
};

export type DmaReach = {
  readonly address: Address;
  /** null: not known; -1: none, as there is no IOMMU. */
  readonly group: number | null;
  /** `DMA-FQ`, `identity`, ... of the group; null: not known. */
  readonly domain: string | null;
  /** What the function reaches by DMA, in a sentence. */
  readonly memory: string;
  /** The other members of the group. */
  readonly peers: readonly DmaPeer[];
  /** Root port to PF, one line each. */
  readonly path: readonly string[];
  /** The hop nearest to the function that does not isolate; null: none that is known. */
  readonly broken: Address | null;
  /** A hop's configuration space could not be read: absence proves nothing. */
  readonly isPathKnown: boolean;
};

const hostDomains: Readonly<Record<string, string>> = {
  "DMA": "what the host's driver has mapped for it, page by page",
  "DMA-FQ": "what the host's driver has mapped for it; unmapped pages are shut a little later",
  "identity": "all memory of the host: addresses are not translated",
  "blocked": "nothing: all its accesses are stopped",
  "unmanaged": "what whoever took it over has mapped for it",
};

function memoryOf({ facts }: View, { driver, owners }: Pf | Vf, domain: string | null): string {
  if (facts.iommu.isNoIommuMode === true && driver !== null && isVfioDriver(driver)) {
    return "all memory of the host: VFIO runs in no-IOMMU mode";
  }
  if (facts.iommu.instances?.length === 0) return "all memory of the host: no IOMMU is on";
  const guest = owners.find(({ kind }) => kind === "vm" || kind === "process");
  if (guest !== undefined && driver !== null && isVfioDriver(driver)) {
    const what =
      guest.kind === "vm" ? `the memory of VM ${guest.name}` : `what ${guest.name} mapped`;
    return `${what}, by VFIO's own domain`;
  }
  const known = domain === null ? undefined : hostDomains[domain];
  return known ?? "not known: the group's type was not reported";
}

function peerOf({ inventory, functionAt, placeAt }: View, address: Address): DmaPeer {
  const place = placeAt(address);
  const known = place?.vf ?? place?.pf ?? null;
  const facts = functionAt(address);
  const isListed = inventory.bridges.some((bridge) => bridge.address === address);
  return {
    address,
    isBridge: isListed || (facts?.classCode ?? 0) >>> 16 === 0x06,
    driver: known?.driver ?? facts?.driver ?? null,
    owners: known?.owners ?? [],
  };
}

/** Of a PF, or of one of its VFs. */
export function dmaReach(view: View, pf: Pf, vf: Vf | null): DmaReach {
  const subject = vf ?? pf;
  const { address, iommuGroup: group } = subject;
  const facts = view.facts.iommuGroups?.find(({ number }) => number === group) ?? null;
  const domain = facts?.type ?? (vf === null ? (pf.iommuGroupType ?? null) : null);
  const members = group === null ? [] : view.membersOf(group);
  const hops = acsPath(view, pf);
  return {
    address,
    group,
    domain,
    memory: memoryOf(view, subject, domain),
    peers: members.filter((member) => member !== address).map((member) => peerOf(view, member)),
    path: drawPath(hops),
    broken: brokenHop(hops)?.address ?? null,
    isPathKnown: hops.every(({ isIsolated }) => isIsolated !== null),
  };
}
