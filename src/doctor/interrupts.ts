// Whether interrupts are remapped: by the name of what delivers them, by what VFIO and the boot
// logged, or by their silence where the log is whole.

import { kernelArguments } from "./remedy.ts";
import type { Sighting } from "./rule.ts";
import type { View } from "./view.ts";

const remappingOn = /Enabled IRQ remapping in|AMD-Vi: Interrupt remapping enabled/;
const remappingRefused = /No interrupt remapping support/;

/** Whether interrupts are remapped, and what says so; null: nothing does. */
function remapping({ facts, logged }: View) {
  const { interruptChip = null } = facts.iommu;
  if (interruptChip !== null) {
    const { irq, chip } = interruptChip;
    return { isOn: chip.startsWith("IR-"), seen: [`/sys/kernel/irq/${irq}/chip_name: ${chip}`] };
  }
  const turnedOff = (facts.kernel.commandLine ?? []).filter((word) =>
    turningOffRemapping.test(word),
  );
  const seen = [
    ...turnedOff.map((word) => `kernel command line: ${word}`),
    ...logged(remappingRefused),
  ];
  if (seen.length > 0) return { isOn: false, seen };
  if (logged(remappingOn).length > 0) return { isOn: true, seen: logged(remappingOn) };
  const hasIommu = (facts.iommu.instances ?? []).some((name) => /^(?:dmar|ivhd)\d/.test(name));
  // Only x86 tells of it, and only a whole log proves that it did not.
  if (!hasIommu) return { isOn: true, seen: [] };
  if (facts.kernelLog?.isWhole !== true) return null;
  return {
    isOn: false,
    seen: [
      `IOMMU: ${facts.iommu.instances?.join(", ")}`,
      "the kernel's log of this boot does not tell of interrupt remapping",
    ],
  };
}

const turningOffRemapping = /^intremap=off|^nointremap$/;

export const isRemappingKnown = (view: View): boolean => remapping(view) !== null;

export function noInterruptRemapping(view: View): Sighting[] {
  const state = remapping(view);
  if (state === null || state.isOn) return [];
  const turnedOff = (view.facts.kernel.commandLine ?? []).filter((word) =>
    turningOffRemapping.test(word),
  );
  const words = turnedOff.map((word) => `kernel command line: ${word}`);
  const fix =
    turnedOff.length === 0 ? {} : { fix: kernelArguments(view.system, { remove: turnedOff }) };
  const says = "Interrupts are not remapped: VFIO refuses to give any VF to a guest";
  return [{ targets: ["host"], says, evidence: [...new Set([...state.seen, ...words])], ...fix }];
}
