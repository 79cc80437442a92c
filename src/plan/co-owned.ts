// Two managers of one PF undo each other at the next boot, link change or `reapply`, and most of
// them write 0 VFs first. So a PF that the spec manages and that another manager's configuration
// sets up too is a problem, with the file and the line where it does.

import type { Claim, ClaimSetting, ManagerName } from "../model/claim.ts";
import { claimsOn } from "../model/claim.ts";
import type { Inventory } from "../model/inventory.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { Problem } from "../model/problem.ts";
import { rangesOf } from "../model/vf-range.ts";
import type { PfWanted } from "./wanted.ts";

/** Managers that `sriovctl import --from` reads. */
export const importable = [
  "networkd",
  "networkmanager",
  "netplan",
  "nmstate",
  "sysfs",
  "udev",
] as const satisfies readonly ManagerName[];

export type Importable = (typeof importable)[number];

export const isImportable = (name: string): name is Importable =>
  importable.some((each) => each === name);

function settingWords(setting: ClaimSetting): string {
  switch (setting.kind) {
    case "num-vfs":
      return setting.numVfs === 1 ? "1 VF" : `${setting.numVfs} VFs`;
    case "eswitch-mode":
      return `eswitch mode ${setting.mode}`;
    case "autoprobe":
      return `sriov_drivers_autoprobe ${setting.isOn ? "on" : "off"}`;
    case "vf":
      return `VF ${setting.vfIndex}`;
    case "vf-netdev":
      return `the policy of the VF ${setting.netdevs.join(" ")}`;
    case "pf-assigned":
      return `the whole PF to ${setting.to}`;
    case "vf-assigned":
      return `VF ${setting.vfAddress} to ${setting.to}`;
    case "other":
      return setting.words;
  }
}

/** `8 VFs, the policy of VF 0-3`. */
function allWords(settings: readonly ClaimSetting[]): string {
  const vfIndexes = settings.flatMap((each) => (each.kind === "vf" ? [each.vfIndex] : []));
  const others = settings.filter(({ kind }) => kind !== "vf").map(settingWords);
  const policy = vfIndexes.length === 0 ? [] : [`the policy of VF ${rangesOf(vfIndexes)}`];
  return [...new Set([...others, ...policy])].join(", ");
}

/** The file of `file:line` and `file:line:column`. */
export const fileOf = (where: string): string => where.replace(/:\d+(?::\d+)?$/, "");

const hintOf = (manager: ManagerName, label: string): string => {
  const leave = `or leave ${label} out of the spec`;
  if (manager === "proxmox") return `Give the VM a VF instead, ${leave}`;
  if (!isImportable(manager)) return `Remove that from its configuration, ${leave}`;
  return `Take it over with sriovctl import --from ${manager} and remove these lines, ${leave}`;
};

type Owned = {
  readonly manager: ManagerName;
  readonly judgement: "yes" | "maybe";
  readonly selectors: Claim["selector"][];
  readonly settings: ClaimSetting[];
};

/** By manager and file, so that sixteen lines of a script are one problem. */
function ownedBy({ pf }: PfWanted, claims: readonly Claim[]): Owned[] {
  const byFile = new Map<string, Owned>();
  for (const { claim, judgement } of claimsOn(pf, claims)) {
    const { manager, selector } = claim;
    for (const setting of claim.settings) {
      if (setting.kind === "vf-assigned") continue;
      const key = `${manager} ${judgement} ${fileOf(setting.where)}`;
      const known = byFile.get(key) ?? { manager, judgement, selectors: [], settings: [] };
      byFile.set(key, known);
      known.settings.push(setting);
      known.selectors.push(selector);
    }
  }
  return [...byFile.values()];
}

const doing = (manager: ManagerName, settings: readonly ClaimSetting[]): string => {
  const who = manager === "script" ? "a script" : manager;
  const verb = settings[0]?.kind === "pf-assigned" ? "gives" : "sets";
  return `${who} ${verb} ${allWords(settings)}`;
};

/** A VF that a guest's configuration names and that the spec takes away. */
function vanishing(wanted: PfWanted, claims: readonly Claim[]): Problem[] {
  const { pf, spec, numVfs } = wanted;
  return claimsOn(pf, claims).flatMap(({ claim }) =>
    claim.settings.flatMap((setting): Problem[] => {
      if (setting.kind !== "vf-assigned") return [];
      const vf = pf.virtualFunctions.find(({ address }) => address === setting.vfAddress);
      if (vf === undefined || vf.vfIndex < numVfs) return [];
      const message = `VF ${vf.vfIndex} of ${spec.name} is ${setting.to}: the spec wants ${numVfs} VFs`;
      const hint = `Raise numVfs of ${spec.name} to ${vf.vfIndex + 1} or more`;
      return [{ code: "claimed-vf-missing", where: setting.where, message, hint }];
    }),
  );
}

/** A VF that a guest is defined with and that the spec takes away: the guest does not start then.
 * Proxmox VE's are claims already. */
function reservedVanishing({ pf, spec, numVfs }: PfWanted): Problem[] {
  return pf.virtualFunctions
    .filter(({ vfIndex }) => vfIndex >= numVfs)
    .flatMap(({ vfIndex, reservations = [] }) =>
      reservations
        .filter(({ manager, role }) => role === "function" && manager !== "proxmox")
        .map(({ kind, name, evidence: [where = ""] }): Problem => {
          const message = `VF ${vfIndex} of ${spec.name} is set aside for ${kind}:${name}: the spec wants ${numVfs} VFs`;
          const hint = `Raise numVfs of ${spec.name} to ${vfIndex + 1} or more, or give ${name} another one`;
          return { code: "claimed-vf-missing", where, message, hint };
        }),
    );
}

/** Problems for what surely is about a PF of the spec, warnings for what may be. */
export function coOwners(
  wanted: readonly PfWanted[],
  { claims = [], problems: found }: Inventory,
): { readonly problems: readonly PlanProblem[]; readonly warnings: readonly Problem[] } {
  const problems: PlanProblem[] = [];
  const warnings: Problem[] = wanted.length === 0 ? [] : found.filter(isOtherConfig);
  for (const pfWanted of wanted) {
    const { pf, spec, adapterName } = pfWanted;
    const label = `${spec.name} (${pf.address})`;
    for (const { manager, judgement, selectors, settings } of ownedBy(pfWanted, claims)) {
      const [first] = settings;
      const { where } = first ?? spec;
      const does = doing(manager, settings);
      if (judgement === "yes") {
        const message = `Cannot manage ${label}: ${does} there, wanted one manager of a PF`;
        const hint = hintOf(manager, spec.name);
        problems.push({ code: "co-owned", where, message, hint, adapter: adapterName });
      } else {
        const unjudged = selectors.flatMap((selector) => selector.unjudged)[0] ?? "";
        const message = `${does}, perhaps of ${label}: whether ${unjudged} means it is not known`;
        warnings.push({
          code: "maybe-co-owned",
          where,
          message,
          hint: "See whether it is about it",
        });
      }
    }
    warnings.push(...vanishing(pfWanted, claims), ...reservedVanishing(pfWanted));
  }
  return { problems, warnings };
}

const isOtherConfig = ({ code }: Problem): boolean => code === "other-config";
