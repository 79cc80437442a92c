// `list` for people: a tree of adapter, PF, VF and owner, all columns aligned. VFs that differ in
// nothing but their number share a line, so that 64 free VFs do not hide the one that is in use;
// --wide gives every VF its own line and shows its policy.

import type { Inventory, Pf, Vf } from "../model/inventory.ts";
import type { Vlan, VfPolicy } from "../model/vf-attribute.ts";
import { rangesOf } from "../model/vf-range.ts";
import { className, deviceName, idsOf } from "./device-names.ts";
import { clean, type Style } from "./style.ts";
import { alignRows, dropEmptyColumns, treeRows, type Row, type Tree } from "./table.ts";

type ListWidth = "narrow" | "wide";

export function listText(inventory: Inventory, style: Style, width: ListWidth): string[] {
  const { physicalFunctions } = inventory;
  const lines = [summaryLine(inventory, style), ""];
  if (physicalFunctions.length === 0) {
    return [...lines, "No function with an SR-IOV capability."];
  }
  const columns = width === "wide" ? wideColumns : narrowColumns;
  const heading = ["FUNCTION", ...columns.map(({ title }) => title)].map((title) =>
    style("dim", title),
  );
  const trees = adaptersOf(physicalFunctions).map(([adapter, pfs]) => ({
    row: [adapterLine(adapter, pfs, style)],
    children: pfs.map((pf) => pfTree(pf, columns, style, width)),
  }));
  return [...lines, ...alignRows(dropEmptyColumns([heading, ...treeRows(trees)]))];
}

function summaryLine({ host, physicalFunctions }: Inventory, style: Style): string {
  const numVfs = physicalFunctions.reduce((sum, pf) => sum + pf.numVfs, 0);
  const kernel = host.kernelRelease === null ? "" : `kernel ${clean(host.kernelRelease)}, `;
  const counts = `${plural(physicalFunctions.length, "PF")}, ${plural(numVfs, "VF")}`;
  return `${style("strong", clean(host.name))}  ${style("dim", kernel + counts)}`;
}

export const plural = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

function adaptersOf(pfs: readonly Pf[]): [adapter: string, pfs: Pf[]][] {
  const adapters = new Map<string, Pf[]>();
  for (const pf of pfs) {
    const known = adapters.get(pf.adapter);
    if (known === undefined) adapters.set(pf.adapter, [pf]);
    else known.push(pf);
  }
  return [...adapters];
}

function adapterLine(adapter: string, pfs: readonly Pf[], style: Style): string {
  const [first] = pfs;
  if (first === undefined) return adapter;
  const name = deviceName(first.vendorId, first.deviceId);
  const kind = `${className(first.classCode)}, ${idsOf(first.vendorId, first.deviceId)}`;
  return [style("strong", name === "" ? className(first.classCode) : name), kind, clean(adapter)]
    .map((part, at) => (at === 0 ? part : style("dim", part)))
    .join("  ");
}

type Column = {
  readonly title: string;
  readonly pf: (pf: Pf, style: Style) => string;
  readonly vf: (vf: Vf, style: Style) => string;
};

const number = (value: number | null): string => (value === null ? "" : `${value}`);
const none = (): string => "";

const columnNetdev: Column = {
  title: "INTERFACE",
  pf: (pf, style) => style("name", netdevNames(pf)),
  vf: (vf) => netdevNames(vf),
};
const columnDriver: Column = {
  title: "DRIVER",
  pf: (pf, style) => driverText(pf.driver, style),
  vf: (vf, style) => driverText(vf.driver, style),
};
const columnVfs: Column = { title: "VFS", pf: vfCountText, vf: none };
const columnUsedBy: Column = {
  title: "USED BY",
  pf: ownersText,
  vf: ownersText,
};
const policyColumn = (title: string, text: (policy: VfPolicy) => string): Column => ({
  title,
  pf: none,
  vf: ({ policy }) => (policy === null ? "" : text(policy)),
});
const columnVlan = policyColumn("VLAN", ({ vlan }) => (vlan === null ? "" : vlanText(vlan)));
const columnNuma: Column = { title: "NUMA", pf: ({ numaNode }) => number(numaNode), vf: none };

const narrowColumns: readonly Column[] = [
  columnNetdev,
  columnDriver,
  columnVfs,
  columnNuma,
  columnVlan,
  columnUsedBy,
];

const wideColumns: readonly Column[] = [
  columnNetdev,
  columnDriver,
  columnVfs,
  columnNuma,
  {
    title: "GROUP",
    pf: ({ iommuGroup }) => number(iommuGroup),
    vf: ({ iommuGroup }) => number(iommuGroup),
  },
  {
    title: "MAC",
    pf: ({ netdevs }) => netdevs[0]?.mac ?? "",
    vf: ({ policy }) => macText(policy?.mac ?? null),
  },
  columnVlan,
  policyColumn("RATE", rateText),
  policyColumn("SPOOFCHK", ({ spoofCheck }) => onOff(spoofCheck)),
  policyColumn("TRUST", ({ trust }) => onOff(trust)),
  policyColumn("LINK", ({ linkState }) => linkState ?? ""),
  columnUsedBy,
];

const onOff = (value: boolean | null): string => (value === null ? "" : value ? "on" : "off");

/** All zeros is "nobody set one". */
export const macText = (mac: string | null): string =>
  mac === null || /^[0:]+$/.test(mac) ? "" : mac;

export function vlanText({ id, qos, protocol }: Vlan): string {
  if (id === 0 && qos === 0) return "";
  return `${id}${qos === 0 ? "" : ` qos ${qos}`}${protocol === "802.1q" ? "" : ` ${protocol}`}`;
}

export function rateText({ txRateMinMbps, txRateMaxMbps }: VfPolicy): string {
  const min = txRateMinMbps ?? 0;
  const max = txRateMaxMbps ?? 0;
  if (min === 0 && max === 0) return "";
  const words = [min === 0 ? null : `min ${min}`, max === 0 ? null : `max ${max}`];
  return `${words.filter((word) => word !== null).join(" ")} Mbit/s`;
}

const netdevNames = ({ netdevs }: Pf | Vf): string =>
  netdevs.map(({ name }) => clean(name)).join(" ");

const driverText = (driver: string | null, style: Style): string =>
  driver === null ? style("dim", "-") : clean(driver);

function vfCountText({ numVfs, totalVfs, capabilityTotalVfs, isChanging }: Pf): string {
  const limit = totalVfs ?? capabilityTotalVfs;
  return `${numVfs}/${limit ?? "?"}${isChanging ? " changing" : ""}`;
}

/** Who uses it, and in brackets who is only configured to. */
function ownersText({ owners, reservations = [] }: Pf | Vf, style: Style): string {
  const users = owners.map(({ kind, name }) => style("warn", `${kind}:${clean(name)}`));
  const names = new Set(reservations.map(({ kind, name }) => `(${kind}:${clean(name)})`));
  return [...users, ...[...names].map((name) => style("dim", name))].join(" ");
}

function pfTree(pf: Pf, columns: readonly Column[], style: Style, width: ListWidth): Tree {
  const groups = width === "wide" ? pf.virtualFunctions.map((vf) => [vf]) : alikeRuns(pf);
  const nameWidth = Math.max(0, ...groups.map((vfs) => runName(vfs).length));
  return {
    row: [clean(pf.address), ...columns.map((column) => column.pf(pf, style))],
    children: groups.map((vfs) => ({
      row: vfRow(vfs, columns, style, nameWidth),
      children: [],
    })),
  };
}

const runName = (vfs: readonly Vf[]): string => `vf${rangesOf(vfs.map(({ vfIndex }) => vfIndex))}`;

function vfRow(
  vfs: readonly Vf[],
  columns: readonly Column[],
  style: Style,
  nameWidth: number,
): Row {
  const [first] = vfs;
  const last = vfs.at(-1);
  if (first === undefined || last === undefined) return [];
  const address = first === last ? first.address : `${first.address} ...`;
  const cells = columns.map((column) =>
    // Interfaces of a run differ: the first stands for all.
    column.title === "INTERFACE" && first !== last && first.netdevs.length > 0
      ? `${netdevNames(first)} ...`
      : column.vf(first, style),
  );
  return [`${runName(vfs).padEnd(nameWidth)} ${style("dim", address)}`, ...cells];
}

/** Consecutive VFs that a narrow list need not tell apart: same driver, VLAN and nobody's. */
function alikeRuns({ virtualFunctions }: Pf): Vf[][] {
  const runs: Vf[][] = [];
  for (const vf of virtualFunctions) {
    const run = runs.at(-1);
    const previous = run?.at(-1);
    const isAlike =
      previous !== undefined && previous.vfIndex + 1 === vf.vfIndex && looksAlike(previous, vf);
    if (isAlike) run?.push(vf);
    else runs.push([vf]);
  }
  return runs;
}

const isNamed = ({ owners, reservations = [] }: Vf): boolean =>
  owners.length > 0 || reservations.length > 0;

function looksAlike(left: Vf, right: Vf): boolean {
  if ([left, right].some(isNamed)) return false;
  const hasNetdev = left.netdevs.length > 0;
  if (left.driver !== right.driver || hasNetdev !== right.netdevs.length > 0) return false;
  const [one, other] = [left.policy?.vlan ?? null, right.policy?.vlan ?? null];
  return (one === null ? "" : vlanText(one)) === (other === null ? "" : vlanText(other));
}
