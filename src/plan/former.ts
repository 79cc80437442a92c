// What a VF has that a fresh one in its place would not have: whatever somebody set. Removing
// VFs loses it, so it is carried over, restored by undo, or listed as lost.

import type { Pf, Vf } from "../model/inventory.ts";
import type { VfSetting } from "./creation.ts";
import { traitsOf } from "./driver-traits.ts";
import { attributeNames, freshPolicy, isSame, settingOf } from "./vf-policy.ts";

/** Settings of a VF that a fresh one would not have: what re-creating it must bring back. */
export function formerSettings(pf: Pf, { policy }: Vf): VfSetting[] {
  const traits = traitsOf(pf.driver);
  const fresh = freshPolicy(traits);
  if (policy === null || pf.eswitchMode === "switchdev") return [];
  return attributeNames.flatMap((name): VfSetting[] => {
    const had = settingOf(policy, name);
    const freshly = settingOf(fresh, name);
    if (had === null || freshly === null || isSame(had, freshly, traits)) return [];
    return [{ setting: had, because: "as before" }];
  });
}

/**
 * The MSI-X count of most VFs of a PF, of two equally frequent ones the smaller; null where none
 * is known. No file tells what a driver gives a fresh VF, and it depends on how many VFs there are
 * (mlx5 pci_irq.c mlx5_get_default_msix_vec_count(), ice_sriov.c ice_set_per_vf_res()); but all
 * VFs of one creation get the same. So a VF with another count was given it by somebody, while
 * nobody can tell of the others.
 */
export function usualMsixCount({ virtualFunctions }: Pf): number | null {
  const frequency = new Map<number, number>();
  for (const { msixCount } of virtualFunctions) {
    if (msixCount !== null) frequency.set(msixCount, (frequency.get(msixCount) ?? 0) + 1);
  }
  const [first] = [...frequency].toSorted(
    ([leftCount, left], [rightCount, right]) => right - left || leftCount - rightCount,
  );
  return first === undefined ? null : first[0];
}

/** The MSI-X count of a VF that was given one of its own; null where nothing says so. */
export const ownMsixCount = ({ msixCount }: Vf, usual: number | null): number | null =>
  msixCount === usual ? null : msixCount;
