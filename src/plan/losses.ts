// What removing VFs takes away that neither the spec nor undo brings back, as sentences that the
// plan shows before anything is touched.

import { vfTarget } from "../model/bdf.ts";
import type { Vf } from "../model/inventory.ts";
import type { Plan } from "../model/plan.ts";
import { rangesOf } from "../model/vf-range.ts";
import { carriedChoiceOf } from "./binding.ts";
import { traitsOf } from "./driver-traits.ts";
import { formerSettings, ownMsixCount, usualMsixCount } from "./former.ts";
import { isSwitchdev } from "./vf-diff.ts";
import type { PfWanted } from "./wanted.ts";

/** True where the VF's driver is nobody's wish and refuses the VF that comes in its place. */
function isDriverLost(vf: Vf, { pf, vfs }: PfWanted): boolean {
  const isWished = (vfs.get(vf.vfIndex)?.driver ?? null) !== null;
  return !isWished && carriedChoiceOf(vf, traitsOf(pf.driver)) === null;
}

/** Names of what was set on a VF and does not come back with it. */
function lostNames(vf: Vf, wanted: PfWanted, usualMsix: number | null): string {
  const { pf, numVfs } = wanted;
  const goes = vf.vfIndex >= numVfs;
  if (!goes && !isSwitchdev(wanted)) return "";
  const names: string[] = formerSettings(pf, vf).map(({ setting }) => setting.name);
  if (goes && ownMsixCount(vf, usualMsix) !== null) names.push("msix");
  return names.join(", ");
}

function lossesOfVf(vf: Vf, wanted: PfWanted, usualMsix: number | null): string[] {
  const { vfIndex, address, driver, owners } = vf;
  const goes = vfIndex >= wanted.numVfs;
  const names = lostNames(vf, wanted, usualMsix);
  return [
    ...owners.map(
      ({ kind, name }) =>
        `${kind} ${name} loses VF ${vfIndex} (${address}): undo makes a new VF, but does not give it back`,
    ),
    ...(!goes && isDriverLost(vf, wanted)
      ? [`VF ${vfIndex} comes back offline, without its ${driver} driver`]
      : []),
    ...(names !== "" && goes ? [`VF ${vfIndex} goes, and with it its ${names}`] : []),
    ...(names !== "" && !goes
      ? [`VF ${vfIndex} comes back without its ${names}: switchdev mode does not enforce them`]
      : []),
  ];
}

/** MSI-X counts that may have been set: what nobody can tell cannot be carried over. */
function msixLosses({ pf, numVfs, vfs }: PfWanted, usualMsix: number | null): string[] {
  if ((pf.vfTotalMsix ?? 0) === 0) return [];
  const left = pf.virtualFunctions.filter(
    ({ vfIndex }) => vfIndex < numVfs && vfs.get(vfIndex)?.policy.msix === undefined,
  );
  const usual = left.filter(({ msixCount }) => msixCount !== null && msixCount === usualMsix);
  const unread = left.filter(({ msixCount }) => msixCount === null);
  const sentences = (members: readonly Vf[], words: string): string[] => {
    const range = rangesOf(members.map(({ vfIndex }) => vfIndex));
    const what = `MSI-X counts of VF ${range} (${pf.address}) become the driver's own`;
    return members.length === 0 ? [] : [`${what}: ${words}`];
  };
  return [
    ...sentences(usual, `whether their ${usualMsix} were set, nothing tells`),
    ...sentences(unread, "what they are now could not be read"),
  ];
}

export function lossesOf(wanted: PfWanted): Plan["losses"] {
  const { pf } = wanted;
  const usualMsix = usualMsixCount(pf);
  const ofVfs = pf.virtualFunctions.flatMap((vf) => {
    const target = vfTarget(pf.address, vf.vfIndex);
    return lossesOfVf(vf, wanted, usualMsix).map((sentence) => ({ target, sentence }));
  });
  const ofPf = msixLosses(wanted, usualMsix).map((sentence) => ({ target: pf.address, sentence }));
  return [...ofVfs, ...ofPf];
}
