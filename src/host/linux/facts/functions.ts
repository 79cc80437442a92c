// IOMMU groups, and the functions that decide what a PF and its VFs can do, with their config space
// and resources.

import { compareAddresses, parseBdf } from "../../../model/bdf.ts";
import type {
  IommuGroupFacts,
  PciFunctionFacts,
  ResourceWindow,
} from "../../../model/host-facts.ts";
import type { Inventory } from "../../../model/inventory.ts";
import { functionsOfInterest } from "../../functions-of-interest.ts";
import { driverByLink } from "../drivers.ts";
import { iommuGroupOf, type PciFunction, readFunction } from "../pci-function.ts";
import type { FactSources } from "./fact-reader.ts";

export function readGroups({ paths, reader, report }: FactSources): IommuGroupFacts[] | null {
  const folder = paths.iommuGroups;
  const parent = folder.slice(0, folder.lastIndexOf("/"));
  if (!reader.namesIfThere(parent).includes("iommu_groups")) {
    report(folder, "missing");
    return null;
  }
  const numbers = reader.namesIfThere(folder).filter((name) => /^[0-9]{1,9}$/.test(name));
  return numbers
    .map(Number)
    .sort((left, right) => left - right)
    .map((number) => ({
      number,
      type: reader.textIfThere(`${folder}/${number}/type`) || null,
      name: reader.textIfThere(`${folder}/${number}/name`) || null,
      members: reader
        .namesIfThere(`${folder}/${number}/devices`)
        .filter((name) => parseBdf(name) !== null)
        .sort(compareAddresses),
    }));
}

const resourceLine = /^0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})$/i;

/** Lines of drivers/pci/pci-sysfs.c resource_show(): start, end, flags. */
export function parseResources(text: string): ResourceWindow[] | null {
  const windows: ResourceWindow[] = [];
  for (const line of text.split("\n")) {
    const [, start, end, flags] = resourceLine.exec(line) ?? [];
    if (start === undefined || end === undefined || flags === undefined) return null;
    const [low, high, bits] = [BigInt(`0x${start}`), BigInt(`0x${end}`), BigInt(`0x${flags}`)];
    windows.push({ start: low, end: high, flags: bits });
  }
  return windows;
}

function readResources({ folder, files }: PciFunction, { reader, report }: FactSources) {
  const file = `${folder}/resource`;
  const text = files.has("resource") ? reader.text(file) : null;
  if (!files.has("resource")) report(file, "missing");
  const windows = text === null ? null : parseResources(text);
  if (text !== null && windows === null) report(file, "it holds something else than windows");
  return windows;
}

/** A function that sleeps this deep would be woken by a look at its config space. */
const isAsleep = ({ folder, files }: PciFunction, { reader }: FactSources): boolean =>
  files.has("power_state") && reader.textIfThere(`${folder}/power_state`) === "D3cold";

/** As for an inventory: the kernel's own pauses are 100 ms and 1 s. */
const configDeadlineMs = 1200;

export async function readFunctions(
  sources: FactSources,
  inventory: Inventory,
  groups: readonly IommuGroupFacts[],
): Promise<PciFunctionFacts[]> {
  const { paths, reader, report, readConfigs } = sources;
  const changing = new Set(
    inventory.physicalFunctions.filter((pf) => pf.isChanging).map(({ address }) => address),
  );
  const functions = functionsOfInterest(inventory, groups).flatMap(
    (address) => readFunction(paths, address, reader) ?? [],
  );
  const readable = functions.filter((fn) => {
    const why = !fn.files.has("config") ? "missing" : isAsleep(fn, sources) ? "it sleeps" : null;
    if (why !== null) report(`${fn.folder}/config`, why);
    return why === null;
  });
  const reads = await readConfigs(
    readable.map(({ folder, address }) => ({
      file: `${folder}/config`,
      mayWait: changing.has(address),
    })),
    configDeadlineMs,
  );
  const configs = new Map<PciFunction, Uint8Array>();
  readable.forEach((fn, index) => {
    const read = reads[index];
    if (read?.status === "read") configs.set(fn, read.bytes);
    else
      report(`${fn.folder}/config`, read?.status === "failed" ? read.errno : "no answer in time");
    if (read?.status === "read" && read.bytes.length <= 64) {
      report(`${fn.folder}/config`, "only the first 64 bytes can be read: this is not root");
    }
  });
  return functions.map((fn) => ({
    address: fn.address,
    vendorId: fn.vendorId,
    deviceId: fn.deviceId,
    classCode: fn.classCode,
    driver: driverByLink(fn.folder, reader),
    iommuGroup: fn.files.has("iommu_group") ? iommuGroupOf(fn.folder, reader) : null,
    config: configs.get(fn) ?? null,
    resources: readResources(fn, sources),
  }));
}
