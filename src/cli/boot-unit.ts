// Whether systemd applies the specs at the next boot: the unit's file and a link that some target
// wants it by, read below a root folder, so that a captured tree answers as well as this machine.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { applyUnitName } from "../install/apply-units.ts";

/** In the order in which systemd searches them (systemd.unit(5)). */
const unitFolders = ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"];

const linkFolders = ["etc/systemd/system", "usr/lib/systemd/system"];

export type BootUnit = {
  /** null: there is none. */
  readonly file: string | null;
  readonly isEnabled: boolean;
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // A host without systemd has none of them.
    return [];
  }
}

/** A link to nowhere counts too: it is what `systemctl is-enabled` goes by. */
const isWantedIn = (folder: string): boolean =>
  namesIn(folder)
    .filter((name) => name.endsWith(".wants") || name.endsWith(".requires"))
    .some((name) => namesIn(join(folder, name)).includes(applyUnitName));

export function readBootUnit(root: string): BootUnit {
  const file =
    unitFolders.map((folder) => join(root, folder, applyUnitName)).find(existsSync) ?? null;
  const isLinked = linkFolders.some((folder) => isWantedIn(join(root, folder)));
  return { file, isEnabled: file !== null && isLinked };
}
