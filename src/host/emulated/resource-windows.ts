// The `resource` file of a function as windows: what firmware and kernel gave to its BARs, to the
// BARs of its VFs, and to a port for what is below it. Nothing given is a line of zeros.

import type { ResourceWindow } from "../../model/host-facts.ts";
import { cardOf } from "./cards.ts";
import type { PfState, PortState } from "./state.ts";

/** include/linux/ioport.h; the low bits are the BAR's own. */
const resourceFlags = { memory: 0x200n, prefetch: 0x2000n, sizeAligned: 0x40000n, wide: 0x100000n };
const memory64 = resourceFlags.memory | resourceFlags.prefetch | resourceFlags.wide;
const barFlags64 = memory64 | resourceFlags.sizeAligned | 0xcn;
const barFlags32 = resourceFlags.memory | resourceFlags.prefetch | resourceFlags.sizeAligned | 0x8n;
const windowFlags = memory64 | 0x1n;

const nothing: ResourceWindow = { start: 0n, end: 0n, flags: 0n };

/** Places in the kernel's list (include/linux/pci.h, with CONFIG_PCI_IOV). */
export const resourcePlace = {
  vfBars: 7,
  prefetchableWindow: 15,
  endpointCount: 13,
  bridgeCount: 17,
};

const windowAt = (base: number, bytes: number, flags: bigint): ResourceWindow => ({
  start: BigInt(base),
  end: BigInt(base) + BigInt(bytes) - 1n,
  flags,
});

export function pfResources({ card: name, barBase, vfBarBases }: PfState): ResourceWindow[] {
  const card = cardOf(name);
  const windows = Array.from({ length: resourcePlace.endpointCount }, () => nothing);
  // Nothing was left for it in the window above.
  if (barBase !== 0) windows[0] = windowAt(barBase, card.barBytes, barFlags64);
  for (const { bar, base } of vfBarBases) {
    if (base === null) continue;
    const flags = bar.is64Bit ? barFlags64 : barFlags32;
    const aperture = windowAt(base, bar.sizeBytes * card.totalVfs, flags);
    windows[resourcePlace.vfBars + bar.index] = aperture;
  }
  return windows;
}

export function portResources({ windowBase, windowBytes }: PortState): ResourceWindow[] {
  const windows = Array.from({ length: resourcePlace.bridgeCount }, () => nothing);
  windows[resourcePlace.prefetchableWindow] = windowAt(windowBase, windowBytes, windowFlags);
  return windows;
}

const hex = (value: bigint): string => `0x${value.toString(16).padStart(16, "0")}`;

/** drivers/pci/pci-sysfs.c resource_show(). */
export const resourceText = (windows: readonly ResourceWindow[]): string =>
  windows.map(({ start, end, flags }) => `${hex(start)} ${hex(end)} ${hex(flags)}`).join("\n");
