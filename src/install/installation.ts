// Everything that `enable` puts into place, by path. The package ships the same texts under
// /usr/lib; `enable` then writes none of them.

import {
  applyPfUnit,
  applyPfUnitName,
  applyUnit,
  applyUnitName,
  returnedUnit,
  returnedUnitName,
  type Program,
} from "./apply-units.ts";
import { networkFile } from "./leave-alone.ts";
import type { OwnFile } from "./own-file.ts";
import { lateRules } from "./udev-rules.ts";

const unitFolder = "/etc/systemd/system";
const packagedUnitFolder = "/usr/lib/systemd/system";
const udevFolder = "/etc/udev/rules.d";
const packagedUdevFolder = "/usr/lib/udev/rules.d";
const networkFolder = "/etc/systemd/network";
const packagedNetworkFolder = "/usr/lib/systemd/network";

/** Generated from the specs, so it lives no longer than a boot. */
export const leaveAloneRulesPath = "/run/udev/rules.d/90-sriovctl-vfs.rules";

export type InstalledFile = OwnFile & {
  /** Where a package has it: then ours is not needed; null: no package does. */
  readonly packagedPath: string | null;
};

type PackagedFile = InstalledFile & { readonly packagedPath: string };

export function installedFiles(program: Program, runDir: string): readonly PackagedFile[] {
  const file = (
    folders: readonly [string, string],
    name: string,
    what: Pick<OwnFile, "text" | "purpose">,
  ): PackagedFile => ({
    path: `${folders[0]}/${name}`,
    packagedPath: `${folders[1]}/${name}`,
    ...what,
  });
  const units = [unitFolder, packagedUnitFolder] as const;
  const rules = [udevFolder, packagedUdevFolder] as const;
  const network = [networkFolder, packagedNetworkFolder] as const;
  return [
    file(units, applyUnitName, {
      text: applyUnit(program),
      purpose: "applies the specs early in each boot",
    }),
    file(units, applyPfUnitName, {
      text: applyPfUnit(program),
      purpose: "applies them to one PF that comes late",
    }),
    file(units, returnedUnitName, {
      text: returnedUnit(program),
      purpose: "cleans VFs whose network namespace ended",
    }),
    file(rules, "90-sriovctl.rules", {
      text: lateRules(runDir),
      purpose: "starts these when a driver takes a PF, and when a VF comes back",
    }),
    file(network, "05-sriovctl-leave-alone.network", {
      text: networkFile(),
      purpose: "keeps networkd off VFs that are not the host's own",
    }),
  ];
}
