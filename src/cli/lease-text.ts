// Leases for people: one line each, why a VF was given, and why others were not, with VFs of the same
// reason together.

import type { Acquired, Failed, Granted } from "../apply/leasing.ts";
import type { Mended } from "../apply/lease-mend.ts";
import type { Released } from "../apply/lease-release.ts";
import { targetOf, type Lease, type LeaseState, type VfPlace } from "../lease/lease.ts";
import type { Finding } from "../lease/reconcile.ts";
import type { StoredEntry } from "../lease/rows.ts";
import type { Rejection } from "../lease/select.ts";
import { rangesOf } from "../model/vf-range.ts";
import { consentWord } from "../plan/disruption.ts";
import { plural } from "./list-text.ts";
import { clean, type Style, type Tone } from "./style.ts";
import { alignRows, dropEmptyColumns } from "./table.ts";

const tones: Readonly<Record<LeaseState, Tone>> = {
  free: "dim",
  claimed: "warn",
  prepared: "good",
  attached: "good",
  releasing: "warn",
  quarantined: "bad",
};

const timeText = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

const heading = (style: Style, names: readonly string[]): string[] =>
  names.map((name) => style("dim", name));

export function leasesText(leases: readonly Lease[], style: Style): string[] {
  if (leases.length === 0) return ["No VF is leased."];
  const columns = ["VF", "ADDRESS", "STATE", "HOLDER", "GEN", "SINCE (UTC)", "EXPIRES", "POOL", ""];
  const rows = leases.map((lease) => [
    targetOf(lease.vf),
    lease.vf.address,
    style(tones[lease.state], lease.state),
    clean(lease.holder?.name ?? ""),
    String(lease.generation),
    lease.sinceMs === 0 ? "" : timeText(lease.sinceMs),
    lease.expiresAtMs === null ? "" : timeText(lease.expiresAtMs),
    clean(lease.pool ?? ""),
    lease.state === "quarantined" ? clean(lease.evidence.join("; ")) : "",
  ]);
  return alignRows(dropEmptyColumns([heading(style, columns), ...rows]));
}

export function entriesText(entries: readonly StoredEntry[], style: Style): string[] {
  if (entries.length === 0) return ["Nothing was ever leased."];
  const columns = ["WHEN (UTC)", "VF", "EVENT", "STATE", "GEN", "HOLDER", "REASON"];
  const rows = entries.map((entry) => [
    timeText(entry.atMs),
    targetOf(entry.vf),
    clean(entry.event),
    style(tones[entry.to], entry.to),
    String(entry.generation),
    clean(entry.holder ?? ""),
    clean(entry.reason),
  ]);
  return alignRows(dropEmptyColumns([heading(style, columns), ...rows]));
}

/** `0000:3b:00.0/vf0-3,7`: many VFs in few words. */
function vfsText(places: readonly VfPlace[]): string {
  const byPf = Map.groupBy(places, ({ pf }) => pf);
  return [...byPf]
    .map(([pf, vfs]) => `${pf}/vf${rangesOf(vfs.map(({ vfIndex }) => vfIndex))}`)
    .join(" ");
}

function grantedText({ lease, because, changes, unverifiable }: Granted, style: Style): string[] {
  const { vf, holder, generation } = lease;
  const name = style("strong", targetOf(vf));
  const isUnsure = unverifiable.length > 0;
  return [
    `${name} (${vf.address}) is ready for ${clean(holder?.name ?? "")}, generation ${generation}`,
    `  why   ${clean(because.join("; "))}`,
    `  done  ${clean(changes.join("; "))}`,
    ...(isUnsure ? [`  not reported by its driver: ${unverifiable.join(", ")}`] : []),
  ];
}

/** Sentence and evidence, for the log. */
export const failedText = ({ lease, evidence }: Failed): string => {
  const became = lease.state === "quarantined" ? "is quarantined" : "was not taken";
  return `${targetOf(lease.vf)} ${became}: ${evidence.join("; ")}`;
};

/** VFs by what speaks against them. Of those that nobody wished for only the count is news. */
function rejectionsText(rejections: readonly Rejection[]): string[] {
  const wished = rejections.filter(({ kind }) => kind !== "other");
  const rows = [...Map.groupBy(wished, ({ because }) => because)].map(([because, group]) => {
    return [`  ${vfsText(group.map(({ candidate }) => candidate.vf))}`, clean(because)];
  });
  const others = rejections.length - wished.length;
  const rest =
    others === 0
      ? []
      : [`  (and ${plural(others, "VF")} that ${others === 1 ? "was" : "were"} not asked for)`];
  return [...alignRows(rows), ...rest];
}

export const acquiredText = (acquired: Acquired, style: Style): string[] =>
  acquired.kind === "granted"
    ? acquired.granted.flatMap((granted) => grantedText(granted, style))
    : rejectionsText(acquired.rejections);

export function releasedText({ lease, hygiene }: Released, style: Style): string {
  const name = style("strong", targetOf(lease.vf));
  switch (hygiene.kind) {
    case "clean":
      return `${name} is free and clean: ${clean(hygiene.changes.join("; "))}`;
    case "in-use":
      return `${name} is not clean: ${clean(hygiene.owners.map(consentWord).join(", "))} uses it`;
    case "failed":
      return `${name} is quarantined: ${clean(hygiene.evidence.join("; "))}`;
  }
}

/** What is wrong, and who mends it where `reconcile` does not. */
export function findingText({ message, remedy, lease: { holder } }: Finding): string {
  if (remedy === null) return clean(`${message}: nothing to do here`);
  if (remedy !== "detach") return clean(message);
  return clean(`${message}: to take it back, sriovctl detach ${holder?.name ?? ""}`);
}

/** What became of it. */
export function outcomeText({ finding, released }: Mended, style: Style): string {
  if (released !== null) return releasedText(released, style);
  const name = style("strong", targetOf(finding.lease.vf));
  return finding.remedy === "forget"
    ? `${name} is forgotten: nobody has it any more`
    : `${name} is noted where it is now`;
}

/** What was wrong, and what became of it. */
export const mendedText = (mended: readonly Mended[], style: Style): string[] =>
  mended.flatMap((one) => [clean(one.finding.message), outcomeText(one, style)]);

export const countText = (count: number, pool: string | null): string =>
  `${plural(count, "VF")}${pool === null ? "" : ` of pool ${pool}`}`;
