// Which VFs' netdevs were moved into other network namespaces: an empty file each, by the VF's address,
// gone with a boot as the namespaces are. udev looks for it when a VF's netdev turns up on the host
// (install/udev-rules.ts), so that only one which came back starts anybody, and not hundreds that are made.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "../model/bdf.ts";
import { SriovError } from "../model/errors.ts";
import { errnoOf, writeErrorOf } from "../model/file-error.ts";

/** Both changes are idempotent, and throw `file-unwritable`. */
export type AwayMarks = {
  readonly set: (vf: Address) => void;
  readonly clear: (vf: Address) => void;
  readonly list: () => readonly Address[];
};

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const detail = { operation: "mark VF", target: path, errno: errnoOf(cause), cause };
    throw new SriovError("file-unwritable", `Cannot write ${path}: ${writeErrorOf(cause)}`, detail);
  }
}

export const awayMarks = (directory: string): AwayMarks => ({
  set: (vf) => {
    const path = join(directory, vf);
    writing(path, () => {
      mkdirSync(directory, { recursive: true, mode: 0o755 });
      writeFileSync(path, "");
    });
  },
  clear: (vf) => {
    const path = join(directory, vf);
    writing(path, () => rmSync(path, { force: true }));
  },
  list: () => {
    try {
      return readdirSync(directory);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  },
});
