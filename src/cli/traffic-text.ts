// What `traffic` found, for people: the ways side by side, what is 0 everywhere left out; and the
// checks as a table of VFs, with a line for each that needs words.

import { frameEnds } from "../host/emulated/datapath/frame-ends.ts";
import type {
  PathCounts,
  PolicyCheck,
  PolicyReport,
  TrafficReport,
} from "../host/emulated/datapath/traffic-report.ts";
import { clean, type Style, type Tone } from "./style.ts";
import { alignRows, type Row } from "./table.ts";

const pathNames: Readonly<Record<PathCounts["path"], string>> = {
  vf: "VF",
  virtio: "virtio, vhost",
  emulated: "emulated NIC",
};

const digits = (count: number): string => count.toLocaleString("en-US");

const counts: readonly (readonly [string, (path: PathCounts) => number])[] = [
  ["exits to the hypervisor", ({ exits }) => exits],
  ["copies by a host CPU", ({ copies }) => copies],
  ["bridge lookups", ({ bridgeLookups }) => bridgeLookups],
  ["lookups in the card", ({ switchLookups }) => switchLookups],
  ["IOMMU translations", ({ translations }) => translations],
  ["IOMMU faults", ({ faults }) => faults],
  ["interrupts for frames received", ({ interrupts }) => interrupts],
];

const plural = (count: number, noun: string): string =>
  `${digits(count)} ${noun}${count === 1 ? "" : "s"}`;

function aboutRun({ wish, pairs }: TrafficReport): string {
  const { pair, frames, sizeBytes, burst, vlan } = wish;
  const who =
    pair === null ? `${plural(pairs, "VF")}, each to the next` : `VF ${pair.from} to VF ${pair.to}`;
  const tag = vlan === null ? "" : `, tagged ${vlan}`;
  return `${who}: ${plural(frames, "frame")} of ${plural(sizeBytes, "byte")}${tag}, ${burst} a doorbell`;
}

function aboutGuests({ testGuests, leftOut }: Pick<TrafficReport, "testGuests" | "leftOut">) {
  const few = testGuests.slice(0, 8).join(", ");
  const rest = testGuests.length > 8 ? ` and ${testGuests.length - 8} more` : "";
  const [first] = leftOut;
  return [
    ...(testGuests.length === 0 ? [] : [`test guests, for this run only, on VF ${few}${rest}`]),
    ...(first === undefined
      ? []
      : [`${plural(leftOut.length, "VF")} left out: VF ${first.vfIndex}, ${first.why}`]),
  ];
}

export function trafficText(name: string, report: TrafficReport, style: Style): string[] {
  const { paths, pf } = report;
  const row = (label: string, count: (path: PathCounts) => number): Row[] => {
    const values = paths.map(count);
    return values.every((value) => value === 0) ? [] : [[label, ...values.map(digits)]];
  };
  const ends = frameEnds.flatMap((end) =>
    row(end.replaceAll("-", " "), (path) => {
      return path.ends.find((ended) => ended.end === end)?.frames ?? 0;
    }),
  );
  const rows: Row[] = [
    ["", ...paths.map(({ path }) => style("strong", pathNames[path]))],
    ...row("frames", ({ frames }) => frames),
    ...ends,
    ...row("not sent", ({ unsent }) => unsent),
    ...counts.flatMap(([label, count]) => row(label, count)),
  ];
  return [
    `${style("strong", clean(name))}  ${style("dim", pf)}: ${aboutRun(report)}`,
    ...aboutGuests(report).map((line) => style("dim", clean(line))),
    "",
    ...alignRows(rows),
    "",
    style("dim", "Counts, not times: docs/data-path.md says what each one is of."),
  ];
}

const outcomes: Readonly<Record<PolicyCheck["outcome"], readonly [Tone, string]>> = {
  "as-wanted": ["good", "ok"],
  "passes": ["warn", "passes"],
  "wrong": ["bad", "WRONG"],
  "not-tried": ["dim", "-"],
};

export function checksText(name: string, report: PolicyReport, style: Style): string[] {
  const { checks, pf } = report;
  const names = [...new Set(checks.map(({ check }) => check))];
  const byVf = Map.groupBy(checks, ({ vfIndex }) => vfIndex);
  const rows: Row[] = [...byVf].map(([vfIndex, own]) => [
    `VF ${vfIndex}`,
    clean(own[0]?.guest ?? ""),
    ...names.map((check) => {
      const [tone, word] =
        outcomes[own.find((each) => each.check === check)?.outcome ?? "not-tried"];
      return style(tone, word);
    }),
  ]);
  const said = new Map<string, number[]>();
  for (const { check, outcome, found, vfIndex } of checks) {
    if (outcome === "as-wanted") continue;
    const line = `${style(...outcomes[outcome])}  ${check}: ${clean(found)}`;
    said.set(line, [...(said.get(line) ?? []), vfIndex]);
  }
  const wrong = checks.filter(({ outcome }) => outcome === "wrong").length;
  const passing = checks.filter(({ outcome }) => outcome === "passes").length;
  const result =
    wrong > 0
      ? style("bad", `${plural(wrong, "check")} came out wrong`)
      : passing > 0
        ? style("warn", `nothing wrong; the policy itself lets ${plural(passing, "frame")} pass`)
        : style("good", "all as the policies want it");
  return [
    `${style("strong", clean(name))}  ${style("dim", pf)}: ${result}`,
    ...aboutGuests(report).map((line) => style("dim", clean(line))),
    "",
    ...alignRows([
      ["", style("dim", "guest"), ...names.map((each) => style("dim", each))],
      ...rows,
    ]),
    ...(said.size === 0 ? [] : [""]),
    ...[...said].map(
      ([line, vfs]) => `${line} (VF ${vfs.slice(0, 8).join(", ")}${vfs.length > 8 ? ", ..." : ""})`,
    ),
  ];
}
