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

export function readModprobe(files: readonly ConfigFile[]): ClaimReading {
  const claims = withoutShadowed(files, modprobeFolders).flatMap(({ path, text }) => {
    return text.split(/\r?\n/).flatMap((line, index): Claim[] => {
      const [, module = "", rest = ""] = option.exec(line.trim()) ?? [];
      const words = rest.split(/\s+/).filter((word) => {
        const value = parameters.exec(word)?.[1];
        return value !== undefined && /[1-9]/.test(value);
      });
      if (words.length === 0) return [];
      const where = `${path}:${index + 1}`;
      // A module's name has underscores, its driver's what its author chose.
      const spellings = [module.replaceAll("-", "_"), module.replaceAll("_", "-")];
      const drivers = [...new Set(spellings)];
      const settings = [{ kind: "other", words: words.join(" ").slice(0, 100), where } as const];
      const selector = { drivers, unjudged: [] };
      return [{ manager: "modprobe", selector, firstOf: null, settings }];
    });
  });
  return { claims, problems: [] };
}
