// IOMMU groups as Linux forms them (drivers/iommu/iommu.c pci_device_group(), drivers/pci/pci.c
// pci_acs_enabled()): a function shares its group with every bridge above it that lets peers talk
// behind the IOMMU's back, and with sibling functions that may do so inside the card. Group numbers
// are the lowest free ones, so they are recycled.

import { isIsolated, type IsolationNode } from "../../pci/isolation.ts";

/** What the algorithm wants to know of a function. */
export type GroupNode = IsolationNode & {
  readonly group: number | null;
  /** The port above; null on a root bus. A VF's is its PF's: virtual buses are skipped. */
  readonly above: GroupNode | null;
};

function isPathIsolated(port: GroupNode): boolean {
  for (let at: GroupNode | null = port; at !== null; at = at.above) {
    if (!isIsolated(at)) return false;
  }
  return true;
}

/**
 * Group that a new function joins; null when it gets one of its own. `sameSlot` are the other
 * functions of its slot. DMA aliases (step 1) exist below PCI bridges only, which no machine here
 * has.
 */
export function groupToJoin(node: GroupNode, sameSlot: readonly GroupNode[]): number | null {
  let x = node;
  for (let port = node.above; port !== null && !isPathIsolated(port); port = port.above) {
    x = port;
    if (port.group !== null) return port.group;
  }
  // A bridge that was climbed to has had its own group since it was found, so x is the node here.
  if (x !== node || !x.isMultifunction || isIsolated(x)) return null;
  const sibling = sameSlot.find((other) => other.group !== null && !isIsolated(other));
  return sibling?.group ?? null;
}

/** Numbers of groups with their member counts. */
export class GroupIds {
  readonly #members: number[] = [];
  /** No free number is below it. */
  #lowestFree = 0;

  /** A new group with one member. */
  take(): number {
    let id = this.#lowestFree;
    while ((this.#members[id] ?? 0) > 0) id++;
    this.join(id);
    this.#lowestFree = id + 1;
    return id;
  }

  join(id: number): void {
    while (this.#members.length <= id) this.#members.push(0);
    this.#members[id] = (this.#members[id] ?? 0) + 1;
  }

  leave(id: number): void {
    const members = (this.#members[id] ?? 0) - 1;
    this.#members[id] = Math.max(0, members);
    if (members <= 0) this.#lowestFree = Math.min(this.#lowestFree, id);
  }
}
