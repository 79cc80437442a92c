// What another manager sets up, as the document of a spec: its selectors are resolved against the
// inventory, so that the spec names PFs by what survives a rename and a moved card. What a spec has
// no word for, or nobody can tell whose it is, is left and said.

import { type Claim, claimsOn, type ClaimSetting, fitsGlob, mergedPolicy } from "../model/claim.ts";
import type { EswitchMode, Inventory, Pf } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { SpecComments, SpecDocument } from "../model/spec-format.ts";
import type { PolicySpec } from "../model/spec.ts";
import { rangesOf } from "../model/vf-range.ts";
import { fileOf } from "./co-owned.ts";
import { adapterEntry, isStationMac, type LabelledPf } from "./import.ts";

type ClaimedSpec = {
  readonly document: SpecDocument;
  /** Where each PF's settings came from. */
  readonly comments: SpecComments;
  /** What did not get into the spec, and why. */
  readonly left: readonly Problem[];
};

type Draft = {
  readonly pf: Pf;
  numVfs: number | null;
  eswitchMode: EswitchMode | null;
  isProbing: boolean | null;
  readonly policies: Map<number, PolicySpec>;
  readonly files: Set<string>;
};

class Leftovers {
  readonly problems: Problem[] = [];

  add(where: string, message: string): void {
    this.problems.push({ code: "not-imported", where, message });
  }
}

function addSetting(draft: Draft, setting: ClaimSetting, left: Leftovers): void {
  const { where } = setting;
  const { address, virtualFunctions } = draft.pf;
  const merge = (vfIndex: number, policy: PolicySpec): void => {
    draft.policies.set(vfIndex, mergedPolicy(draft.policies.get(vfIndex) ?? {}, policy));
  };
  draft.files.add(fileOf(where));
  switch (setting.kind) {
    case "num-vfs":
      if (draft.numVfs !== null && draft.numVfs !== setting.numVfs) {
        const message = `${setting.numVfs} VFs of ${address} replace ${draft.numVfs} of another line`;
        left.add(where, message);
      }
      draft.numVfs = setting.numVfs;
      break;
    case "eswitch-mode":
      draft.eswitchMode = setting.mode;
      break;
    case "autoprobe":
      draft.isProbing = setting.isOn;
      break;
    case "vf":
      merge(setting.vfIndex, setting.policy);
      break;
    case "vf-netdev": {
      const vf = virtualFunctions.find(({ netdevs }) =>
        netdevs.some(({ name }) => setting.netdevs.some((glob) => fitsGlob(glob, name))),
      );
      if (vf !== undefined) merge(vf.vfIndex, setting.policy);
      else
        left.add(
          where,
          `${setting.netdevs.join(" ")} is no VF of ${address} now: wanted its index`,
        );
      break;
    }
    case "other":
      left.add(where, `A spec has no word for ${setting.words}`);
      break;
    case "pf-assigned":
    case "vf-assigned":
      break;
  }
}

const onOff = (isOn: boolean): "on" | "off" => (isOn ? "on" : "off");

type Entry = Omit<NonNullable<SpecDocument["virtualFunctions"]>[number], "vfs">;

function vlanKey(policy: PolicySpec): Pick<Entry, "vlan"> {
  const { vlan } = policy;
  if (vlan === undefined || vlan === "default") return {};
  if (vlan === "none") return { vlan: "none" };
  const { id, qos, protocol } = vlan;
  if (qos === 0 && protocol === "802.1q") return { vlan: id };
  return { vlan: { id, ...(qos === 0 ? {} : { qos }), protocol } };
}

function rateKey({ rate }: PolicySpec): Pick<Entry, "rate"> {
  if (typeof rate !== "object") return {};
  const { minMbps, maxMbps } = rate;
  return {
    rate: {
      ...(minMbps === undefined ? {} : { min: minMbps }),
      ...(maxMbps === undefined ? {} : { max: maxMbps }),
    },
  };
}

/** Keys of a `virtualFunctions` entry. */
function entryOf(policy: PolicySpec): Entry {
  const { mac, spoofCheck, trust, linkState, rssQuery } = policy;
  return {
    ...(mac === undefined ? {} : { mac }),
    ...vlanKey(policy),
    ...rateKey(policy),
    ...(typeof spoofCheck === "boolean" ? { spoofCheck: onOff(spoofCheck) } : {}),
    ...(typeof trust === "boolean" ? { trust: onOff(trust) } : {}),
    ...(linkState === undefined ? {} : { linkState }),
    ...(typeof rssQuery === "boolean" ? { rssQuery: onOff(rssQuery) } : {}),
  };
}

/** Takes out of a policy what a spec refuses. */
function acceptable(policy: PolicySpec, target: string, context: Context): PolicySpec {
  const { left, usedMacs, adapter } = context;
  const refused: string[] = [];
  const { mac, vlan, rate } = policy;
  const key = `${adapter} ${mac}`;
  if (mac !== undefined && mac !== "auto" && mac !== "default") {
    if (!isStationMac(mac)) refused.push("mac");
    else if (usedMacs.has(key)) refused.push("mac");
    usedMacs.add(key);
  }
  if (typeof vlan === "object" && vlan.id > 4094) refused.push("vlan");
  const { minMbps = 0, maxMbps = 0 } = typeof rate === "object" ? rate : {};
  if (maxMbps > 0 && minMbps > maxMbps) refused.push("rate");
  for (const name of refused) {
    const value = JSON.stringify(policy[name as keyof PolicySpec]);
    left.add(target, `${name} ${value} of ${target} is none that a spec may have`);
  }
  return Object.fromEntries(
    Object.entries(policy).filter(([name]) => !refused.includes(name)),
  ) as PolicySpec;
}

type Context = {
  readonly left: Leftovers;
  readonly usedMacs: Set<string>;
  readonly adapter: string;
};

function vfEntries(label: string, draft: Draft, context: Context) {
  const { numVfs, isProbing, policies, pf } = draft;
  const count = numVfs ?? pf.numVfs;
  const driver = isProbing === null ? {} : { driver: isProbing ? "kernel" : "none" };
  const alike = new Map<string, { entry: Entry; vfIndexes: number[] }>();
  const indexes = isProbing === null ? [...policies.keys()] : [...Array(count).keys()];
  const beyond = [...policies.keys()].filter((vfIndex) => vfIndex >= count);
  if (beyond.length > 0) {
    context.left.add(label, `VF ${rangesOf(beyond)} of ${label} is beyond its ${count} VFs`);
  }
  for (const vfIndex of indexes.sort((left, right) => left - right)) {
    if (vfIndex >= count) continue;
    const policy = acceptable(policies.get(vfIndex) ?? {}, `${label}/${vfIndex}`, context);
    const entry: Entry = { ...driver, ...entryOf(policy) };
    if (Object.keys(entry).length === 0) continue;
    const key = JSON.stringify(entry);
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { entry, vfIndexes: [vfIndex] });
    else known.vfIndexes.push(vfIndex);
  }
  return [...alike.values()].map(({ entry, vfIndexes }) => {
    return { vfs: `${label}/${rangesOf(vfIndexes)}`, ...entry };
  });
}

function draftsOf({ physicalFunctions }: Inventory, claims: readonly Claim[], left: Leftovers) {
  const drafts: Draft[] = [];
  const used = new Set<Claim>();
  for (const pf of physicalFunctions) {
    const fresh = { numVfs: null, eswitchMode: null, isProbing: null };
    const draft: Draft = { pf, ...fresh, policies: new Map(), files: new Set() };
    for (const { claim, judgement } of claimsOn(pf, claims)) {
      used.add(claim);
      if (judgement === "yes") {
        for (const setting of claim.settings) addSetting(draft, setting, left);
      } else {
        const words = claim.selector.unjudged.join(", ");
        left.add(
          claim.settings[0]?.where ?? "",
          `Whether ${words} means ${pf.address} is not known`,
        );
      }
    }
    if (draft.files.size > 0) drafts.push(draft);
  }
  for (const { selector, settings, firstOf } of claims.filter((claim) => !used.has(claim))) {
    const { unjudged, ...keys } = selector;
    const words = [...Object.values(keys).flat(), ...unjudged].join(" ");
    const outranked = firstOf === null ? "" : ", or an earlier file is about it";
    if (settings.length === 0) continue;
    left.add(settings[0]?.where ?? "", `No PF of this host is ${words}${outranked}`);
  }
  return drafts;
}

/** Spec of the PFs that `claims` set up; they are of one manager, in its own order. */
export function importClaims(inventory: Inventory, claims: readonly Claim[]): ClaimedSpec {
  const left = new Leftovers();
  const drafts = draftsOf(inventory, claims, left);
  const labelled = drafts.map((draft, index) => ({ label: `p${index}`, pf: draft.pf, draft }));
  const cards = [...Map.groupBy(labelled, ({ pf }) => pf.adapter).values()];
  const usedMacs = new Set<string>();
  const comments: Record<string, string> = {};
  const adapters = cards.map((members, card) => {
    const eswitchMode = members.find(({ draft }) => draft.eswitchMode !== null)?.draft.eswitchMode;
    const plain: readonly LabelledPf[] = members;
    const { name, match, physicalFunctions } = adapterEntry(
      `card${card}`,
      plain,
      inventory.physicalFunctions,
    );
    const pfs = physicalFunctions.map(({ name: label, match: pfMatch, addressHint }, index) => {
      const draft = members[index]?.draft;
      const path = `adapters.${card}.physicalFunctions.${index}`;
      comments[path] = `From ${[...(draft?.files ?? [])].join(", ")}`;
      const numVfs = draft?.numVfs ?? null;
      return {
        name: label,
        match: pfMatch,
        ...(addressHint === undefined ? {} : { addressHint }),
        ...(numVfs === null ? {} : { numVfs }),
      };
    });
    const mode = typeof eswitchMode === "string" ? { eswitchMode } : {};
    return { name, ...(match === undefined ? {} : { match }), ...mode, physicalFunctions: pfs };
  });
  const entries = labelled.flatMap(({ label, pf, draft }) =>
    vfEntries(label, draft, { left, usedMacs, adapter: pf.adapter }),
  );
  const document: SpecDocument = {
    apiVersion: "sriovctl/v1",
    adapters,
    ...(entries.length === 0 ? {} : { virtualFunctions: entries }),
  };
  return { document, comments, left: left.problems };
}
