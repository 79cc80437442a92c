// The kernel and what it runs on: command line, lockdown, Secure Boot, IOMMU, parameters of the
// modules that matter here, memory and the distribution's name. All of it from small files that no
// lock guards.

import type { IommuFacts, KernelFacts, MemoryFacts } from "../../../model/host-facts.ts";
import type { FactSources } from "./fact-reader.ts";
import { textOf } from "./fact-reader.ts";

/** Words as the kernel splits them: blanks inside double quotes do not count (lib/cmdline.c). */
const wordsOfCommandLine = (text: string): string[] =>
  text.trim().match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];

const lockdownLevels = ["none", "integrity", "confidentiality"] as const;

/** `none [integrity] confidentiality`; a kernel that has securityfs but no such file has none. */
function readLockdown({ paths, reader, report }: FactSources): KernelFacts["lockdown"] {
  const file = `${paths.securityfs}/lockdown`;
  const text = reader.textIfThere(file);
  if (text !== null) {
    const level = /\[(\w+)\]/.exec(text)?.[1];
    const known = lockdownLevels.find((each) => each === level) ?? null;
    if (known === null) report(file, "it names no level that is known");
    return known;
  }
  if (reader.namesIfThere(paths.securityfs).includes("lsm")) return "none";
  report(file, "missing: securityfs is not mounted");
  return null;
}

const secureBootVariable = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/** Names below /sys/firmware; null where a container or a capture has emptied it. */
function firmwareNames({ paths, reader, report }: FactSources): readonly string[] | null {
  const names = reader.namesIfThere(paths.firmware);
  if (names.length > 0) return names;
  report(paths.firmware, "missing or empty: whoever made this view of the host left it out");
  return null;
}

/** Four bytes of attributes, then the value (UEFI 2.10 section 8.2, kernel efivarfs.rst). */
function readSecureBoot(
  { paths, reader, report }: FactSources,
  firmware: readonly string[] | null,
): boolean | null {
  if (firmware === null) return null;
  if (!firmware.includes("efi")) return false;
  const file = `${paths.firmware}/efi/efivars/${secureBootVariable}`;
  const bytes = reader.textIfThere(file);
  if (bytes?.length === 5) return bytes.charCodeAt(4) === 1;
  report(file, bytes === null ? "missing: efivarfs is not mounted" : "it has no value");
  return null;
}

const acpiTablePattern = /^(DMAR|IVRS|IORT)[0-9]*$/;

function readAcpiTables(
  { paths, reader, report }: FactSources,
  firmware: readonly string[] | null,
): readonly string[] | null {
  if (firmware === null) return null;
  if (!firmware.includes("acpi")) return [];
  const folder = `${paths.firmware}/acpi/tables`;
  const names = reader.namesIfThere(folder);
  if (names.length === 0) {
    report(folder, "missing or empty");
    return null;
  }
  const found = names.flatMap((name) => acpiTablePattern.exec(name)?.[1] ?? []);
  return [...new Set(found)].sort();
}

async function readArchitecture(sources: FactSources): Promise<string | null> {
  const { paths, reader, report } = sources;
  // Since Linux 6.1.
  const file = `${paths.proc}/sys/kernel/arch`;
  const text = reader.textIfThere(file) ?? (await textOf(sources, ["uname", "-m"]));
  if (text === null) report(file, "missing: kernels before 6.1 do not have it");
  return text?.trim() ?? null;
}

export async function readKernelFacts(sources: FactSources): Promise<KernelFacts> {
  const { paths, reader, report } = sources;
  const file = `${paths.proc}/cmdline`;
  const commandLine = reader.wholeText(file);
  if (commandLine === null) report(file, "missing");
  return {
    commandLine: commandLine === null ? null : wordsOfCommandLine(commandLine),
    architecture: await readArchitecture(sources),
    lockdown: readLockdown(sources),
    isSecureBoot: readSecureBoot(sources, firmwareNames(sources)),
  };
}

/** Modules whose parameters rules ask about, loaded or built in. */
const wantedModules = ["vfio", "vfio_iommu_type1", "vfio_pci", "vfio_pci_core", "iommufd"];

/** Of the VFIO modules and of these drivers, `vfio_pci.enable_sriov` -> `N`. */
export function readModuleParameters(
  { paths, reader }: FactSources,
  drivers: readonly string[],
): Readonly<Record<string, string>> {
  const modules = new Set([...wantedModules, ...drivers.map((name) => name.replaceAll("-", "_"))]);
  const parameters: Record<string, string> = {};
  for (const module of [...modules].sort()) {
    const folder = `${paths.modules}/${module}/parameters`;
    for (const name of reader.namesIfThere(folder).sort()) {
      const value = reader.textIfThere(`${folder}/${name}`, ["EACCES", "EPERM"]);
      if (value !== null) parameters[`${module}.${name}`] = value;
    }
  }
  return parameters;
}

type Parameters = Readonly<Record<string, string>>;

const isOn = (value: string | undefined): boolean | null =>
  value === undefined ? null : /^[Yy1]/.test(value);

export function readIommuFacts(sources: FactSources, parameters: Parameters): IommuFacts {
  const { paths, reader, report } = sources;
  const classFolder = paths.iommuInstances.slice(0, paths.iommuInstances.lastIndexOf("/"));
  const classes = reader.namesIfThere(classFolder);
  if (classes.length === 0) report(paths.iommuInstances, "missing or empty");
  const instances = reader.namesIfThere(paths.iommuInstances).sort();
  const isUnsafe = ["vfio_iommu_type1", "iommufd"].map((module) =>
    isOn(parameters[`${module}.allow_unsafe_interrupts`]),
  );
  if (isUnsafe.every((value) => value === null)) {
    report(`${paths.modules}/vfio_iommu_type1/parameters`, "missing: the module is not loaded");
  }
  return {
    instances: classes.length === 0 ? null : instances,
    acpiTables: readAcpiTables(sources, firmwareNames(sources)),
    allowsUnsafeInterrupts: isUnsafe.includes(true) ? true : (isUnsafe.find(isKnown) ?? null),
    isNoIommuMode: isOn(parameters["vfio.enable_unsafe_noiommu_mode"]),
  };
}

const isKnown = (value: boolean | null): value is boolean => value !== null;

/** `ID` and `ID_LIKE` of os-release(5), nearest first. */
export function readDistribution({ paths, reader, report }: FactSources): readonly string[] | null {
  for (const path of paths.osRelease) {
    const text = reader.wholeText(path);
    if (text === null) continue;
    const valueOf = (key: string): string =>
      new RegExp(`^${key}=["']?([^"'\n]*)`, "m").exec(text)?.[1] ?? "";
    const names = `${valueOf("ID")} ${valueOf("ID_LIKE")}`.split(/\s+/).filter(Boolean);
    if (names.length > 0) return [...new Set(names)];
  }
  report("/etc/os-release", "missing, or it names no distribution");
  return null;
}

export function readMemory({ paths, reader, report }: FactSources): MemoryFacts | null {
  const file = `${paths.proc}/meminfo`;
  const total = /^MemTotal:\s*([0-9]{1,12}) kB$/m.exec(reader.wholeText(file) ?? "")?.[1];
  if (total === undefined) report(file, "missing, or it tells no total");
  const hugepages = reader.namesIfThere(paths.hugepages).flatMap((name) => {
    const size = /^hugepages-([0-9]{1,12})kB$/.exec(name)?.[1];
    const folder = `${paths.hugepages}/${name}`;
    const [pages, free] = ["nr_hugepages", "free_hugepages"].map((each) =>
      size === undefined ? null : reader.decimal(`${folder}/${each}`),
    );
    if (size === undefined || typeof pages !== "number" || typeof free !== "number") return [];
    return [{ sizeBytes: Number(size) * 1024, total: pages, free }];
  });
  if (total === undefined && hugepages.length === 0) return null;
  return {
    hugepages: hugepages.sort((left, right) => left.sizeBytes - right.sizeBytes),
    totalBytes: total === undefined ? null : Number(total) * 1024,
  };
}
