// Puts the facts together, each from its own file. Nothing here changes the host or waits for
// longer than a deadline; what could not be read is null and has a gap.

import type { FactGap, HostFacts } from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import type { FactSources } from "./fact-reader.ts";
import { gapsOf } from "./fact-reader.ts";
import { readGuests, readNodes } from "./guests.ts";
import { readFunctions, readGroups } from "./functions.ts";
import {
  readDistribution,
  readIommuFacts,
  readKernelFacts,
  readMemory,
  readModuleParameters,
} from "./kernel.ts";
import { readNics } from "./nics.ts";
import { readInterruptChip } from "./interrupt-chip.ts";
import { readSoftware } from "./software.ts";
import { readVfioNodes } from "./vfio-nodes.ts";
import { readCardsWithoutSriov } from "./without-sriov.ts";

function driversIn({ physicalFunctions }: Inventory): string[] {
  const drivers = physicalFunctions.flatMap((pf) => [
    pf.driver,
    ...pf.virtualFunctions.map(({ driver }) => driver),
  ]);
  return [...new Set(drivers.filter((driver) => driver !== null))];
}

export async function readFacts(
  given: Omit<FactSources, "report">,
  inventory: Inventory,
): Promise<HostFacts> {
  const gaps = new Map<string, FactGap>();
  const report = (source: string, why: string): void => {
    if (!gaps.has(source)) gaps.set(source, { source, why });
  };
  const sources: FactSources = { ...given, report };
  const moduleParameters = readModuleParameters(sources, driversIn(inventory));
  const iommuGroups = readGroups(sources);
  const nodes = readNodes(sources);
  const [kernel, functions, nics, log, software, vfioNodes] = await Promise.all([
    readKernelFacts(sources),
    readFunctions(sources, inventory, iommuGroups ?? []),
    readNics(sources, inventory),
    sources.readKernelLog(),
    readSoftware(sources),
    readVfioNodes(sources, inventory),
  ]);
  const facts = {
    distribution: readDistribution(sources),
    kernel,
    iommu: {
      ...readIommuFacts(sources, moduleParameters),
      interruptChip: readInterruptChip(sources, inventory),
    },
    iommuGroups,
    functions,
    nics,
    kernelLog: typeof log === "string" ? null : log,
    moduleParameters,
    software,
    memory: readMemory(sources),
    guests: readGuests(sources, inventory, nodes),
    numaNodes: nodes.size === 0 ? null : [...nodes.keys()],
    vfioNodes,
    cardsWithoutSriov: readCardsWithoutSriov(sources, inventory),
  };
  if (typeof log === "string") report("kernel log", log);
  for (const { source, why } of gapsOf(sources.reader)) report(source, why);
  return { ...facts, gaps: [...gaps.values()] };
}
