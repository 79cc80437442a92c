// nmstate: states of interfaces with `ethernet.sr-iov`, which nmstate.service applies at boot from
// /etc/nmstate and `nmstatectl` from anywhere.

import { type Claim, type ClaimSetting, mergedPolicy, type PfSelector } from "../model/claim.ts";
import type { PolicySpec } from "../model/spec.ts";
import {
  type ClaimReading,
  Complaints,
  type ConfigFile,
  parseAnyMac,
  parseCount,
  parseSwitch,
} from "./config-file.ts";
import { type ConfigTree, field, fieldsOf, itemsOf, readYaml, textOf } from "./yaml-tree.ts";

export const nmstateFolders = ["/etc/nmstate"];

/** One key of a VF; null when its value is none that nmstate would take. */
function attributeOf(key: string, text: string): PolicySpec | null {
  const isOn = parseSwitch(text);
  const mbps = parseCount(text, 999_999_999);
  const mac = parseAnyMac(text);
  if (key === "mac-address") return mac === null ? null : { mac };
  if (key === "spoof-check") return isOn === null ? null : { spoofCheck: isOn };
  if (key === "trust") return isOn === null ? null : { trust: isOn };
  if (key === "min-tx-rate") return mbps === null ? null : { rate: { minMbps: mbps } };
  if (key === "max-tx-rate") return mbps === null ? null : { rate: { maxMbps: mbps } };
  return null;
}

const vlanKeys = new Set(["vlan-id", "qos", "vlan-proto"]);

function vlanOf(vf: ConfigTree): Pick<PolicySpec, "vlan"> | null {
  const id = parseCount(textOf(field(vf, "vlan-id")) ?? "", 4095);
  const qos = parseCount(textOf(field(vf, "qos")) ?? "0", 7);
  const protocol = (textOf(field(vf, "vlan-proto")) ?? "802.1q").toLowerCase();
  if (id === null || qos === null) return null;
  if (protocol !== "802.1q" && protocol !== "802.1ad") return null;
  return { vlan: id === 0 && qos === 0 ? "none" : { id, qos, protocol } };
}

function vfSetting(vf: ConfigTree, complaints: Complaints): ClaimSetting[] {
  const where = vf.place;
  const vfIndex = parseCount(textOf(field(vf, "id")) ?? "", 65_534);
  if (vfIndex === null) {
    complaints.add(where, "Cannot use a VF without an id: wanted its index");
    return [];
  }
  let policy: PolicySpec = {};
  const take = (part: PolicySpec | null, key: string, place: string): void => {
    if (part === null) complaints.add(place, `Cannot use ${key.slice(0, 60)} of VF ${vfIndex}`);
    policy = mergedPolicy(policy, part ?? {});
  };
  for (const { key, value } of fieldsOf(vf)) {
    if (key === "id" || vlanKeys.has(key)) continue;
    take(attributeOf(key, textOf(value) ?? ""), key, value.place);
  }
  if (field(vf, "vlan-id") !== null) take(vlanOf(vf), "vlan-id", where);
  return [{ kind: "vf", vfIndex, policy, where }];
}

function settingsOf(sriov: ConfigTree, complaints: Complaints): ClaimSetting[] {
  const settings: ClaimSetting[] = [];
  const total = field(sriov, "total-vfs");
  const numVfs = parseCount(textOf(total) ?? "", 65_535);
  if (total !== null && numVfs !== null) {
    settings.push({ kind: "num-vfs", numVfs, where: total.place });
  } else if (total !== null) complaints.add(total.place, "Cannot use total-vfs: wanted a count");
  const autoprobe = field(sriov, "drivers-autoprobe");
  const isOn = parseSwitch(textOf(autoprobe) ?? "");
  if (autoprobe !== null && isOn !== null) {
    settings.push({ kind: "autoprobe", isOn, where: autoprobe.place });
  }
  const vfs = itemsOf(field(sriov, "vfs")).flatMap((vf) => vfSetting(vf, complaints));
  const indexes = vfs.map((vf) => (vf.kind === "vf" ? vf.vfIndex : 0));
  const [first] = vfs;
  // Without a total there are as many as the highest index asks for.
  if (total === null && first !== undefined) {
    settings.push({ kind: "num-vfs", numVfs: Math.max(...indexes) + 1, where: first.where });
  }
  return [...settings, ...vfs];
}

function selectorOf(iface: ConfigTree): PfSelector {
  const identifier = textOf(field(iface, "identifier"));
  const mac = textOf(field(iface, "mac-address"));
  const address = textOf(field(iface, "pci-address"));
  if (identifier === "mac-address" && mac !== null) {
    return { macs: [parseAnyMac(mac) ?? mac], unjudged: [] };
  }
  if (identifier === "pci-address" && address !== null) {
    return { addresses: [address.toLowerCase()], unjudged: [] };
  }
  return { names: [textOf(field(iface, "name")) ?? ""], unjudged: [] };
}

export function readNmstate(files: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const claims = files.flatMap((file): Claim[] => {
    const tree = readYaml(file, complaints);
    // A state may stand below `desiredState`, as Kubernetes writes it.
    const state = field(field(tree, "spec"), "desiredState") ?? field(tree, "desiredState") ?? tree;
    return itemsOf(field(state, "interfaces")).flatMap((iface): Claim[] => {
      const sriov = field(field(iface, "ethernet"), "sr-iov");
      if (sriov === null) return [];
      const settings = settingsOf(sriov, complaints);
      return [{ manager: "nmstate", selector: selectorOf(iface), firstOf: null, settings }];
    });
  });
  return { claims, problems: complaints.problems };
}
