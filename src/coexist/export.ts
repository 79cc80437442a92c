// A spec as other managers are to see it: PFs and VFs with every value worked out (automatic MACs,
// addresses, netdevs), and the list of what a manager has no word for. A value that a fresh VF has
// anyway is left out: whoever makes the VFs gives it to them.

import type { Address } from "../model/bdf.ts";
import type { EswitchMode, Pf } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import type { DriverChoice, WantedRate } from "../model/spec.ts";
import type { LinkStatePolicy, Vlan } from "../model/vf-attribute.ts";
import { rangesOf } from "../model/vf-range.ts";
import type { ConfigFile } from "./config-file.ts";

export type ExportVf = {
  readonly vfIndex: number;
  /** Of the VF that has the index now; null where there is none. */
  readonly address: Address | null;
  readonly netdev: string | null;
  readonly iommuGroup: number | null;
  /** `8086:0000` of its own config space, where it was read. */
  readonly subsystemId: string | null;
  /** `pve:103/hostpci0` of an assign entry. */
  readonly consumer: string | null;
  readonly pool: string | null;
  readonly driver: DriverChoice | null;
  readonly values: VfValues;
};

/** What the spec sets of a VF; null: left alone, or as a fresh VF has it. */
export type VfValues = {
  readonly mac: string | null;
  readonly vlan: Vlan | null;
  readonly rate: WantedRate | null;
  readonly spoofCheck: boolean | null;
  readonly trust: boolean | null;
  readonly linkState: LinkStatePolicy | null;
  readonly rssQuery: boolean | null;
  readonly nodeGuid: string | null;
  readonly portGuid: string | null;
  readonly msix: number | null;
};

export type ExportPf = {
  readonly label: string;
  readonly pf: Pf;
  readonly numVfs: number;
  readonly eswitchMode: EswitchMode | null;
  readonly mtu: number | null;
  readonly adminState: "up" | "down" | null;
  /** In the order of their indexes; VFs that the spec says nothing about may be missing. */
  readonly vfs: readonly ExportVf[];
};

export type ExportInput = {
  readonly pfs: readonly ExportPf[];
  /** Name of this machine in a cluster. */
  readonly node: string;
};

export type Exported = {
  readonly files: readonly ConfigFile[];
  /** What the manager cannot be told, each with the VFs or the PF that lose it. */
  readonly lacks: readonly Problem[];
};

export type Word =
  | keyof VfValues
  | "eswitchMode"
  | "mtu"
  | "adminState"
  | "driver"
  | "autoprobe"
  | "vlanQos"
  | "vlan8021ad"
  | "priorityTag";

const isDriverUniform = ({ vfs, numVfs }: ExportPf, driver: DriverChoice): boolean =>
  vfs.length === numVfs && numVfs > 0 && vfs.every((vf) => vf.driver === driver);

/** Autoprobe is one switch for all VFs of a PF; null where they differ or nothing is said. */
export function autoprobeOf(pf: ExportPf): boolean | null {
  if (isDriverUniform(pf, "none")) return false;
  return isDriverUniform(pf, "kernel") ? true : null;
}

/** Words of one VF that are set. */
function wordsOf(pf: ExportPf, { driver, values }: ExportVf): Word[] {
  const words: Word[] = Object.entries(values).flatMap(([name, value]) => {
    return value === null ? [] : [name as keyof VfValues];
  });
  const { vlan } = values;
  if (vlan !== null && vlan.id === 0) words.push("priorityTag");
  if (vlan !== null && vlan.qos > 0) words.push("vlanQos");
  if (vlan !== null && vlan.protocol === "802.1ad") words.push("vlan8021ad");
  // What the kernel does by itself needs no word.
  if (driver !== null && driver !== "kernel") {
    words.push(autoprobeOf(pf) === false ? "autoprobe" : "driver");
  }
  return words;
}

function pfWords({ eswitchMode, mtu, adminState, pf }: ExportPf): Word[] {
  return [
    // Cards without modes are in the one that they have.
    ...(eswitchMode === null || (eswitchMode === "legacy" && pf.eswitchMode === null)
      ? []
      : (["eswitchMode"] as const)),
    ...(mtu === null ? [] : (["mtu"] as const)),
    ...(adminState === null ? [] : (["adminState"] as const)),
  ];
}

const sayings: Readonly<Record<Word, string>> = {
  mac: "MACs of VFs",
  vlan: "port VLANs of VFs",
  vlanQos: "priorities of port VLANs",
  vlan8021ad: "802.1ad port VLANs",
  priorityTag: "priority tags without a VLAN",
  rate: "transmit rates of VFs",
  spoofCheck: "spoof checks of VFs",
  trust: "trust of VFs",
  linkState: "link states of VFs",
  rssQuery: "RSS queries of VFs",
  nodeGuid: "node GUIDs of VFs",
  portGuid: "port GUIDs of VFs",
  msix: "MSI-X counts of VFs",
  driver: "drivers of single VFs",
  autoprobe: "VFs without a driver",
  eswitchMode: "eswitch modes",
  mtu: "the MTU of the PF here",
  adminState: "the administrative state of the PF here",
};

export const lack = (where: string, message: string): Problem => ({
  code: "not-expressible",
  where,
  message,
});

/** One finding a PF and word, with the VFs that lose it. */
export function lacksOf(
  manager: string,
  pfs: readonly ExportPf[],
  known: ReadonlySet<Word>,
): Problem[] {
  return pfs.flatMap((pf) => {
    const losers = new Map<Word, number[]>();
    for (const vf of pf.vfs) {
      for (const word of wordsOf(pf, vf)) {
        if (!known.has(word)) losers.set(word, [...(losers.get(word) ?? []), vf.vfIndex]);
      }
    }
    const ofVfs = [...losers].map(([word, indexes]) =>
      lack(`${pf.label}/${rangesOf(indexes)}`, `${manager} has no word for ${sayings[word]}`),
    );
    const ofPf = pfWords(pf).filter((word) => !known.has(word));
    const saying = (word: Word): string => `${manager} has no word for ${sayings[word]}`;
    return [...ofPf.map((word) => lack(pf.label, saying(word))), ...ofVfs];
  });
}

/** PFs with a netdev, which network managers know; the others are named. */
export function withNetdev(manager: string, pfs: readonly ExportPf[]) {
  const known = pfs.filter(({ pf }) => pf.netdevs.length > 0);
  const lacks = pfs
    .filter(({ pf }) => pf.netdevs.length === 0)
    .map(({ label }) => lack(label, `${manager} only knows PFs with a netdev`));
  return { known, lacks };
}

/** Above each file that is written. */
export const headLines = (about: readonly string[]): string[] =>
  ["Written by sriovctl export; whoever reads this file owns these PFs then.", ...about].map(
    (line) => `# ${line}`,
  );

export const yesNo = (isOn: boolean): string => (isOn ? "yes" : "no");
