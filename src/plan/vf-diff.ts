// What one VF of a PF must become: the settings and driver that differ from what it has, with the
// reason for each, and what speaks against them.

import { vfTarget } from "../model/bdf.ts";
import { isNetwork, type Pf, type Vf } from "../model/inventory.ts";
import { autoMacOfConsumer, autoMacOfVf, zeroMac } from "../model/mac.ts";
import type { PlanProblem } from "../model/plan.ts";
import type { PolicyKey, SourcePlace } from "../model/spec.ts";
import { noPolicy, type VfAttribute, type VfAttributeName } from "../model/vf-attribute.ts";
import type { VfFinal, VfSetting, WantedMsix } from "./creation.ts";
import { carriedChoiceOf, driverName, isBoundAs } from "./binding.ts";
import type { DriverTraits } from "./driver-traits.ts";
import { ownMsixCount } from "./former.ts";
import { rangesOf } from "../model/vf-range.ts";
import {
  attributeNames,
  freshPolicy,
  isSame,
  settingOf,
  settingWords,
  wantedSetting,
} from "./vf-policy.ts";
import type { PfWanted, VfWanted } from "./wanted.ts";

export type VfContext = {
  readonly pf: Pf;
  readonly wantedPf: PfWanted;
  readonly traits: DriverTraits;
  /** The VF as it is; null when it will be created. */
  readonly vf: Vf | null;
  /** The VF that had this index before a resize; its unset attributes are carried over. */
  readonly former: Vf | null;
  /** MSI-X count of most VFs of the PF as it is. */
  readonly usualMsix: number | null;
};

export type VfDiff = {
  readonly final: VfFinal;
  readonly refusals: readonly VfRefusal[];
  readonly unverifiable: readonly { readonly target: string; readonly attribute: string }[];
};

const carriedBecause = "carried over from before the resize";

/** The MAC that `auto` means: the consumer's where there is one, else the PF's and the index. */
export function autoMacOf(pf: Pf, { consumer, vfIndex }: VfWanted): string | null {
  if (consumer !== null) return autoMacOfConsumer(consumer);
  return pf.permanentMac === null ? null : autoMacOfVf(pf.permanentMac, vfIndex);
}

/** A kernel driver that is bound shows the MAC that it made up where nobody set one, and so may the
 * driver in a guest: unset cannot be told apart from that, unless the kernel driver goes now. */
function isUnsetMac(setting: VfAttribute, { driver }: VfWanted, vf: Vf): boolean {
  if (setting.name !== "mac" || setting.mac !== zeroMac) return false;
  if (vf.owners.length > 0) return true;
  return isBoundAs("kernel", vf.driver) && (driver === null || isBoundAs(driver, vf.driver));
}

type Compared = { setting?: VfSetting; unverifiable?: boolean; unknown?: boolean };

function compareOne(name: VfAttributeName, wanted: VfWanted, context: VfContext): Compared {
  const { vf, pf, traits } = context;
  if (wanted.policy[name] === undefined) return {};
  const fresh = freshPolicy(traits);
  const current = vf === null ? fresh : (vf.policy ?? noPolicy);
  const autoMac = wanted.policy[name] === "auto" ? autoMacOf(pf, wanted) : null;
  const setting = wantedSetting(name, wanted.policy, { current, fresh, autoMac });
  if (setting === null) return {};
  if (setting === "fresh-unknown") return { unknown: true };
  const has = settingOf(current, name);
  if (vf === null) {
    // A fresh VF's own defaults need no write, unless the table does not know them.
    if (has !== null && isSame(setting, has, traits)) return {};
    return { setting: { setting, because: `wanted by ${wanted.claim}` } };
  }
  if (has === null || isUnsetMac(setting, wanted, vf)) return { unverifiable: true };
  if (isSame(setting, has, traits)) return {};
  return { setting: { setting, because: `wanted by ${wanted.claim}, now ${settingWords(has)}` } };
}

/** Attributes that the spec leaves alone on a VF that is made anew: they keep their value. */
function carriedOver(
  wanted: VfWanted | null,
  { former, traits, wantedPf }: VfContext,
): VfSetting[] {
  const policy = former?.policy ?? null;
  if (policy === null || isSwitchdev(wantedPf)) return [];
  const fresh = freshPolicy(traits);
  return attributeNames.flatMap((name): VfSetting[] => {
    if (wanted?.policy[name] !== undefined || traits.unsupported.has(name)) return [];
    const had = settingOf(policy, name);
    const freshly = settingOf(fresh, name);
    if (had === null || freshly === null || isSame(had, freshly, traits)) return [];
    return [{ setting: had, because: carriedBecause }];
  });
}

export const isSwitchdev = ({ adapter, pf }: PfWanted): boolean =>
  (adapter.eswitchMode ?? pf.eswitchMode ?? "legacy") === "switchdev";

function msixOf(wanted: VfWanted | null, { vf, former, usualMsix }: VfContext): WantedMsix | null {
  const msix = wanted?.policy.msix;
  if (msix === undefined) {
    const count = former === null ? null : ownMsixCount(former, usualMsix);
    return count === null ? null : { count, because: carriedBecause };
  }
  // Of a VF that has what most have, nobody can tell that it was given it.
  if (msix === "default" && (vf === null || vf.msixCount === usualMsix)) return null;
  const count = msix === "default" ? 0 : msix;
  if (vf !== null && (vf.msixCount === count || vf.msixCount === null)) return null;
  return { count, because: `${count} MSI-X vectors wanted` };
}

/** What speaks against one VF; a claim of many VFs has it many times, see vfProblems(). */
type VfRefusal = {
  readonly code: string;
  readonly where: SourcePlace;
  readonly words: string;
  readonly vfIndex: number;
  readonly hint?: string;
};

/** `key` says which of the claim's keys is at fault, so that the problem points at it. */
const refusalOf = (
  code: string,
  key: PolicyKey,
  words: string,
  { places, where, vfIndex }: VfWanted,
): VfRefusal => ({ code, where: places[key] ?? where, words, vfIndex });

/** One problem for all VFs that have it for the same reason at the same place. */
export function vfProblems(refusals: readonly VfRefusal[], wanted: PfWanted): PlanProblem[] {
  const groups = Map.groupBy(refusals, ({ code, where, words }) => `${code} ${where} ${words}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { code, where, words, hint } = first;
    const vfs = rangesOf(group.map(({ vfIndex }) => vfIndex));
    const message = `Cannot configure VF ${vfs} of ${wanted.spec.name}: ${words}`;
    const adapter = wanted.adapterName;
    return [{ code, where, message, adapter, ...(hint === undefined ? {} : { hint }) }];
  });
}

/** What the PF's class, driver or mode cannot have. */
function refusalsOf(wanted: VfWanted, context: VfContext): VfRefusal[] {
  const { pf, traits, wantedPf } = context;
  const names = attributeNames.filter((name) => wanted.policy[name] !== undefined);
  const refusal = (code: string, key: PolicyKey, words: string): VfRefusal =>
    refusalOf(code, key, words, wanted);
  const refusals: VfRefusal[] = [];
  const { rate, vlan, msix } = wanted.policy;
  if (typeof msix === "number" && (pf.vfTotalMsix ?? 0) === 0) {
    const words = `driver ${pf.driver} cannot resize MSI-X tables`;
    refusals.push(refusal("attribute-unsupported", "msix", words));
  }
  const [code, why] = isNetwork(pf)
    ? ["attribute-in-switchdev", "is not enforced in switchdev mode"]
    : ["attribute-of-other-class", "is for network functions only"];
  if (!isNetwork(pf) || isSwitchdev(wantedPf)) {
    return [...refusals, ...names.map((name) => refusal(code, name, `${name} ${why}`))];
  }
  for (const name of names.filter((name) => traits.unsupported.has(name))) {
    const words = `driver ${pf.driver} does not support ${name}`;
    refusals.push(refusal("attribute-unsupported", name, words));
  }
  if (typeof rate === "object" && (rate.minMbps ?? 0) > 0 && !traits.hasMinRate) {
    refusals.push(
      refusal("attribute-unsupported", "rate", `driver ${pf.driver} has no minimum rate`),
    );
  }
  if (wanted.policy.linkState === "enable" && traits.ignoresLinkEnable) {
    const words = `driver ${pf.driver} takes linkState enable and does nothing`;
    refusals.push(refusal("attribute-unsupported", "linkState", words));
  }
  if (typeof vlan === "object" && vlan.protocol === "802.1ad" && !traits.has8021ad) {
    refusals.push(
      refusal("attribute-unsupported", "vlan", `driver ${pf.driver} has no 802.1ad tags`),
    );
  }
  return [...refusals, ...rateRefusals(wanted, context)];
}

function rateRefusals(wanted: VfWanted, context: VfContext): VfRefusal[] {
  const { pf, traits, wantedPf } = context;
  const { rate } = wanted.policy;
  if (typeof rate !== "object" || (rate.maxMbps ?? 0) === 0) return [];
  const [netdev] = pf.netdevs;
  const speed = netdev?.linkSpeedMbps ?? null;
  if (speed !== null && speed > 0 && (rate.maxMbps ?? 0) > speed) {
    const words = `rate max ${rate.maxMbps} Mbit/s is above the link's ${speed}`;
    return [refusalOf("rate-above-link", "rate", words, wanted)];
  }
  const goesUp = wantedPf.spec.adminState === "up";
  if (traits.rateNeedsLink && netdev?.isUp === false && !goesUp) {
    const words = `driver ${pf.driver} takes a rate only while the PF is up`;
    const hint = `Give ${wantedPf.spec.name} adminState: up`;
    return [{ ...refusalOf("rate-needs-link", "rate", words, wanted), hint }];
  }
  return [];
}

/** The whole difference of one VF; `wanted` is null for a VF that the spec says nothing about. */
export function diffVf(wanted: VfWanted | null, vfIndex: number, context: VfContext): VfDiff {
  const { pf, former, traits } = context;
  const settings: VfSetting[] = [];
  const refusals = wanted === null ? [] : refusalsOf(wanted, context);
  const unverifiable: VfDiff["unverifiable"][number][] = [];
  if (wanted !== null && refusals.length === 0) {
    for (const name of attributeNames) {
      const compared = compareOne(name, wanted, context);
      if (compared.setting !== undefined) settings.push(compared.setting);
      if (compared.unverifiable === true) {
        unverifiable.push({ target: vfTarget(pf.address, vfIndex), attribute: name });
      }
      if (compared.unknown === true) {
        const words = `nobody knows what "${wanted.policy[name]}" is for ${name} here`;
        refusals.push(refusalOf("default-unknown", name, words, wanted));
      }
    }
  }
  settings.push(...carriedOver(wanted, context));
  const carried = former === null ? null : carriedChoiceOf(former, traits);
  const driver = wanted?.driver ?? carried;
  const driverBecause =
    wanted !== null && wanted.driver !== null
      ? `${driverName(wanted.driver)} wanted by ${wanted.claim}`
      : carriedBecause;
  const msix = msixOf(wanted, context);
  const final = { vfIndex, driver, driverBecause, settings, msix };
  return { final, refusals, unverifiable };
}
