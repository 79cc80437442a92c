// NetworkManager's keyfiles: a profile with an [sriov] section holds the VF count and the VFs of
// the PFs that it fits, and sets it back to 0 when it goes down (nm-settings(5)); a [device]
// section of its configuration may have a count too (NetworkManager.conf(5)).

import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import {
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
import { parseVfAttributes } from "./vf-attributes.ts";
import { claimsOfIfcfg, isIfcfg } from "./ifcfg.ts";
import { type IniEntry, type IniSection, keyfileDialect, lastOf, parseIni } from "./ini-text.ts";

/** Of profiles with one UUID the first one holds. */
export const profileFolders = [
  "/run/NetworkManager/system-connections",
  "/etc/NetworkManager/system-connections",
  "/usr/lib/NetworkManager/system-connections",
];

export const settingsFolders = [
  "/etc/NetworkManager/conf.d",
  "/run/NetworkManager/conf.d",
  "/usr/lib/NetworkManager/conf.d",
];

const maxVfs = 65_535;

const listOf = (text: string | undefined): string[] =>
  (text ?? "").split(/[;,]/).flatMap((word) => (word.trim() === "" ? [] : [word.trim()]));

function settingOf({ key, value, where }: IniEntry, complaints: Complaints): ClaimSetting[] {
  const vf = /^vf\.(\d{1,5})$/.exec(key)?.[1];
  const number = parseCount(value, maxVfs);
  if (vf !== undefined) {
    const policy = parseVfAttributes(value, { where, complaints });
    return [{ kind: "vf", vfIndex: Number(vf), policy, where }];
  }
  // -1 is "not set" of each.
  if (value === "-1" || key === "preserve-on-down") return [];
  if (key === "autoprobe-drivers") {
    const isOn = parseSwitch(value);
    if (isOn !== null) return [{ kind: "autoprobe", isOn, where }];
  } else if (key === "eswitch-mode" && (number === 0 || number === 1)) {
    return [{ kind: "eswitch-mode", mode: number === 0 ? "legacy" : "switchdev", where }];
  } else if (key.startsWith("eswitch-")) {
    return [{ kind: "other", words: `${key}=${value}`.slice(0, 100), where }];
  }
  complaints.add(where, `Cannot use ${shown(`${key}=${value}`)} of [sriov]`);
  return [];
}

/** The count counts also when it is not written: it is 0 then, and enforced. */
function sriovSettings(section: IniSection, complaints: Complaints): ClaimSetting[] {
  const entry = lastOf(section, "total-vfs");
  const numVfs = parseCount(entry?.value ?? "0", maxVfs);
  const where = entry?.where ?? section.where;
  if (numVfs === null) complaints.add(where, "Cannot use total-vfs: wanted a count of VFs");
  const counts: ClaimSetting[] = numVfs === null ? [] : [{ kind: "num-vfs", numVfs, where }];
  const others = section.entries.filter(({ key }) => key !== "total-vfs");
  return [...counts, ...others.flatMap((each) => settingOf(each, complaints))];
}

type Fields = { -readonly [key in keyof PfSelector]?: string[] };

function selectorOf(sections: readonly IniSection[]): PfSelector {
  const section = (...names: string[]): IniSection | undefined =>
    sections.find(({ name }) => names.includes(name));
  const names = [
    ...listOf(lastOf(section("connection"), "interface-name")?.value),
    ...listOf(lastOf(section("match"), "interface-name")?.value),
  ];
  const mac = lastOf(section("ethernet", "802-3-ethernet", "infiniband"), "mac-address")?.value;
  const paths = listOf(lastOf(section("match"), "path")?.value);
  const drivers = listOf(lastOf(section("match"), "driver")?.value);
  const kernel = listOf(lastOf(section("match"), "kernel-command-line")?.value);
  const fields: Fields = {};
  if (names.length > 0) fields.names = names;
  if (mac !== undefined && mac !== "") fields.permanentMacs = [parseAnyMac(mac) ?? mac];
  if (paths.length > 0) fields.paths = paths;
  if (drivers.length > 0) fields.drivers = drivers;
  return { ...fields, unjudged: kernel.map((word) => `kernel-command-line=${word}`.slice(0, 100)) };
}

/** Types whose netdev can be a PF's; VLANs and bridges above it have profiles of their own. */
const pfTypes = new Set(["ethernet", "802-3-ethernet", "infiniband"]);

function claimOfProfile(sections: readonly IniSection[], complaints: Complaints): Claim[] {
  const connection = sections.find(({ name }) => name === "connection");
  const type = lastOf(connection, "type")?.value ?? "";
  const sriov = sections.find(({ name }) => name === "sriov");
  if (sriov === undefined || !pfTypes.has(type)) return [];
  const settings = sriovSettings(sriov, complaints);
  const selector = selectorOf(sections);
  return [{ manager: "networkmanager", selector, firstOf: null, settings }];
}

const uuidOf = (sections: readonly IniSection[]): string | null =>
  lastOf(
    sections.find(({ name }) => name === "connection"),
    "uuid",
  )?.value ?? null;

/** `match-device=interface-name:ens1*;except:driver:igb`, of which we know the plain ones. */
function deviceSelector(section: IniSection): PfSelector {
  const fields: Record<string, string[]> = {};
  const unjudged: string[] = [];
  const kinds: Readonly<Record<string, string>> = {
    "interface-name": "names",
    "driver": "drivers",
    "mac": "permanentMacs",
  };
  for (const word of listOf(lastOf(section, "match-device")?.value)) {
    const isExcept = word.startsWith("except:");
    const [kind = "", ...rest] = word.slice(isExcept ? 7 : 0).split(":");
    const field = kinds[kind];
    const value = rest.join(":").replace(/^=/, "");
    if (word === "*" || word === "type:ethernet") continue;
    if (field === undefined) unjudged.push(word.slice(0, 100));
    else {
      const text = field === "permanentMacs" ? (parseAnyMac(value) ?? value) : value;
      (fields[field] ??= []).push(isExcept ? `!${text}` : text);
    }
  }
  // Words of different kinds are alternatives there and conditions here: not ours to judge.
  const isMixed = Object.keys(fields).length > 1;
  return isMixed ? { unjudged: ["match-device"] } : { ...fields, unjudged };
}

function claimsOfSettings(sections: readonly IniSection[], complaints: Complaints): Claim[] {
  return sections.flatMap((section): Claim[] => {
    const entry = section.name.startsWith("device") ? lastOf(section, "sriov-num-vfs") : undefined;
    if (entry === undefined) return [];
    const { where } = entry;
    const numVfs = parseCount(entry.value, maxVfs);
    if (numVfs === null) {
      complaints.add(where, `Cannot use ${shown(entry.value)}: wanted a count of VFs`);
      return [];
    }
    const settings: ClaimSetting[] = [{ kind: "num-vfs", numVfs, where }];
    const selector = deviceSelector(section);
    return [{ manager: "networkmanager", selector, firstOf: "device", settings }];
  });
}

export function readNetworkManager(all: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const files = all.filter((file) => !isIfcfg(file));
  const isSettings = ({ path }: ConfigFile): boolean => path.endsWith(".conf");
  const rank = ({ path }: ConfigFile): number => {
    const at = profileFolders.indexOf(folderOf(path));
    return at === -1 ? profileFolders.length : at;
  };
  const seen = new Set<string>();
  const profiles = files
    .filter((file) => !isSettings(file))
    .toSorted((left, right) => rank(left) - rank(right));
  const ofProfiles = profiles.flatMap((file) => {
    // Most profiles have nothing to do with us.
    if (!file.text.includes("sriov") && !file.text.includes("uuid")) return [];
    const sections = parseIni(file, keyfileDialect, complaints);
    const uuid = uuidOf(sections);
    if (uuid !== null && seen.has(uuid)) return [];
    if (uuid !== null) seen.add(uuid);
    return claimOfProfile(sections, complaints);
  });
  // Later files win, and of the sections in force the first that fits.
  const ofSettings = withoutShadowed(files.filter(isSettings), settingsFolders)
    .toReversed()
    .flatMap((file) => {
      if (!file.text.includes("sriov-num-vfs")) return [];
      return claimsOfSettings(parseIni(file, keyfileDialect, complaints), complaints);
    });
  const ofIfcfg = all.filter(isIfcfg).flatMap((file) => claimsOfIfcfg(file, complaints));
  const claims = [...ofProfiles, ...ofIfcfg, ...ofSettings];
  return { claims, problems: complaints.problems };
}
