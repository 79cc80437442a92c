// NetworkManager's older profiles on Red Hat's systems: ifcfg files, in shell's assignments, with
// SRIOV_TOTAL_VFS, SRIOV_AUTOPROBE_DRIVERS and SRIOV_VF0="mac=..." (nm-settings-ifcfg-rh(5)).

import type { Claim, ClaimSetting, PfSelector } from "../model/claim.ts";
import {
  baseName,
  type Complaints,
  type ConfigFile,
  parseAnyMac,
  parseCount,
  parseSwitch,
  shown,
} from "./config-file.ts";
import { parseVfAttributes } from "./vf-attributes.ts";

export const ifcfgFolders = ["/etc/sysconfig/network-scripts"];

export const isIfcfg = ({ path }: ConfigFile): boolean => baseName(path).startsWith("ifcfg-");

type Assignment = { readonly key: string; readonly value: string; readonly where: string };

function assignmentsOf({ path, text }: ConfigFile): Assignment[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, key = "", quoted = ""] = /^\s*([A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
    if (key === "") return [];
    const value = /^"(.*)"\s*$|^'(.*)'\s*$/.exec(quoted);
    const plain = value === null ? quoted.trim() : (value[1] ?? value[2] ?? "");
    return [{ key, value: plain, where: `${path}:${index + 1}` }];
  });
}

function settingsOf({ key, value, where }: Assignment, complaints: Complaints): ClaimSetting[] {
  const vf = /^SRIOV_VF(\d{1,5})$/.exec(key)?.[1];
  if (vf !== undefined) {
    const policy = parseVfAttributes(value, { where, complaints });
    return [{ kind: "vf", vfIndex: Number(vf), policy, where }];
  }
  const isOn = parseSwitch(value);
  const numVfs = parseCount(value, 65_535);
  if (key === "SRIOV_TOTAL_VFS" && numVfs !== null) return [{ kind: "num-vfs", numVfs, where }];
  if (key === "SRIOV_AUTOPROBE_DRIVERS" && isOn !== null)
    return [{ kind: "autoprobe", isOn, where }];
  complaints.add(where, `Cannot use ${shown(`${key}=${value}`)}`);
  return [];
}

export function claimsOfIfcfg(file: ConfigFile, complaints: Complaints): Claim[] {
  if (!file.text.includes("SRIOV_")) return [];
  const assignments = assignmentsOf(file);
  const valueOf = (name: string): string =>
    assignments.findLast(({ key }) => key === name)?.value ?? "";
  const own = assignments.filter(({ key }) => key.startsWith("SRIOV_"));
  const settings = own.flatMap((each) => settingsOf(each, complaints));
  if (settings.length === 0) return [];
  const [device, mac] = [valueOf("DEVICE"), valueOf("HWADDR")];
  const selector: PfSelector = {
    ...(device === "" ? {} : { names: [device] }),
    ...(mac === "" ? {} : { permanentMacs: [parseAnyMac(mac) ?? mac] }),
    unjudged: [],
  };
  return [{ manager: "networkmanager", selector, firstOf: null, settings }];
}
