// Module parameters that make VFs when a driver loads: `options ixgbe max_vfs=8,8` (modprobe.d(5)).
// The numbers are for the driver's cards in the order in which it found them, which is nobody's
// identity, so only the driver is known.

import type { Claim } from "../model/claim.ts";
import { type ClaimReading, type ConfigFile, withoutShadowed } from "./config-file.ts";

export const modprobeFolders = [
  "/etc/modprobe.d",
  "/run/modprobe.d",
  "/usr/local/lib/modprobe.d",
  "/usr/lib/modprobe.d",
  "/lib/modprobe.d",
];

const option = /^options\s+([A-Za-z0-9_-]+)\s+(.*)$/;
/** igb, ixgbe and i40e out of tree; be2net, mlx4_core; mlx4_core's VFs for the host. */
const parameters = /^(?:max_vfs|num_vfs|probe_vf)=(.+)$/;

/** The kernel's command line has the same parameters, as `ixgbe.max_vfs=8`. */
export const commandLineFile = "/proc/cmdline";

type Option = {
  readonly module: string;
  readonly words: readonly string[];
  readonly where: string;
};

const isOn = (word: string): boolean => /[1-9]/.test(parameters.exec(word)?.[1] ?? "");

function optionsOf({ path, text }: ConfigFile): Option[] {
  if (path === commandLineFile) {
    return text.split(/\s+/).map((word) => {
      const dot = word.indexOf(".");
      return { module: word.slice(0, dot), words: [word.slice(dot + 1)], where: `${path}:1` };
    });
  }
  return text.split(/\r?\n/).map((line, index) => {
    const [, module = "", rest = ""] = option.exec(line.trim()) ?? [];
    return { module, words: rest.split(/\s+/), where: `${path}:${index + 1}` };
  });
}

export function readModprobe(files: readonly ConfigFile[]): ClaimReading {
  const options = withoutShadowed(files, modprobeFolders).flatMap(optionsOf);
  const claims = options.flatMap(({ module, words, where }): Claim[] => {
    const own = words.filter(isOn);
    if (own.length === 0) return [];
    // A module's name has underscores, its driver's what its author chose.
    const drivers = [...new Set([module.replaceAll("-", "_"), module.replaceAll("_", "-")])];
    const settings = [{ kind: "other", words: own.join(" ").slice(0, 100), where } as const];
    return [{ manager: "modprobe", selector: { drivers, unjudged: [] }, firstOf: null, settings }];
  });
  return { claims, problems: [] };
}
