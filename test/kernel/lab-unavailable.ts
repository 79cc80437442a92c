// Why the lab cannot run here, as a sentence. A suite that needs the lab skips with it; with CI set
// it fails instead, so that a continuous run never passes by having run nothing.

import { labKernel } from "./kernel-cache.ts";
import { LabUnavailable, missingCommands } from "./lab-commands.ts";

function whyUnavailable(): string | null {
  const missing = missingCommands();
  if (missing !== null) return missing;
  try {
    labKernel();
    return null;
  } catch (error) {
    if (error instanceof LabUnavailable) return error.message;
    throw error;
  }
}

/**
 * For node:test's `skip`: false when the lab can run. Downloads the kernel when that was never
 * done. Throws instead of naming a reason when CI is set.
 */
export function labSkipReason(): string | false {
  const reason = whyUnavailable();
  if (reason === null) return false;
  if (process.env["CI"]) throw new LabUnavailable(reason);
  return reason;
}
