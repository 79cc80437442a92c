// Alternative names of VF netdevs, made of the PF's label and the VF's index (`p0-vf3`): they stay
// the same whatever the kernel and udev call the netdev. Given last, because a netdev comes with
// its driver, and lost with it, so whoever binds a VF anew gives them anew.

import type { Change } from "../model/action.ts";
import { vfTarget } from "../model/bdf.ts";
import { vfAt, type Pf, type Vf } from "../model/inventory.ts";
import type { DriverChoice } from "../model/spec.ts";
import { isBoundAs, driverName } from "./binding.ts";
import type { Step, VfFinal } from "./creation.ts";
import type { PfWanted } from "./wanted.ts";

const isNic = ({ classCode }: Pf): boolean => classCode >>> 16 === 0x02;

/** Those of this form that a VF has: ours, under this label or an earlier one. */
function formerAltNames({ vfIndex, netdevs }: Vf): string[] {
  const ending = `-vf${vfIndex}`;
  return (netdevs[0]?.altNames ?? []).filter((name) => name.endsWith(ending));
}

type Naming = Extract<Change, { kind: "set-alt-name" }>;

/** What brings a VF's names back after its netdev went. */
export const namesBack = ({ address }: Pf, vf: Vf): Naming[] =>
  formerAltNames(vf).map((altName) => {
    const { vfIndex } = vf;
    return { kind: "set-alt-name", pf: address, vfIndex, altName, isPresent: true };
  });

const stepOf = (change: Naming, because: string): Step => {
  return { change, target: vfTarget(change.pf, change.vfIndex), because };
};

/** For undo: names of all VFs of a PF that is made anew. */
export const restoredNames = (pf: Pf): Step[] =>
  pf.virtualFunctions.flatMap((vf) =>
    namesBack(pf, vf).map((change) => stepOf(change, "as before")),
  );

const isKernel = (choice: DriverChoice): boolean =>
  choice === "kernel" || (choice !== "none" && isBoundAs("kernel", driverName(choice)));

/** Whether the VF has a netdev of its own when all other steps are done. */
function becomesNetdev(wanted: PfWanted, final: VfFinal, isNew: boolean): boolean {
  const { pf } = wanted;
  if (final.driver !== null) return isKernel(final.driver);
  // Nobody says: the kernel's driver takes it, where it is let.
  return isNew ? pf.driversAutoprobe !== false : isBoundAs("kernel", driverOf(pf, final.vfIndex));
}

const driverOf = (pf: Pf, vfIndex: number): string | null => vfAt(pf, vfIndex)?.driver ?? null;

/** Names for a netdev that the steps before make. */
function namesOfNew(wanted: PfWanted, vfIndex: number): Step[] {
  const { pf, spec, altNames } = wanted;
  if (altNames === false) return [];
  if (altNames === null) {
    const former = vfAt(pf, vfIndex);
    const back = former === null ? [] : namesBack(pf, former);
    return back.map((change) => stepOf(change, "carried over from before"));
  }
  const altName = `${spec.name}-vf${vfIndex}`;
  const change = {
    kind: "set-alt-name",
    pf: pf.address,
    vfIndex,
    altName,
    isPresent: true,
  } as const;
  return [stepOf(change, "defaults.altNames is on")];
}

/** Names for a netdev that stays. */
function namesOfPresent({ pf, spec, altNames }: PfWanted, vfIndex: number): Step[] {
  const present = vfAt(pf, vfIndex)?.netdevs[0]?.altNames;
  if (altNames === null || present === undefined) return [];
  const altName = `${spec.name}-vf${vfIndex}`;
  if (present.includes(altName) === altNames) return [];
  const because = `defaults.altNames is ${altNames ? "on" : "off"}`;
  const change = {
    kind: "set-alt-name",
    pf: pf.address,
    vfIndex,
    altName,
    isPresent: altNames,
  } as const;
  return [stepOf(change, because)];
}

/** The last steps of a PF. `steps` are those before them. */
export function altNameSteps(
  wanted: PfWanted,
  finals: readonly VfFinal[],
  steps: readonly Step[],
): Step[] {
  const { pf, numVfs } = wanted;
  if (!isNic(pf)) return [];
  const isRecreated = steps.some(({ change }) => change.kind === "create-vfs");
  const bound = new Set(
    steps.flatMap(({ change }) => (change.kind === "bind-driver" ? [change.vfIndex] : [])),
  );
  const byIndex = new Map(finals.map((final) => [final.vfIndex, final]));
  return Array.from({ length: numVfs }, (_, vfIndex) => vfIndex).flatMap((vfIndex) => {
    const final = byIndex.get(vfIndex);
    const isNew = isRecreated || bound.has(vfIndex);
    if (!isNew || final === undefined) return namesOfPresent(wanted, vfIndex);
    return becomesNetdev(wanted, final, isRecreated) ? namesOfNew(wanted, vfIndex) : [];
  });
}
