// A diagnosis for people: first what to do about what, then each finding with what was seen and the
// fix to copy, notes in one line each, how many VFs fit, and what could not be looked at.

import type { Diagnosis, Finding, Unchecked } from "../doctor/doctor.ts";
import { capacityText, type PfCapacity } from "../pci/pf-capacity.ts";
import type { Severity, Target } from "../doctor/rule.ts";
import type { Step, System } from "../doctor/remedy.ts";
import type { Problem } from "../model/problem.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Inventory, Pf } from "../model/inventory.ts";
import { rangesOf } from "../model/vf-range.ts";
import { platformLines } from "./doctor-platform.ts";
import { plural } from "./list-text.ts";
import type { Style, Tone } from "./style.ts";
import { alignRows } from "./table.ts";
import { wrapped } from "./wrapped.ts";

export const severityWords: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  info: "note",
};
const tones: Readonly<Record<Severity, Tone>> = { error: "bad", warning: "warn", info: "dim" };

export type PfFit = { readonly pf: Pf; readonly capacity: PfCapacity };

export type DoctorReport = {
  readonly inventory: Inventory;
  readonly facts: HostFacts;
  readonly diagnosis: Diagnosis;
  readonly fits: readonly PfFit[];
  readonly system: System;
};

export type DoctorStyle = {
  readonly style: Style;
  readonly columns: number;
  /** Notes in full too. */
  readonly isVerbose: boolean;
};

/** `0000:5e:00.0 VF 0-3, 0000:3b:00.0` */
function targetsText(targets: readonly Target[]): string {
  const vfs = new Map<string, number[]>();
  for (const target of targets) {
    const [pf = "", vf] = target.split("/vf");
    const indexes = vfs.get(pf) ?? [];
    if (vf !== undefined) indexes.push(Number(vf));
    vfs.set(pf, indexes);
  }
  return [...vfs]
    .map(([pf, indexes]) =>
      indexes.length === 0 ? pf : `${pf} VF ${rangesOf(indexes.toSorted((a, b) => a - b))}`,
    )
    .join(", ");
}

const countOf = (findings: readonly Finding[], severity: Severity): number =>
  findings.filter((finding) => finding.severity === severity).length;

function summary({ inventory, diagnosis }: DoctorReport, style: Style): string {
  const { findings, numChecked, numRules } = diagnosis;
  const host = style("strong", inventory.host.name);
  const checked =
    numChecked === numRules ? `${numRules} rules` : `${numChecked} of ${numRules} rules`;
  const [first] = findings;
  if (inventory.physicalFunctions.length === 0) {
    const none = `${host}: no function with an SR-IOV capability`;
    return first === undefined
      ? `${none}, so there is nothing to examine`
      : `${none}. First: ${first.says}`;
  }
  const about = first === undefined ? "" : targetsText(first.targets);
  const isNamed = about === "host" || first?.says.includes(about) === true;
  const subject = isNamed ? "" : `${about}: `;
  const isFine = first === undefined || first.severity === "info";
  const counts = (["error", "warning", "info"] as const)
    .map((severity) => ({ severity, count: countOf(findings, severity) }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) => style(tones[severity], plural(count, severityWords[severity])));
  if (isFine) {
    const notes = counts.length === 0 ? "" : `; ${counts.join(", ")}`;
    return `${host}: ${style("good", "nothing found in the way of SR-IOV")} (${checked} checked${notes})`;
  }
  return `${host}: ${counts.join(", ")} (${checked} checked). First: ${subject}${first.says}`;
}

/** What to do about the worst: the first line says what it is. */
function firstStep({ diagnosis: { findings } }: DoctorReport, shown: DoctorStyle): string[] {
  const [first] = findings;
  if (first === undefined || first.severity === "info") return [];
  const [step] = first.fix;
  if (step === undefined) return [];
  const boot = first.needsReboot ? " (takes effect at the next boot)" : "";
  const name = shown.style("strong", "Do first:");
  return step.kind === "run"
    ? [`${name} ${shown.style("name", step.text)}${boot}`]
    : wrapped(`${name} ${step.text}${boot}`, shown.columns);
}

const label = (style: Style, name: string): string => style("dim", name.padEnd(5));

/** Lines below a label; those after the first are indented like it. */
export function block(name: string, lines: readonly string[], style: Style): string[] {
  return lines.map((line, at) => `  ${at === 0 ? label(style, name) : "     "} ${line}`);
}

export const stepLines = (steps: readonly Step[], { style, columns }: DoctorStyle): string[] =>
  steps.flatMap(({ kind, text }) =>
    // A command is one line, however long: it is there to be copied.
    kind === "run" ? [`${style("dim", "$")} ${style("name", text)}`] : wrapped(text, columns - 8),
  );

/** `isFirst`: of its rule; the cause is told once. */
export function findingLines(finding: Finding, shown: DoctorStyle, isFirst = true): string[] {
  const { rule, severity, targets, says, evidence, fix, needsReboot, explains, expired } = finding;
  const { style, columns } = shown;
  const sentence = (text: string): string[] => wrapped(text, columns - 8);
  const heading = `${style(tones[severity], severityWords[severity].toUpperCase())}  ${style("strong", rule.id)}  ${targetsText(targets)}`;
  const reboot = needsReboot && fix.length > 0 ? ["Takes effect at the next boot"] : [];
  return [
    heading,
    ...wrapped(says, columns - 2).map((line) => `  ${line}`),
    ...(isFirst ? block("why", sentence(rule.cause), style) : []),
    ...block("seen", evidence, style),
    ...block("fix", [...stepLines(fix, shown), ...reboot], style),
    ...(explains.length === 0
      ? []
      : block("also", sentence(`explains ${explains.join(", ")}`), style)),
    ...(expired === null
      ? []
      : block("waive", sentence(`was accepted until ${expired.until}: ${expired.reason}`), style)),
    "",
  ];
}

const noteRow = ({ rule, targets, says }: Finding, style: Style): string[] => [
  `  ${style("dim", rule.id)}`,
  `${targetsText(targets)}: ${says}`,
];

function notes(findings: readonly Finding[], { style }: DoctorStyle): string[] {
  if (findings.length === 0) return [];
  const rows = findings.map((finding) => noteRow(finding, style));
  return [
    style("strong", "Notes") + style("dim", "  (-v or --explain RULE for more)"),
    ...alignRows(rows),
    "",
  ];
}

function capacityLines(fits: readonly PfFit[], { style }: DoctorStyle): string[] {
  const rows = fits.flatMap(({ pf, capacity }) => {
    const text = capacityText(capacity);
    return text === null
      ? []
      : [[`  ${pf.address}`, pf.netdevs[0]?.name ?? "", `${pf.numVfs} now`, `fit: ${text}`]];
  });
  return rows.length === 0 ? [] : [style("strong", "VFs"), ...alignRows(rows), ""];
}

/** Of those that one source keeps from being asked; --json has all. */
const shownRules = 8;

/** By what kept it from being known: several facts come from one source. */
export function uncheckedLines(notChecked: readonly Unchecked[], shown: DoctorStyle): string[] {
  if (notChecked.length === 0) return [];
  const { style, columns } = shown;
  const reasons = new Set(notChecked.map(({ why }) => why));
  const lines = [...reasons].flatMap((why) => {
    const rows = notChecked.filter((row) => row.why === why);
    const facts = rows.map(({ what, pfs }) =>
      pfs === null ? what : `${what} (${plural(pfs.length, "PF")})`,
    );
    const rules = [...new Set(rows.flatMap((row) => row.rules))];
    const more = rules.length > shownRules ? ` and ${rules.length - shownRules + 1} more` : "";
    const named = more === "" ? rules : rules.slice(0, shownRules - 1);
    return [
      ...wrapped(why, columns - 2).map((line) => `  ${line}`),
      ...wrapped(`so not known: ${facts.join(", ")}`, columns - 4).map((line) => `    ${line}`),
      ...wrapped(`not asked: ${named.join(", ")}${more}`, columns - 4).map((line) =>
        style("dim", `    ${line}`),
      ),
    ];
  });
  return [style("strong", "Not checked"), ...lines, ""];
}

const waivedLines = ({ waived }: Diagnosis, { style }: DoctorStyle): string[] =>
  waived.length === 0
    ? []
    : [
        style("strong", "Accepted in the spec"),
        ...waived.map(
          ({ rule, targets, waived: { reason, until } }) =>
            `  ${rule.id}  ${targetsText(targets)}  until ${until}: ${reason}`,
        ),
        "",
      ];

/** So many are read by somebody; --json has them all. */
const problemsShown = 40;

function problemLines(problems: readonly Problem[], { style, columns }: DoctorStyle): string[] {
  if (problems.length === 0) return [];
  const more = problems.length - problemsShown;
  const lines = problems
    .slice(0, problemsShown)
    .flatMap(({ where, message }) =>
      wrapped(message.includes(where) ? message : `${where}: ${message}`, columns - 2),
    );
  const rest = more > 0 ? [`and ${more} more; --json has them all`] : [];
  return [style("strong", "While reading"), ...[...lines, ...rest].map((line) => `  ${line}`)];
}

export function doctorText(report: DoctorReport, shown: DoctorStyle): string[] {
  const { diagnosis, fits } = report;
  const { findings, problems, notChecked } = diagnosis;
  const isShort = ({ severity }: Finding): boolean => severity === "info" && !shown.isVerbose;
  const long = findings.filter((finding) => !isShort(finding));
  const lines = [
    ...wrapped(summary(report, shown.style), shown.columns),
    ...firstStep(report, shown),
    "",
    ...long.flatMap((finding, at) => {
      const isFirst = long.findIndex(({ rule }) => rule === finding.rule) === at;
      return findingLines(finding, shown, isFirst);
    }),
    ...notes(findings.filter(isShort), shown),
    ...waivedLines(diagnosis, shown),
    ...capacityLines(fits, shown),
    ...(shown.isVerbose ? platformLines(report, shown.style) : []),
    ...(fits.length === 0 ? [] : uncheckedLines(notChecked, shown)),
    ...problemLines(problems, shown),
  ];
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}
