// Why the boot suite cannot run here, as a sentence; with CI set it fails instead, so that a
// continuous run never passes by having run nothing.

import { commandPath, LabUnavailable } from "../kernel/lab-commands.ts";
import { labSkipReason } from "../kernel/lab-unavailable.ts";

const neededCommands = ["debootstrap", "chroot", "mkfs.ext4", "dpkg-deb"];

/** For node:test's `skip`: false when the suite can run. */
export function bootSkipReason(): string | false {
  const reason = labSkipReason();
  if (reason !== false) return reason;
  try {
    for (const command of neededCommands) commandPath(command);
    if (process.getuid?.() === 0) return false;
    throw new LabUnavailable("debootstrap needs root");
  } catch (error) {
    if (!(error instanceof LabUnavailable) || process.env["CI"]) throw error;
    return error.message;
  }
}
