// Whether the VF BARs of a PF have memory: from its `resource` file, or, where that cannot be read,
// from the last word that the kernel's log has on each. Linux gives memory for TotalVFs at once, so a
// BAR without it means no VF at all.

import type { Address } from "../model/bdf.ts";
import { findExtendedCapability } from "../pci/function-config.ts";
import { firstVfBarLine, vfBarWindows } from "../pci/vf-windows.ts";
import type { View } from "./view.ts";

type MissingBar = { readonly bar: number; readonly evidence: string };

/** VF BARs that the device has and that have no memory; empty where that is not known. */
export function unassignedVfMemory(view: View, pf: Address): MissingBar[] {
  const found = fromResources(view, pf);
  if (found.length > 0) return found;
  // A BAR that the kernel gave up has a line of zeros; that it is there only its register says.
  const resources = view.functionAt(pf)?.resources ?? null;
  const isKnown = view.configAt(pf) !== null && resources !== null;
  return isKnown ? [] : fromLog(view, pf);
}

function fromResources(view: View, pf: Address): MissingBar[] {
  const windows = vfBarWindows(view.functionAt(pf)?.resources ?? []);
  const config = view.configAt(pf);
  const sriov = config === null ? null : findExtendedCapability(config, "sriov");
  const implemented = new Set(sriov?.vfBars.map(({ index }) => index));
  return windows.flatMap(({ start, end, flags }, bar) => {
    if (start !== 0n) return [];
    // The kernel clears what it gives up; then only the register still tells that there is a BAR.
    if (end === 0n && flags === 0n && !implemented.has(bar)) return [];
    const bytes = end === 0n ? "" : ` of ${end + 1n} bytes`;
    return [{ bar, evidence: `${pf}/resource: VF BAR ${bar}${bytes} has no address` }];
  });
}

/** drivers/pci/setup-res.c. Kernels before 6.8 call VF BARs BAR 7 to BAR 12. */
const logPattern =
  /([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): (VF )?BAR (\d+)[: ].*?(failed to assign|no space|assigned)/;

function fromLog({ logged }: View, pf: Address): MissingBar[] {
  const lastWords = new Map<number, { readonly isAssigned: boolean; readonly line: string }>();
  for (const line of logged(logPattern)) {
    const [, address, isNamed, number, word] = logPattern.exec(line) ?? [];
    const bar = isNamed === undefined ? Number(number) - firstVfBarLine : Number(number);
    if (address !== pf || bar < 0 || bar > 5) continue;
    lastWords.set(bar, { isAssigned: word === "assigned", line });
  }
  return [...lastWords]
    .filter(([, { isAssigned }]) => !isAssigned)
    .map(([bar, { line }]) => ({ bar, evidence: line }));
}
