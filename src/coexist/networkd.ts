// systemd's .link files (udev makes the VFs when the PF's netdev appears) and .network files
// (networkd sets VF attributes), with their drop-ins: systemd.link(5), systemd.network(5). The
// first file whose [Match] fits a netdev holds, so files without SR-IOV count too.

import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import type { PolicySpec } from "../model/spec.ts";
import type { LinkStatePolicy } from "../model/vf-attribute.ts";
import {
  baseName,
  type ClaimReading,
  Complaints,
  type ConfigFile,
  folderOf,
  parseAnyMac,
  parseCount,
  parseSwitch,
  shown,
  withoutShadowed,
} from "./config-file.ts";
import { type IniEntry, type IniSection, lastOf, parseIni, systemdDialect } from "./ini-text.ts";

/** In systemd's own order of precedence. */
export const networkdFolders = [
  "/etc/systemd/network",
  "/run/systemd/network",
  "/usr/local/lib/systemd/network",
  "/usr/lib/systemd/network",
  "/lib/systemd/network",
];

const maxVfs = 65_535;

/** Words of a list key; an empty assignment throws away those before it. */
function wordsOf(entries: readonly IniEntry[], key: string): string[] {
  let words: string[] = [];
  for (const entry of entries) {
    if (entry.key !== key) continue;
    words = entry.value === "" ? [] : [...words, ...entry.value.split(/\s+/)];
  }
  return words;
}

/** A list that begins with `!` excludes all that it names. */
const excludable = (words: readonly string[]): string[] => {
  const [first = ""] = words;
  if (!first.startsWith("!")) return [...words];
  return [first.slice(1), ...words.slice(1)].filter(Boolean).map((word) => `!${word}`);
};

const judged = {
  Path: "paths",
  Driver: "drivers",
  Name: "names",
  MACAddress: "macs",
  PermanentMACAddress: "permanentMacs",
} as const;

/** null for a file without conditions: systemd ignores it. */
function selectorOf(sections: readonly IniSection[]): PfSelector | null {
  const entries = sections.filter(({ name }) => name === "Match").flatMap((each) => each.entries);
  const keys = [...new Set(entries.map(({ key }) => key))];
  const unjudged: string[] = [];
  const selector: Record<string, string[]> = {};
  let hasCondition = false;
  for (const key of keys) {
    const words = wordsOf(entries, key);
    if (words.length === 0) continue;
    hasCondition = true;
    const field = key in judged ? judged[key as keyof typeof judged] : null;
    if (field === "macs" || field === "permanentMacs") {
      selector[field] = words.map((word) => parseAnyMac(word) ?? word);
    } else if (field !== null) selector[field] = excludable(words);
    else if (isAlwaysTrue(key, words)) continue;
    else unjudged.push(`${key}=${words.join(" ")}`.slice(0, 100));
  }
  return hasCondition ? { ...selector, unjudged } : null;
}

/** Conditions that every netdev of a PF meets. */
const isAlwaysTrue = (key: string, words: readonly string[]): boolean =>
  (key === "OriginalName" && words.includes("*")) || (key === "Type" && words.includes("ether"));

function linkStateOf(text: string): LinkStatePolicy | null {
  const isOn = parseSwitch(text);
  if (isOn !== null) return isOn ? "enable" : "disable";
  return text.toLowerCase() === "auto" ? "auto" : null;
}

const switchKeys = {
  MACSpoofCheck: "spoofCheck",
  QueryReceiveSideScaling: "rssQuery",
  Trust: "trust",
} as const;

function vlanOf(section: IniSection, complaints: Complaints): Pick<PolicySpec, "vlan"> {
  const entry = lastOf(section, "VLANId");
  if (entry === undefined || entry.value === "") return {};
  const id = parseCount(entry.value, 4095);
  const qos = parseCount(lastOf(section, "QualityOfService")?.value || "0", 7);
  const text = lastOf(section, "VLANProtocol")?.value.toLowerCase() || "802.1q";
  const protocol = text === "802.1q" || text === "802.1ad" ? text : null;
  if (id !== null && id > 0 && qos !== null && protocol !== null) {
    return { vlan: { id, qos, protocol } };
  }
  complaints.add(entry.where, `Cannot use VLANId ${shown(entry.value)} with its QoS and protocol`);
  return {};
}

function policyOf(section: IniSection, complaints: Complaints): PolicySpec {
  const refuse = ({ key, value, where }: IniEntry, wanted: string): void =>
    complaints.add(where, `Cannot use ${key}=${value.slice(0, 60)}: wanted ${wanted}`);
  const policy: { -readonly [key in keyof PolicySpec]: PolicySpec[key] } = {};
  for (const [key, name] of Object.entries(switchKeys)) {
    const entry = lastOf(section, key);
    const isOn = entry === undefined ? null : parseSwitch(entry.value);
    if (isOn !== null) policy[name] = isOn;
    else if (entry !== undefined && entry.value !== "") refuse(entry, "yes or no");
  }
  const mac = lastOf(section, "MACAddress");
  const parsedMac = parseAnyMac(mac?.value ?? "");
  if (parsedMac !== null) policy.mac = parsedMac;
  else if (mac !== undefined && mac.value !== "") refuse(mac, "a MAC address");
  const link = lastOf(section, "LinkState");
  const linkState = linkStateOf(link?.value ?? "");
  if (linkState !== null) policy.linkState = linkState;
  else if (link !== undefined && link.value !== "") refuse(link, "yes, no or auto");
  return { ...policy, ...vlanOf(section, complaints) };
}

function vfSettings(sections: readonly IniSection[], complaints: Complaints): ClaimSetting[] {
  return sections.flatMap((section): ClaimSetting[] => {
    if (section.name !== "SR-IOV") return [];
    const entry = lastOf(section, "VirtualFunction");
    const vfIndex = parseCount(entry?.value ?? "", maxVfs - 1);
    if (vfIndex !== null) {
      const policy = policyOf(section, complaints);
      return [{ kind: "vf", vfIndex, policy, where: section.where }];
    }
    const is = entry === undefined ? "it has no VirtualFunction" : shown(entry.value);
    complaints.add(section.where, `Cannot use [SR-IOV]: ${is}, wanted the index of a VF`);
    return [];
  });
}

/** A .link file without a count makes as many VFs as its sections name (netif-sriov.c). */
function countSettings(
  sections: readonly IniSection[],
  vfs: readonly ClaimSetting[],
  complaints: Complaints,
): ClaimSetting[] {
  const entries = sections.filter(({ name }) => name === "Link").flatMap((each) => each.entries);
  const entry = entries.findLast(({ key }) => key === "SR-IOVVirtualFunctions");
  if (entry !== undefined && entry.value !== "") {
    const { where } = entry;
    const numVfs = parseCount(entry.value, maxVfs);
    if (numVfs !== null) return [{ kind: "num-vfs", numVfs, where }];
    complaints.add(where, `Cannot use ${shown(entry.value)}: wanted a count of VFs`);
  }
  const indexes = vfs.map((vf) => (vf.kind === "vf" ? vf.vfIndex : 0));
  const [first] = vfs;
  if (first === undefined) return [];
  return [{ kind: "num-vfs", numVfs: Math.max(...indexes) + 1, where: first.where }];
}

function claimOf(parts: readonly ConfigFile[], complaints: Complaints): Claim[] {
  const [main] = parts;
  if (main === undefined) return [];
  const sections = parts.flatMap((part) => parseIni(part, systemdDialect, complaints));
  const selector = selectorOf(sections);
  if (selector === null) return [];
  const isLink = main.path.endsWith(".link");
  const vfs = vfSettings(sections, complaints);
  const counts = isLink ? countSettings(sections, vfs, complaints) : [];
  const firstOf = isLink ? "link" : "network";
  return [{ manager: "networkd", selector, firstOf, settings: [...counts, ...vfs] }];
}

const isUnit = ({ path }: ConfigFile): boolean => /\.(?:link|network)$/.test(path);

type DropIns = ReadonlyMap<string, readonly ConfigFile[]>;

/** By the name of their folder: `10-p0.link.d/vfs.conf` in any of the folders, or beside the file. */
const dropInsIn = (files: readonly ConfigFile[]): DropIns =>
  Map.groupBy(
    files.filter(({ path }) => path.endsWith(".conf")),
    ({ path }) => baseName(folderOf(path)),
  );

function dropInsOf(unit: ConfigFile, dropIns: DropIns): ConfigFile[] {
  const name = `${baseName(unit.path)}.d`;
  return withoutShadowed(
    dropIns.get(name) ?? [],
    networkdFolders.map((folder) => `${folder}/${name}`),
  );
}

export function readNetworkd(files: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const units = withoutShadowed(files.filter(isUnit), networkdFolders);
  // udev comes before networkd.
  const [links = [], networks = []] = [/\.link$/, /\.network$/].map((kind) =>
    units.filter(({ path }) => kind.test(path)),
  );
  const dropIns = dropInsIn(files);
  const claims = [...links, ...networks].flatMap((unit) => {
    // An empty file, or a link to /dev/null, masks those of its name, drop-ins and all.
    if (unit.text.trim() === "") return [];
    return claimOf([unit, ...dropInsOf(unit, dropIns)], complaints);
  });
  return { claims, problems: complaints.problems };
}
