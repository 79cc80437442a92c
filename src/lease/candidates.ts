// The VFs of a host as somebody could lease them: where each is, what it shares, who uses it, and
// what a spec says about it. The inventory is the truth; leases come in later (select.ts).

import type { Address } from "../model/bdf.ts";
import type { Inventory, Owner, Pf } from "../model/inventory.ts";
import type { VfPlace } from "./lease.ts";

/** What a spec says of a VF. */
export type SpecClaim = {
  readonly pool: string | null;
  /** `libvirt:web1/net1` where the spec gives it away itself. */
  readonly consumer: string | null;
};

export type Candidate = {
  readonly vf: VfPlace;
  /** Key of the physical card. */
  readonly adapter: string;
  readonly numaNode: number | null;
  readonly iommuGroup: number | null;
  /** The functions of its IOMMU group, itself among them: they go where it goes. One list for all of
   * a group, which on a strange host has thousands. */
  readonly groupMembers: readonly Address[];
  readonly owners: readonly Owner[];
  readonly claim: SpecClaim;
  /** A write to its PF or a VF of it is in flight. */
  readonly isPfChanging: boolean;
};

const functionOf = (address: Address): string => address.slice(-1);

function ownKeyOf({ permanentMac, serial, address }: Pf): string {
  if (permanentMac !== null) return `mac:${permanentMac}`;
  if (serial !== null) return `serial:${serial}/${functionOf(address)}`;
  return `at:${address}`;
}

/** PFs by what they keep when they move to another slot; by their address where they have no such
 * thing, or share it with another. */
function pfKeysOf(pfs: readonly Pf[]): ReadonlyMap<Address, string> {
  const byKey = Map.groupBy(pfs, ownKeyOf);
  const keyOf = (pf: Pf): string => {
    const key = ownKeyOf(pf);
    return byKey.get(key)?.length === 1 ? key : `at:${pf.address}`;
  };
  return new Map(pfs.map((pf) => [pf.address, keyOf(pf)]));
}

function groupsOf({ physicalFunctions, bridges }: Inventory): Map<number, Address[]> {
  const groups = new Map<number, Address[]>();
  const note = (group: number | null, address: Address): void => {
    if (group === null) return;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [address]);
    else members.push(address);
  };
  for (const { iommuGroup, address } of bridges) note(iommuGroup, address);
  for (const pf of physicalFunctions) {
    note(pf.iommuGroup, pf.address);
    for (const { iommuGroup, address } of pf.virtualFunctions) note(iommuGroup, address);
  }
  return groups;
}

const noClaim: SpecClaim = { pool: null, consumer: null };

/** Every VF, in address order. `claims` is by VF address. */
export function candidatesOf(
  inventory: Inventory,
  claims: ReadonlyMap<Address, SpecClaim>,
): Candidate[] {
  const groups = groupsOf(inventory);
  const keys = pfKeysOf(inventory.physicalFunctions);
  return inventory.physicalFunctions.flatMap((pf) => {
    const pfKey = keys.get(pf.address) ?? `at:${pf.address}`;
    return pf.virtualFunctions.map(({ vfIndex, address, iommuGroup, owners }): Candidate => {
      return {
        vf: { pfKey, vfIndex, pf: pf.address, address },
        adapter: pf.adapter,
        numaNode: pf.numaNode,
        iommuGroup,
        groupMembers: iommuGroup === null ? [] : (groups.get(iommuGroup) ?? []),
        owners,
        claim: claims.get(address) ?? noClaim,
        isPfChanging: pf.isChanging,
      };
    });
  });
}
