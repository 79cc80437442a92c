// A machine that runs: its state, and what is kept beside it to be fast (group numbers in use, VFs
// that changed since the last commit). Nothing here is lost with the process.

import type { Address, Bdf } from "../../model/bdf.ts";
import { parseBdf, slotOf } from "../../model/bdf.ts";
import { assert } from "../../model/assert.ts";
import type { VfPlacement } from "../../pci/routing-id.ts";
import { vfAddress, vfIndexAt } from "../../pci/routing-id.ts";
import { cardOf } from "./cards.ts";
import type { GroupNode } from "./groups.ts";
import { GroupIds, groupToJoin } from "./groups.ts";
import { requiredAcs } from "../../pci/isolation.ts";
import type { MachineState, PfState, PortState, VfState } from "./state.ts";

export type Machine = {
  readonly state: MachineState;
  readonly groupIds: GroupIds;
  /** VFs that changed, by their PF. */
  readonly dirty: Map<PfState, Set<number>>;
};

export function machineOf(state: MachineState): Machine {
  const groupIds = new GroupIds();
  for (const { group } of state.core.ports) if (group !== null) groupIds.join(group);
  for (const pf of state.pfs) {
    if (pf.group !== null) groupIds.join(pf.group);
    for (const vf of pf.vfs) if (vf?.group !== undefined) groupIds.join(vf.group);
  }
  return { state, groupIds, dirty: new Map() };
}

/** To be called by whoever changes a VF. */
export function touchVf(machine: Machine, pf: PfState, vfIndex: number): void {
  const indexes = machine.dirty.get(pf) ?? new Set();
  indexes.add(vfIndex);
  machine.dirty.set(pf, indexes);
}

export function bdfOf(address: Address): Bdf {
  const bdf = parseBdf(address);
  assert(bdf !== null, `${address} is an address`);
  return bdf;
}

export const functionNumber = (address: Address): number => bdfOf(address).routingId & 7;

export const findPf = ({ state }: Machine, address: Address): PfState | null =>
  state.pfs.find((pf) => pf.address === address && pf.isPresent) ?? null;

export const findPort = ({ state }: Machine, address: Address | null): PortState | null =>
  state.core.ports.find((port) => port.address === address) ?? null;

/** First VF Offset and VF Stride in force. ARI Capable Hierarchy of the lowest PF decides. */
export function placementOf(machine: Machine, pf: PfState): VfPlacement {
  const { placements, placementsWithoutAri } = cardOf(pf.card);
  const isAriOn = findPort(machine, pf.below)?.forwardsAri === true;
  const rows = isAriOn ? placements : placementsWithoutAri;
  const placement = rows[functionNumber(pf.address)] ?? rows[0];
  assert(placement !== undefined, `card ${pf.card} says where its VFs are`);
  return placement;
}

export const addressOfVf = (machine: Machine, pf: PfState, vfIndex: number): Address =>
  vfAddress(bdfOf(pf.address), placementOf(machine, pf), vfIndex);

export type VfPlace = { readonly pf: PfState; readonly vfIndex: number; readonly vf: VfState };

export function findVf(machine: Machine, address: Address): VfPlace | null {
  const bdf = parseBdf(address);
  if (bdf === null) return null;
  for (const pf of machine.state.pfs) {
    const pfBdf = bdfOf(pf.address);
    if (pfBdf.domain !== bdf.domain || pf.vfs.length === 0) continue;
    const placement = placementOf(machine, pf);
    const vfIndex = vfIndexAt(pfBdf.routingId, placement, pf.vfs.length, bdf.routingId);
    const vf = vfIndex === null ? null : (pf.vfs[vfIndex] ?? null);
    if (vfIndex !== null && vf !== null) return { pf, vfIndex, vf };
  }
  return null;
}

/** VFs with both links. */
export const linkedVfs = (pf: PfState): number =>
  pf.vfs.reduce((count, vf) => (vf !== null && vf.isLeaving !== true ? count + 1 : count), 0);

const acsOf = (hasAcs: boolean, hasIommu: boolean): GroupNode["acs"] =>
  // drivers/pci/pci.c pci_enable_acs(): switched on only where an IOMMU wants it.
  hasAcs ? { capability: 0x5f, control: hasIommu ? requiredAcs : 0 } : null;

function nodeOfPort(machine: Machine, port: PortState): GroupNode {
  const above = findPort(machine, port.below);
  return {
    kind: port.kind,
    isMultifunction: false,
    isIsolatedByQuirk: false,
    acs: acsOf(port.hasAcs, machine.state.core.hasIommu),
    group: port.group,
    above: above === null ? null : nodeOfPort(machine, above),
  };
}

function nodeOfPf(machine: Machine, pf: PfState): GroupNode {
  const above = findPort(machine, pf.below);
  const card = cardOf(pf.card);
  return {
    kind: above === null ? "integrated" : "endpoint",
    isMultifunction: pf.isMultifunction,
    isIsolatedByQuirk: card.isIsolatedByQuirk,
    acs: acsOf(card.hasAcs, machine.state.core.hasIommu),
    group: pf.group,
    above: above === null ? null : nodeOfPort(machine, above),
  };
}

/** VFs never say that they are multifunction, so their PF's siblings do not matter. */
export const nodeOfVf = (machine: Machine, pf: PfState): GroupNode => ({
  ...nodeOfPf(machine, pf),
  kind: "endpoint",
  isMultifunction: false,
  group: null,
});

export const siblingsOf = (machine: Machine, pf: PfState): PfState[] =>
  machine.state.pfs.filter(
    (other) => other !== pf && other.isPresent && slotOf(other.address) === slotOf(pf.address),
  );

/** Puts a function that was just found into a group, where there is an IOMMU. */
export function joinGroup(machine: Machine, member: PfState | PortState): void {
  if (!machine.state.core.hasIommu) return;
  const isPf = "card" in member;
  const node = isPf ? nodeOfPf(machine, member) : nodeOfPort(machine, member);
  const siblings = isPf ? siblingsOf(machine, member).map((pf) => nodeOfPf(machine, pf)) : [];
  const found = groupToJoin(node, siblings);
  if (found === null) member.group = machine.groupIds.take();
  else machine.groupIds.join((member.group = found));
}

/** Members of a group, by address. */
export function groupMembers(machine: Machine, group: number): Address[] {
  const { core, pfs } = machine.state;
  const members = core.ports.filter((port) => port.group === group).map(({ address }) => address);
  for (const pf of pfs) {
    if (pf.group === group) members.push(pf.address);
    pf.vfs.forEach((vf, vfIndex) => {
      if (vf?.group === group) members.push(addressOfVf(machine, pf, vfIndex));
    });
  }
  return members;
}
