// The machine's kernel log and command line: what a boot that found these functions would have said
// of SR-IOV, then what happened since.

import type { KernelLog } from "../../model/host-facts.ts";
import { compareAddresses, type Address } from "../../model/bdf.ts";
import { cardOf } from "./cards.ts";
import type { Machine } from "./machine.ts";
import { isLogWhole } from "./state.ts";

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;

/** What the kernel would have said at boot, in its order, of what decides SR-IOV here. */
function bootLog({ state: { core, pfs } }: Machine): string[] {
  const functions: readonly { readonly address: Address; readonly group: number | null }[] = [
    ...core.ports,
    ...pfs.filter(({ isPresent }) => isPresent),
  ];
  const commandLine = commandLineOf(core.hasIommu).join(" ");
  const lines = [`Linux version ${core.kernelRelease}`, `Command line: ${commandLine}`];
  if (core.hasIommu) {
    lines.push("DMAR: IOMMU enabled", "DMAR-IR: Enabled IRQ remapping in x2apic mode");
  }
  for (const pf of pfs) {
    for (const { bar, base } of pf.vfBarBases) {
      if (base !== null) continue;
      const size = hex(bar.sizeBytes * cardOf(pf.card).totalVfs);
      const what = `VF BAR ${bar.index} [mem size ${size}${bar.is64Bit ? " 64bit" : ""} pref]`;
      lines.push(`pci ${pf.address}: ${what}: can't assign; no space`);
    }
  }
  if (!core.hasIommu) return lines;
  lines.push("iommu: Default domain type: Translated");
  for (const { address, group } of functions.toSorted((left, right) =>
    compareAddresses(left.address, right.address),
  )) {
    if (group !== null) lines.push(`pci ${address}: Adding to iommu group ${group}`);
  }
  lines.push("DMAR: Intel(R) Virtualization Technology for Directed I/O");
  return lines;
}

export const commandLineOf = (hasIommu: boolean): string[] =>
  hasIommu ? ["ro", "quiet", "intel_iommu=on"] : ["ro", "quiet"];

const withoutTimeStamp = (line: string): string => line.replace(/^\[[^\]]*\] /, "");

export const kernelLogOf = (machine: Machine): KernelLog => ({
  lines: [...bootLog(machine), ...machine.state.core.log.map(withoutTimeStamp)],
  isWhole: isLogWhole(machine.state.core),
});
