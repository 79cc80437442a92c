// What is read only for the PFs that somebody asked about: driver overrides of the PF and its VFs,
// the vectors that can be shared out, and each VF's MSI-X count where the driver can change it. All
// of it can wait for a lock, so on a live host it is read with a deadline.

import type { Address } from "../../model/bdf.ts";
import { msixCountOf, registersOf } from "./config-facts.ts";
import { parseResources } from "./facts/functions.ts";
import { vfBarWindows } from "../../pci/vf-windows.ts";
import { functionFile, type LinuxPaths } from "./paths.ts";
import type { ScannedPf } from "./scan.ts";
import type { HostSources } from "./sources.ts";
import type { TreeReader } from "./tree-reader.ts";

export type PfDetail = {
  readonly vfTotalMsix: ReadonlyMap<Address, number>;
  readonly driverOverrides: ReadonlyMap<Address, string>;
  readonly msixCounts: ReadonlyMap<Address, number>;
  /** Whether the VF BARs have memory. */
  readonly vfMemory: ReadonlyMap<Address, boolean>;
};

const noDetail: PfDetail = {
  vfTotalMsix: new Map(),
  driverOverrides: new Map(),
  msixCounts: new Map(),
  vfMemory: new Map(),
};

const detailDeadlineMs = 1000;
/** Where a change is known to be in flight, the lock is probably held for longer than this. */
const changingDeadlineMs = 300;

/** The kernel prints "(null)" for no override (lib/vsprintf.c). */
const isOverride = (text: string): boolean => text !== "(null)" && text !== "";

async function readVfMsixCounts(
  { paths, sources }: DetailQuestion,
  addresses: readonly Address[],
): Promise<ReadonlyMap<Address, number>> {
  const files = addresses.map((address) => ({
    file: functionFile(paths, address, "config"),
    mayWait: false,
  }));
  const configs = await sources.readConfigs(files, detailDeadlineMs);
  const counts = new Map<Address, number>();
  configs.forEach((config, index) => {
    const address = addresses[index];
    const count = config.status === "read" ? msixCountOf(registersOf(config.bytes)) : null;
    if (address !== undefined && count !== null) counts.set(address, count);
  });
  return counts;
}

/** A VF BAR that the kernel gave up is a line of zeros, so a PF whose lines are all zeros has none
 * with memory (drivers/pci/setup-bus.c reset_resource()). */
function readVfMemory(pfs: readonly ScannedPf[], reader: TreeReader): Map<Address, boolean> {
  const vfMemory = new Map<Address, boolean>();
  for (const { fn } of pfs) {
    const text = fn.files.has("resource") ? reader.text(`${fn.folder}/resource`) : null;
    const bars = text === null ? null : vfBarWindows(parseResources(text) ?? []);
    if (bars === null || bars.length === 0) continue;
    const isUnassigned = bars.some(({ start, end }) => start === 0n && end > 0n);
    vfMemory.set(fn.address, !isUnassigned && bars.some(({ start }) => start > 0n));
  }
  return vfMemory;
}

type DetailQuestion = {
  readonly paths: LinuxPaths;
  readonly sources: HostSources;
  readonly changing: ReadonlySet<Address>;
};

export async function readDetail(
  question: DetailQuestion,
  pfs: readonly ScannedPf[],
  reader: TreeReader,
): Promise<PfDetail> {
  const { paths, sources, changing } = question;
  if (pfs.length === 0) return noDetail;
  const isChanging = pfs.some(({ fn }) => changing.has(fn.address));
  const deadlineMs = isChanging ? changingDeadlineMs : detailDeadlineMs;
  const overrideFiles = new Map<string, Address>();
  const vectorFiles = new Map<string, Address>();
  for (const { fn, seats } of pfs) {
    for (const address of [fn.address, ...seats.map((seat) => seat.address)]) {
      overrideFiles.set(functionFile(paths, address, "driver_override"), address);
    }
    if (!fn.files.has("sriov_vf_total_msix")) continue;
    vectorFiles.set(functionFile(paths, fn.address, "sriov_vf_total_msix"), fn.address);
  }
  const files = [...overrideFiles.keys(), ...vectorFiles.keys()];
  const texts = await sources.readLocked(files, deadlineMs);
  const driverOverrides = new Map<Address, string>();
  const vfTotalMsix = new Map<Address, number>();
  let isShort = false;
  for (const [file, address] of overrideFiles) {
    const text = texts.get(file);
    isShort ||= text === undefined;
    if (text !== undefined && isOverride(text)) driverOverrides.set(address, text);
  }
  for (const [file, address] of vectorFiles) {
    const text = texts.get(file);
    if (text !== undefined && /^[0-9]+$/.test(text)) vfTotalMsix.set(address, Number(text));
  }
  if (isShort) {
    const names = pfs.map(({ fn }) => fn.address).join(", ");
    const message = `Cannot read all driver overrides of ${names}: not answered in ${deadlineMs} ms`;
    reader.report("locked", names, message);
  }
  const resizable = pfs.filter(({ fn }) => (vfTotalMsix.get(fn.address) ?? 0) > 0);
  const vfs = resizable.flatMap(({ seats }) => seats.map((seat) => seat.address));
  const msixCounts = await readVfMsixCounts(question, vfs);
  return { vfTotalMsix, driverOverrides, msixCounts, vfMemory: readVfMemory(pfs, reader) };
}
