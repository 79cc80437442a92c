// Whether interrupts are remapped, by the name of what delivers one: the kernel puts IR- before it
// (arch/x86/kernel/apic/msi.c, drivers/iommu/intel/irq_remapping.c, amd/iommu.c). Anybody may read it,
// it is there as long as the host runs, and it is no line of a log that may have been lost.

import type { IommuFacts } from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import type { FactSources } from "./fact-reader.ts";

/** An MSI on x86, with or without remapping; other machines have other names. */
const telling = /^(?:IR-)?PCI-MSI/;

/** Functions to look at: a driver that is up has an interrupt, and so has most every port. */
const functionsMax = 32;

export function readInterruptChip(
  { paths, reader }: FactSources,
  { physicalFunctions, bridges }: Inventory,
): Exclude<IommuFacts["interruptChip"], undefined> {
  const functions = [...physicalFunctions, ...bridges].slice(0, functionsMax);
  for (const { address } of functions) {
    const folder = `${paths.pciFunctions}/${address}`;
    if (!reader.namesIfThere(folder).includes("msi_irqs")) continue;
    const [irq] = reader
      .namesIfThere(`${folder}/msi_irqs`)
      .filter((name) => /^[0-9]{1,7}$/.test(name))
      .map(Number)
      .sort((left, right) => left - right);
    if (irq === undefined) continue;
    const chip = reader.textIfThere(`${paths.sys}/kernel/irq/${irq}/chip_name`) ?? "";
    if (telling.test(chip)) return { irq, chip };
  }
  return null;
}
