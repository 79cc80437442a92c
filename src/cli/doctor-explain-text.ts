// `doctor --explain RULE`: everything that a rule says of itself, and whether it says it of this host;
// of a point of the catalogue, all rules that answer it.

import type { Point } from "../doctor/catalogue.ts";
import type { Rule } from "../doctor/rule.ts";
import type { DoctorReport, DoctorStyle } from "./doctor-text.ts";
import { block, findingLines, severityWords, stepLines, uncheckedLines } from "./doctor-text.ts";
import { alignRows } from "./table.ts";
import { wrapped } from "./wrapped.ts";

export type Explained = {
  readonly rules: readonly Rule[];
  /** Of the catalogue, where one was asked for. */
  readonly point: Point | null;
};

export function explainText(
  { rules, point }: Explained,
  report: DoctorReport,
  shown: DoctorStyle,
): string[] {
  const { style, columns } = shown;
  if (point === null) return rules.flatMap((rule) => ruleText(rule, report, shown));
  const { id, title, unanswered, leftOut } = point;
  const remark =
    unanswered !== undefined
      ? `No rule answers it: ${unanswered}`
      : leftOut && `Not answered: ${leftOut}`;
  const why = remark === undefined ? [] : wrapped(remark, columns - 2);
  return [
    `${style("strong", id)}: ${title}`,
    ...why.map((line) => `  ${line}`),
    ...rules.flatMap((rule) => ["", ...ruleText(rule, report, shown)]),
  ];
}

/** What would be done, where nothing is: somebody wants to know before it happens. */
function notFoundLines(rule: Rule, isWhole: boolean, report: DoctorReport, shown: DoctorStyle) {
  const steps = stepLines(rule.fix(report.system), shown);
  return [
    isWhole ? "Not found here. If it were:" : "Not found in what could be read here. If it were:",
    ...block("fix", steps, shown.style),
  ];
}

function ruleText(rule: Rule, report: DoctorReport, shown: DoctorStyle): string[] {
  const { style, columns } = shown;
  const { findings, waived, notChecked } = report.diagnosis;
  const own = [...findings, ...waived].filter((finding) => finding.rule.id === rule.id);
  const open = notChecked.filter(({ rules }) => rules.includes(rule.id));
  const { id, title, cause, group, severity, reference, answers } = rule;
  const facts = [
    ["group", group],
    ["at worst", severityWords[severity]],
    ["boot", rule.needsReboot ? "the fix takes effect at the next boot" : "not needed"],
    ["see", reference],
    ["catalogue", answers.join(", ")],
  ].filter(([, value]) => value !== "");
  return [
    `${style("strong", id)}: ${title}`,
    ...wrapped(cause, columns - 2).map((line) => `  ${line}`),
    "",
    ...alignRows(facts.map(([name = "", value = ""]) => [`  ${style("dim", name)}`, value])),
    "",
    ...(own.length === 0
      ? notFoundLines(rule, open.length === 0, report, shown)
      : own.flatMap((finding) => findingLines(finding, shown, false))),
    ...uncheckedLines(open, shown),
  ];
}
