// Whether a change is already so. Asked before a change is made, which makes every change safe to
// repeat (a crash leaves some in doubt), and after it, because a successful write is no proof.
// Recovery asks it too, to tell whom a list of changes would really hit.

import type { PfChange, VfChange } from "../model/action.ts";
import { vfAt, type Pf, type Vf } from "../model/inventory.ts";
import { noPolicy } from "../model/vf-attribute.ts";
import { driverName, isBoundAs } from "../plan/binding.ts";
import { traitsOf } from "../plan/driver-traits.ts";
import { isSame, settingOf } from "../plan/vf-policy.ts";
import type { Of } from "./request.ts";

/** The override that a choice leaves behind: a later probe then finds the same driver. */
export const overrideOf = ({ driver }: Pick<Of<"bind-driver">, "driver">): string | null =>
  driver === "none" || driver === "kernel" ? null : driverName(driver);

function isVfSo(change: VfChange, vf: Vf, pf: Pf): boolean {
  if (change.kind === "probe-vf") return vf.driver !== null;
  // Only the consumer could tell, and its adapter asks it.
  if (change.kind === "attach-vf" || change.kind === "detach-vf") return false;
  if (change.kind === "set-alt-name") {
    return (vf.netdevs[0]?.altNames ?? []).includes(change.altName) === change.isPresent;
  }
  if (change.kind === "bind-driver") {
    return isBoundAs(change.driver, vf.driver) && vf.driverOverride === overrideOf(change);
  }
  if (change.kind === "set-msix-count") return vf.msixCount === change.msixCount;
  const has = settingOf(vf.policy ?? noPolicy, change.attribute.name);
  return has !== null && isSame(change.attribute, has, traitsOf(pf.driver));
}

/** False where it cannot be known: an attribute that the driver does not report is set again. */
export function isSatisfied(change: PfChange, pf: Pf): boolean {
  const [netdev] = pf.netdevs;
  switch (change.kind) {
    case "set-autoprobe":
      return pf.driversAutoprobe === change.isOn;
    case "set-eswitch-mode":
      return (pf.eswitchMode ?? "legacy") === change.mode;
    case "set-mtu":
      return netdev?.mtu === change.mtu;
    case "set-admin-state":
      return netdev?.isUp === change.isUp;
    case "bind-pf":
      return isBoundAs(change.driver, pf.driver) && pf.driverOverride === overrideOf(change);
    // Only the consumer could tell, and its adapter asks it.
    case "attach-pf":
    case "detach-pf":
      return false;
    case "remove-vfs":
      return pf.numVfs === 0;
    case "create-vfs":
      return pf.numVfs === change.numVfs;
    default: {
      const vf = vfAt(pf, change.vfIndex);
      return vf !== null && isVfSo(change, vf, pf);
    }
  }
}
