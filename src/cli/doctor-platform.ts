// The host that the doctor looked at, as an expert asks for it first: kernel, IOMMU, memory, versions
// of programs, drivers and firmware. Each value is what was read; null is "not known".

import type { HostFacts } from "../model/host-facts.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Style } from "./style.ts";
import { alignRows } from "./table.ts";

type Platform = { readonly inventory: Inventory; readonly facts: HostFacts };

export const platformJson = ({ inventory, facts }: Platform) => {
  const { kernel, iommu, memory, software, distribution, nics, guests = [] } = facts;
  return {
    distribution,
    kernel: { release: inventory.host.kernelRelease, ...kernel },
    iommu: { ...iommu, interruptChip: iommu.interruptChip?.chip ?? null },
    memory,
    software,
    kernelLogLines: facts.kernelLog?.lines.length ?? null,
    cards: nics.map(({ pf, netdev, driverVersion, firmwareVersion, firmwareVfs }) => ({
      physicalFunction: pf,
      netdev,
      driverVersion,
      firmwareVersion,
      firmwareVfs,
    })),
    guests: guests.map(({ name, pid, lockedBytes, lockLimitBytes }) => ({
      name,
      pid,
      lockedBytes,
      lockLimitBytes,
    })),
    notRead: facts.gaps.map(({ source, why }) => ({ source, why })),
  };
};

const GiB = 2 ** 30;
const MiB = 2 ** 20;

const sizeText = (bytes: number): string =>
  bytes >= GiB ? `${Math.round((bytes / GiB) * 10) / 10} GiB` : `${Math.round(bytes / MiB)} MiB`;

const named = (entries: readonly (readonly [name: string, value: string | null])[]): string =>
  entries.flatMap(([name, value]) => (value === null ? [] : [`${name} ${value}`])).join(", ");

const listed = (names: readonly string[] | null, none: string): string | null =>
  names === null ? null : names.length === 0 ? none : names.join(", ");

function memoryText({ memory }: HostFacts): string | null {
  if (memory === null) return null;
  const pages = memory.hugepages
    .filter(({ total }) => total > 0)
    .map(({ sizeBytes, total, free }) => `${total} pages of ${sizeText(sizeBytes)}, ${free} free`);
  const total = memory.totalBytes === null ? [] : [sizeText(memory.totalBytes)];
  return [...total, ...pages].join("; ") || null;
}

/** What is not known is left out here: the part on what was not checked says it. */
export function platformLines({ inventory, facts }: Platform, style: Style): string[] {
  const { kernel, iommu, software, distribution, nics } = facts;
  const secure = kernel.isSecureBoot;
  const rows: readonly (readonly [name: string, value: string | null])[] = [
    ["distribution", distribution === null ? null : distribution.join(", like ")],
    ["kernel", inventory.host.kernelRelease],
    ["command line", kernel.commandLine?.join(" ") ?? null],
    [
      "lockdown",
      named([
        ["", kernel.lockdown],
        ["Secure Boot", secure === null ? null : secure ? "on" : "off"],
      ]).trim() || null,
    ],
    ["IOMMU", listed(iommu.instances, "none is on")],
    ["ACPI tables", listed(iommu.acpiTables, "none for an IOMMU")],
    ["interrupts", iommu.interruptChip?.chip ?? null],
    ["memory", memoryText(facts)],
    ["programs", named(Object.entries(software)) || null],
    ...nics.map(
      ({ netdev, driverVersion, firmwareVersion }) =>
        [
          netdev,
          named([
            ["driver", driverVersion],
            ["firmware", firmwareVersion],
          ]) || null,
        ] as const,
    ),
  ];
  const known = rows.flatMap(([name, value]) =>
    value === null ? [] : [[`  ${style("dim", name)}`, value]],
  );
  return known.length === 0 ? [] : [style("strong", "Host"), ...alignRows(known), ""];
}
