// netplan: `virtual-function-count` of an ethernet, or as many as VF definitions link to it,
// `embedded-switch-mode`, and VLANs with `renderer: sriov` as port VLANs of VFs. All files make
// one configuration, key by key, later names first in force (netplan-yaml, "Properties").

import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import {
  type ClaimReading,
  Complaints,
  type ConfigFile,
  parseAnyMac,
  parseCount,
  shown,
  withoutShadowed,
} from "./config-file.ts";
import { type ConfigTree, field, fieldsOf, readYaml, textOf, textsOf } from "./yaml-tree.ts";

/** Files of one name: the first folder that has it. */
export const netplanFolders = ["/run/netplan", "/etc/netplan", "/usr/lib/netplan", "/lib/netplan"];

type Definition = { readonly id: string; readonly parts: ConfigTree[] };

/** The value in the last file that has the key. */
const lastPart = ({ parts }: Definition, ...path: string[]): ConfigTree | null =>
  parts
    .map((part) => path.reduce<ConfigTree | null>((tree, key) => field(tree, key), part))
    .findLast((tree) => tree !== null) ?? null;

function definitionsOf(trees: readonly ConfigTree[], section: string): Map<string, Definition> {
  const definitions = new Map<string, Definition>();
  for (const tree of trees) {
    for (const { key, value } of fieldsOf(field(field(tree, "network"), section))) {
      const known = definitions.get(key);
      if (known === undefined) definitions.set(key, { id: key, parts: [value] });
      else known.parts.push(value);
    }
  }
  return definitions;
}

function selectorOf(definition: Definition): PfSelector {
  const names = textsOf(lastPart(definition, "match", "name"));
  const mac = textOf(lastPart(definition, "match", "macaddress"));
  const drivers = textsOf(lastPart(definition, "match", "driver"));
  const setName = textOf(lastPart(definition, "set-name"));
  const hasMatch = names.length > 0 || mac !== null || drivers.length > 0;
  // Without a match the definition's own name is the interface's.
  if (!hasMatch) return { names: [definition.id], unjudged: [] };
  return {
    ...(names.length === 0 ? {} : { names: setName === null ? names : [...names, setName] }),
    ...(mac === null ? {} : { permanentMacs: [parseAnyMac(mac) ?? mac] }),
    ...(drivers.length === 0 ? {} : { drivers }),
    unjudged: [],
  };
}

type Linked = { readonly vf: Definition; readonly link: ConfigTree };

function countSettings(
  pf: Definition,
  linked: readonly Linked[],
  complaints: Complaints,
): ClaimSetting[] {
  const wanted = lastPart(pf, "virtual-function-count");
  const [first] = linked;
  const where = wanted?.place ?? first?.link.place;
  if (where === undefined) return [];
  const count = parseCount(textOf(wanted) ?? "0", 65_535);
  if (count === null) {
    const is = shown(textOf(wanted) ?? "");
    complaints.add(where, `Cannot use virtual-function-count ${is}: wanted a count`);
  }
  return [{ kind: "num-vfs", numVfs: Math.max(count ?? 0, linked.length), where }];
}

/** netplan names VFs by their netdevs, so which index a port VLAN is for the inventory knows. */
function vlanSettings(linked: readonly Linked[], vlans: Iterable<Definition>): ClaimSetting[] {
  const settings: ClaimSetting[] = [];
  for (const vlan of vlans) {
    const link = textOf(lastPart(vlan, "link"));
    const tree = lastPart(vlan, "id");
    const id = parseCount(textOf(tree) ?? "", 4094);
    const vf = linked.find((each) => each.vf.id === link)?.vf;
    const isOurs = textOf(lastPart(vlan, "renderer")) === "sriov";
    if (vf === undefined || tree === null || id === null || !isOurs) continue;
    const netdevs = selectorOf(vf).names ?? [];
    const policy = { vlan: { id, qos: 0, protocol: "802.1q" } } as const;
    settings.push({ kind: "vf-netdev", netdevs, policy, where: tree.place });
  }
  return settings;
}

function modeSettings(pf: Definition, complaints: Complaints): ClaimSetting[] {
  const tree = lastPart(pf, "embedded-switch-mode");
  const mode = textOf(tree);
  const late = lastPart(pf, "delay-virtual-functions-rebind");
  const words = "delay-virtual-functions-rebind";
  const others: ClaimSetting[] = late === null ? [] : [{ kind: "other", words, where: late.place }];
  if (tree === null) return others;
  const where = tree.place;
  if (mode === "legacy" || mode === "switchdev") {
    return [{ kind: "eswitch-mode", mode, where }, ...others];
  }
  complaints.add(where, `Cannot use embedded-switch-mode: wanted legacy or switchdev`);
  return others;
}

export function readNetplan(files: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const trees = withoutShadowed(files, netplanFolders).flatMap((file) => {
    return readYaml(file, complaints) ?? [];
  });
  const ethernets = definitionsOf(trees, "ethernets");
  const vlans = definitionsOf(trees, "vlans");
  const linkedTo = new Map<string, Linked[]>();
  for (const vf of ethernets.values()) {
    const link = lastPart(vf, "link");
    const pf = textOf(link);
    if (link === null || pf === null) continue;
    linkedTo.set(pf, [...(linkedTo.get(pf) ?? []), { vf, link }]);
  }
  const claims = [...ethernets.values()].flatMap((pf): Claim[] => {
    const linked = linkedTo.get(pf.id) ?? [];
    const settings = [
      ...countSettings(pf, linked, complaints),
      ...modeSettings(pf, complaints),
      ...vlanSettings(linked, vlans.values()),
    ];
    if (settings.length === 0) return [];
    return [{ manager: "netplan", selector: selectorOf(pf), firstOf: null, settings }];
  });
  return { claims, problems: complaints.problems };
}
