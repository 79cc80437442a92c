// The way from the root complex down to a PF, with what each hop's ACS says, and where isolation
// breaks. The kernel's group is the fact; this explains it.

import type { Address } from "../model/bdf.ts";
import type { Pf } from "../model/inventory.ts";
import type { FunctionConfig } from "../pci/function-config.ts";
import { findCapability } from "../pci/function-config.ts";
import type { AcsRegisters, IsolationNode } from "../pci/isolation.ts";
import { acsMissing, acsRegistersOf, isIsolated } from "../pci/isolation.ts";
import type { View } from "./view.ts";

type Hop = {
  readonly address: Address;
  readonly kind: string;
  readonly acs: AcsRegisters | null;
  /** null: its config space could not be read. */
  readonly isIsolated: boolean | null;
};

const kinds: Readonly<Record<number, IsolationNode["kind"]>> = {
  0: "endpoint",
  1: "endpoint",
  4: "root-port",
  5: "upstream-port",
  6: "downstream-port",
  9: "integrated",
};

/** Functions that drivers/pci/quirks.c pci_dev_acs_enabled[] calls isolated without ACS: vendor,
 * first and last device ID. */
const isolatedByQuirk: readonly (readonly [vendor: number, first: number, last: number])[] = [
  [0x8086, 0x10c9, 0x10c9],
  [0x8086, 0x10e6, 0x10e8],
  [0x8086, 0x10f8, 0x10fc],
  [0x8086, 0x1507, 0x1526],
  [0x8086, 0x152e, 0x152e],
  [0x8086, 0x154d, 0x1558],
  [0x8086, 0x150a, 0x151c],
  [0x14e4, 0x16d7, 0x16d7],
  [0x14e4, 0x1750, 0x1763],
];

const hasQuirk = ({ vendorId, deviceId }: FunctionConfig): boolean =>
  isolatedByQuirk.some(
    ([vendor, first, last]) =>
      vendorId === vendor && deviceId !== null && deviceId >= first && deviceId <= last,
  );

function hopOf(address: Address, config: FunctionConfig | null): Hop {
  const portType = config === null ? null : (findCapability(config, "pcie")?.portType ?? null);
  const kind = portType === null ? undefined : kinds[portType];
  if (config === null) return { address, kind: "not readable", acs: null, isIsolated: null };
  if (kind === undefined) return { address, kind: "PCI bridge", acs: null, isIsolated: false };
  const acs = acsRegistersOf(config);
  const isMultifunction = config.header?.isMultifunction === true;
  const node = { kind, acs, isMultifunction, isIsolatedByQuirk: hasQuirk(config) };
  return { address, kind: kind.replace("-", " "), acs, isIsolated: isIsolated(node) };
}

/** From the root port to the PF. */
export const acsPath = ({ configAt }: View, pf: Pf): Hop[] =>
  [...pf.path.toReversed(), pf.address].map((address) => hopOf(address, configAt(address)));

const flagNames = [
  ["SV", 0x01],
  ["RR", 0x04],
  ["CR", 0x08],
  ["UF", 0x10],
] as const;

function acsText(acs: AcsRegisters | null): string {
  if (acs === null) return "no ACS";
  const missing = acsMissing(acs);
  const flags = flagNames
    .filter(([, bit]) => (acs.capability & bit) !== 0)
    .map(([name, bit]) => `${name}${(missing & bit) === 0 ? "+" : "-"}`);
  return `ACS ${flags.join(" ")}`;
}

/** One line a hop, each below the one above it; what does not isolate is marked. */
export function drawPath(hops: readonly Hop[]): string[] {
  return hops.map(({ address, kind, acs, isIsolated: holds }, depth) => {
    const branch = depth === 0 ? "" : `${"   ".repeat(depth - 1)}└─ `;
    const state = kind === "not readable" ? kind : `${kind}, ${acsText(acs)}`;
    return `${branch}${address}  ${state}${holds === false ? "  <-- does not isolate" : ""}`;
  });
}

/** The hop nearest to the PF that lets traffic past the IOMMU; null: none, or not known. */
export const brokenHop = (hops: readonly Hop[]): Hop | null =>
  hops.findLast((hop) => hop.isIsolated === false) ?? null;
