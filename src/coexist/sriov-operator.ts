// The Kubernetes SR-IOV operator keeps what it last applied to a PF in
// /etc/sriov-operator/pci/ADDRESS, and brings exactly these PFs back to it.

import { formatBdf, parseBdf } from "../model/bdf.ts";
import type { Claim, ClaimSetting } from "../model/claim.ts";
import {
  baseName,
  type ClaimReading,
  Complaints,
  type ConfigFile,
  parseCount,
} from "./config-file.ts";
import { field, readYaml, textOf } from "./yaml-tree.ts";

export const operatorFolders = ["/etc/sriov-operator/pci"];

export function readSriovOperator(files: readonly ConfigFile[]): ClaimReading {
  const complaints = new Complaints();
  const claims = files.flatMap((file): Claim[] => {
    const bdf = parseBdf(baseName(file.path));
    const tree = readYaml(file, complaints);
    if (tree === null || bdf === null) return [];
    // It only uses VFs that somebody else makes.
    if (textOf(field(tree, "externallyManaged")) === "true") return [];
    const count = field(tree, "numVfs");
    const numVfs = parseCount(textOf(count) ?? "", 65_535);
    const mode = textOf(field(tree, "eSwitchMode"));
    const where = count?.place ?? tree.place;
    const settings: ClaimSetting[] = [{ kind: "num-vfs", numVfs: numVfs ?? 0, where }];
    if (mode === "legacy" || mode === "switchdev") {
      settings.push({ kind: "eswitch-mode", mode, where });
    }
    const selector = { addresses: [formatBdf(bdf)], unjudged: [] };
    return [{ manager: "sriov-operator", selector, firstOf: null, settings }];
  });
  return { claims, problems: complaints.problems };
}
