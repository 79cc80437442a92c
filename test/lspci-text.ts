// Reads what lspci says about functions (`lspci -vvv`): which capabilities it found where, and
// its text about each. lspci is the independent witness of pci/: it has its own decoder.

import assert from "node:assert/strict";
import type { Sriov } from "../src/pci/capability/sriov.ts";
import type { FunctionConfig } from "../src/pci/function-config.ts";

type LspciCapability = {
  readonly offset: number;
  /** null in the standard list. */
  readonly version: number | null;
  /** All of its lines, white space squeezed to single spaces. */
  readonly text: string;
};

export type LspciFunction = {
  readonly slot: string;
  readonly capabilities: readonly LspciCapability[];
};

const slotPattern = /^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) /;
const capabilityPattern = /^\tCapabilities: \[([0-9a-f]+)(?: v(\d+))?\] /;

const squeeze = (lines: readonly string[]): string =>
  lines.join(" ").replaceAll(/\s+/g, " ").trim();

type Open = { slot: string; capabilities: LspciCapability[] };

export function parseLspciText(text: string): LspciFunction[] {
  const functions: Open[] = [];
  let block: { offset: number; version: number | null; lines: string[] } | null = null;
  const close = (): void => {
    if (block === null) return;
    const { offset, version, lines } = block;
    functions.at(-1)?.capabilities.push({ offset, version, text: squeeze(lines) });
    block = null;
  };
  for (const line of text.split("\n")) {
    const slot = slotPattern.exec(line)?.[1];
    const capability = capabilityPattern.exec(line);
    if (slot !== undefined || capability !== null || /^(\t\S|\S|$)/.test(line)) close();
    if (slot !== undefined) functions.push({ slot, capabilities: [] });
    if (capability !== null) {
      const [, offset = "", version] = capability;
      block = {
        offset: Number.parseInt(offset, 16),
        version: version === undefined ? null : Number(version),
        lines: [line],
      };
    } else if (block !== null) {
      block.lines.push(line);
    }
  }
  close();
  return functions;
}

const place = (offset: number, version: number | null): string =>
  `${offset.toString(16)}${version === null ? "" : ` v${version}`}`;

/** Offsets (and versions) of all capabilities, in list order, as we and as lspci see them. */
export const ourPlaces = (config: FunctionConfig): string[] => [
  ...config.capabilities.map(({ offset }) => place(offset, null)),
  ...config.extendedCapabilities.map(({ offset, version }) => place(offset, version)),
];

export const lspciPlaces = ({ capabilities }: LspciFunction): string[] =>
  capabilities.map(({ offset, version }) => place(offset, version));

const flag = (text: string, register: string, name: string): boolean => {
  const match = new RegExp(`${register}: (?:[^:]*? )?${name}([+-])`).exec(text);
  assert(match !== null, `lspci shows ${name} of ${register}: ${text}`);
  return match[1] === "+";
};

function group(text: string, pattern: RegExp): string[] {
  const match = pattern.exec(text);
  assert(match !== null, `lspci shows ${pattern}: ${text}`);
  return match.slice(1).map((part) => part ?? "");
}

const hex = (text: string | undefined): number => Number.parseInt(text ?? "", 16);

/** Versions above 3.9 write the message number in decimal and under another name. */
function messageNumber(text: string): number {
  const old = /Interrupt Message Number: ([0-9a-f]+)/.exec(text)?.[1];
  return old === undefined ? Number(group(text, /IntMsgNum (\d+)/)[0]) : hex(old);
}

/** The SR-IOV fields that lspci prints, under our names. */
export function parseLspciSriov(text: string) {
  const counts = group(
    text,
    /Initial VFs: (\d+), Total VFs: (\d+), Number of VFs: (\d+), Function Dependency Link: (\w+)/,
  );
  const places = group(text, /VF offset: (\d+), stride: (\d+), Device ID: (\w+)/);
  const pages = group(text, /Supported Page Size: (\w+), System Page Size: (\w+)/);
  const migration = group(text, /VF Migration: offset: (\w+), BIR: (\w+)/);
  const regions = text.matchAll(
    /Region (\d): Memory at ([0-9a-f]+) \((\d+)-bit, (non-)?prefetchable\)/g,
  );
  return {
    vfMigrationCapable: flag(text, "IOVCap", "Migration"),
    vfMigrationInterruptMessage: messageNumber(text),
    vfEnable: flag(text, "IOVCtl", "Enable"),
    vfMigrationEnable: flag(text, "IOVCtl", "Migration"),
    vfMigrationInterruptEnable: flag(text, "IOVCtl", "Interrupt"),
    vfMse: flag(text, "IOVCtl", "MSE"),
    ariCapableHierarchy: flag(text, "IOVCtl", "ARIHierarchy"),
    vfMigrationStatus: flag(text, "IOVSta", "Migration"),
    initialVfs: Number(counts[0]),
    totalVfs: Number(counts[1]),
    numVfs: Number(counts[2]),
    functionDependencyLink: hex(counts[3]),
    firstVfOffset: Number(places[0]),
    vfStride: Number(places[1]),
    vfDeviceId: hex(places[2]),
    supportedPageSizes: hex(pages[0]),
    systemPageSize: hex(pages[1]),
    vfBars: [...regions].map(([, index, address, width, non]) => ({
      index: Number(index),
      address: BigInt(`0x${address}`),
      width: width === "64" ? 64 : 32,
      prefetchable: non === undefined,
    })),
    vfMigrationStateArrayOffset: hex(migration[0]) + hex(migration[1]),
  } satisfies Partial<Sriov>;
}
