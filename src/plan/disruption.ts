// Whom a change hits. The users come from the inventory's census; what a change does to them comes
// from the kernel's rules and the driver's traits. Consent names users as `kind:name`, and a PF's
// `protect` words as `protect:word`.

import { isOfTarget } from "../model/assign-target.ts";
import { vfTarget } from "../model/bdf.ts";
import type { Action, Change, Disruption } from "../model/action.ts";
import { vfAt, type Owner, type Pf, type Vf } from "../model/inventory.ts";
import { handOverWord, type Consent, type PlanProblem } from "../model/plan.ts";
import type { VfAttributeName } from "../model/vf-attribute.ts";
import { traitsOf } from "./driver-traits.ts";
import type { PfWanted } from "./wanted.ts";

/** Changing these resets a live VF on Intel drivers, or cuts it off. */
const disturbing: ReadonlySet<VfAttributeName> = new Set(["mac", "vlan", "trust", "linkState"]);

const hitBy = (target: string, owners: readonly Owner[]): Disruption[] =>
  owners.map(({ kind, name, evidence }) => ({ kind, name, target, evidence }));

const pfUsers = ({ address, owners }: Pf): Disruption[] => hitBy(address, owners);

const vfUsers = ({ address }: Pf, { vfIndex, owners }: Vf): Disruption[] =>
  hitBy(vfTarget(address, vfIndex), owners);

/** True when the change takes the PF's own netdev away for a moment or for good. */
function disturbsPf(change: Change, pf: Pf): boolean {
  const traits = traitsOf(pf.driver);
  switch (change.kind) {
    case "remove-vfs":
    case "create-vfs":
      return traits.resizeResetsPf;
    case "set-mtu":
      return traits.mtuResetsPf;
    case "set-eswitch-mode":
    case "bind-pf":
      return true;
    case "set-admin-state":
      return !change.isUp;
    default:
      return false;
  }
}

/** Everybody whom `change` hits on the host as `pf` shows it. */
export function disruptionsOf(change: Change, pf: Pf): Disruption[] {
  const ofPf = disturbsPf(change, pf) ? pfUsers(pf) : [];
  switch (change.kind) {
    case "remove-vfs":
    case "bind-pf":
      return [...pf.virtualFunctions.flatMap((vf) => vfUsers(pf, vf)), ...ofPf];
    case "bind-driver":
    case "set-msix-count":
    case "set-vf": {
      if (change.kind === "set-vf" && !disturbing.has(change.attribute.name)) return [];
      const vf = vfAt(pf, change.vfIndex);
      return vf === null ? [] : vfUsers(pf, vf);
    }
    case "attach-pf":
    case "detach-pf":
      return pfUsers(pf).filter((user) => !isOfTarget(change.plug.consumer, user));
    // The consumer's own hold is what the change is about.
    case "attach-vf":
    case "detach-vf": {
      const vf = vfAt(pf, change.vfIndex);
      const { consumer } = change.plug;
      const others = vf?.owners.filter((owner) => !isOfTarget(consumer, owner)) ?? [];
      return hitBy(vfTarget(pf.address, change.vfIndex), others);
    }
    default:
      return ofPf;
  }
}

const effects: Partial<Record<Change["kind"], string>> = {
  "remove-vfs": "Removing the VFs",
  "create-vfs": "Creating VFs",
  "bind-driver": "Changing the driver",
  "set-vf": "Changing the policy",
  "set-msix-count": "Changing the MSI-X count",
  "attach-vf": "Attaching a VF",
  "detach-vf": "Detaching a VF",
  "bind-pf": "Changing the driver",
  "attach-pf": "Giving all",
  "detach-pf": "Taking all",
  "set-mtu": "Changing the MTU",
  "set-eswitch-mode": "Changing the eswitch mode",
  "set-admin-state": "Taking the PF down",
};

export const consentWord = ({ kind, name }: Pick<Owner, "kind" | "name">): string =>
  `${kind}:${name}`;

/** Of a VM that nobody gave its VF with a lease: how to hand it over is not known. */
const adoptWords = ({ name, target }: Disruption): string =>
  "It is not handed over, as it was not attached by sriovctl: sriovctl attach " +
  `${target} --to libvirt:${name}/ALIAS (or qemu:${name}/ID) adopts it. `;

/** One problem per user and target that the consent does not name. */
export function consentProblems(
  actions: readonly Omit<Action, "id">[],
  { pf, spec, adapterName }: PfWanted,
  consent: Consent,
): PlanProblem[] {
  const given = new Set(consent);
  const problems = new Map<string, PlanProblem>();
  const refuse = (word: string, target: string, message: string, otherWay = ""): void => {
    if (given.has(word) || problems.has(`${word} ${target}`)) return;
    problems.set(`${word} ${target}`, {
      code: "would-disrupt",
      where: target,
      message,
      hint: `${otherWay}To do it anyway: --allow-disruption ${word}`,
      adapter: adapterName,
    });
  };
  for (const { change, disrupts } of actions) {
    const effect = effects[change.kind] ?? "This";
    for (const user of disrupts) {
      const words = `${effect} of ${spec.name} disrupts ${consentWord(user)} on ${user.target}`;
      const isLeftOut =
        user.kind === "vm" && given.has(handOverWord) && change.kind === "remove-vfs";
      const otherWay = isLeftOut ? adoptWords(user) : "";
      refuse(consentWord(user), user.target, `${words}: ${user.evidence}`, otherWay);
    }
    const isReset = disturbsPf(change, pf);
    if (!isReset && disrupts.length === 0 && change.kind !== "remove-vfs") continue;
    for (const word of spec.protect) {
      const hit = isReset ? "resets the PF" : "takes from its users";
      const message = `${effect} of ${spec.name} ${hit}: it is protected as ${word}`;
      refuse(`protect:${word}`, pf.address, message);
    }
  }
  return [...problems.values()];
}
