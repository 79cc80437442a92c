// Where a PF's `resource` file has the BARs of its VFs.

import type { ResourceWindow } from "../model/host-facts.ts";

/** Lines: BARs 0-5, ROM, VF BARs 0-5 (include/linux/pci.h, with CONFIG_PCI_IOV). Older kernels also
 * number VF BARs like that in their log. */
export const firstVfBarLine = 7;

export const vfBarWindows = (windows: readonly ResourceWindow[]): readonly ResourceWindow[] =>
  windows.slice(firstVfBarLine, firstVfBarLine + 6);
