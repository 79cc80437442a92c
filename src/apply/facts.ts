// What undo must bring back, as data: everything a spec can say about a PF and its VFs, plus
// bindings. The journal keeps these facts from before the first action, and comparing them with
// the facts afterwards is how an undo is verified.

import { vfTarget, type Address } from "../model/bdf.ts";
import type { EswitchMode, Inventory, Pf, Vf } from "../model/inventory.ts";
import { noPolicy, type VfAttribute, type VfPolicy } from "../model/vf-attribute.ts";
import { traitsOf } from "../plan/driver-traits.ts";
import { attributeNames, isSame, settingOf, settingWords } from "../plan/vf-policy.ts";

type VfFacts = {
  readonly vfIndex: number;
  readonly driver: string | null;
  readonly msixCount: number | null;
  readonly policy: VfPolicy | null;
};

export type PfFacts = {
  readonly address: Address;
  readonly driver: string | null;
  readonly numVfs: number;
  readonly driversAutoprobe: boolean | null;
  readonly eswitchMode: EswitchMode | null;
  /** Of the first netdev; null without one. */
  readonly isUp: boolean | null;
  readonly mtu: number | null;
  readonly vfs: readonly VfFacts[];
};

const vfFacts = ({ vfIndex, driver, msixCount, policy }: Vf): VfFacts => ({
  vfIndex,
  driver,
  msixCount,
  policy,
});

export function factsOf(pf: Pf): PfFacts {
  const [netdev] = pf.netdevs;
  return {
    address: pf.address,
    driver: pf.driver,
    numVfs: pf.numVfs,
    driversAutoprobe: pf.driversAutoprobe,
    eswitchMode: pf.eswitchMode,
    isUp: netdev?.isUp ?? null,
    mtu: netdev?.mtu ?? null,
    vfs: pf.virtualFunctions.map(vfFacts),
  };
}

/** Something that is not as it was. Values in words. */
export type FactDifference = {
  readonly target: string;
  readonly field: string;
  readonly before: string;
  readonly now: string;
};

const words = (value: boolean | number | string | null): string =>
  value === null ? "unknown" : String(value);

type Field = readonly [
  field: string,
  before: boolean | number | string | null,
  now: boolean | number | string | null,
];

/** A value that either side could not read is not a difference. */
const changedFields = (target: string, fields: readonly Field[]): FactDifference[] =>
  fields
    .filter(([, before, now]) => before !== now && before !== null && now !== null)
    .map(([field, before, now]) => ({ target, field, before: words(before), now: words(now) }));

/** `120 qos 3` of `vlan 120 qos 3`. */
const valueWords = (setting: VfAttribute): string =>
  settingWords(setting).slice(setting.name.length + 1);

function vfDifferences(pf: PfFacts, before: VfFacts, now: VfFacts): FactDifference[] {
  const target = vfTarget(pf.address, before.vfIndex);
  const traits = traitsOf(pf.driver);
  const differences = changedFields(target, [
    ["driver", before.driver ?? "none", now.driver ?? "none"],
    ["msixCount", before.msixCount, now.msixCount],
  ]);
  for (const name of attributeNames) {
    const was = settingOf(before.policy ?? noPolicy, name);
    const is = settingOf(now.policy ?? noPolicy, name);
    if (was === null || is === null || isSame(was, is, traits)) continue;
    differences.push({ target, field: name, before: valueWords(was), now: valueWords(is) });
  }
  return differences;
}

/** What of `before` is no longer so. Empty means restored. */
export function differencesFrom(
  before: readonly PfFacts[],
  { physicalFunctions }: Pick<Inventory, "physicalFunctions">,
): FactDifference[] {
  return before.flatMap((was): FactDifference[] => {
    const pf = physicalFunctions.find(({ address }) => address === was.address);
    const target = was.address;
    if (pf === undefined) return [{ target, field: "PF", before: "present", now: "absent" }];
    const now = factsOf(pf);
    const ofPf = changedFields(target, [
      ["numVfs", was.numVfs, now.numVfs],
      ["driversAutoprobe", was.driversAutoprobe, now.driversAutoprobe],
      ["eswitchMode", was.eswitchMode, now.eswitchMode],
      ["isUp", was.isUp, now.isUp],
      ["mtu", was.mtu, now.mtu],
    ]);
    const vfsNow = new Map(now.vfs.map((vf) => [vf.vfIndex, vf]));
    const ofVfs = was.vfs.flatMap((vf) => {
      const vfNow = vfsNow.get(vf.vfIndex);
      return vfNow === undefined ? [] : vfDifferences(was, vf, vfNow);
    });
    return [...ofPf, ...ofVfs];
  });
}
