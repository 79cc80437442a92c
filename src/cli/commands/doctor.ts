// `sriovctl doctor [TARGET]`: what is in the way of SR-IOV here, how safe it is, and what to do. Exit
// code 4 when a finding is as severe as was asked for.

import { capacityOf } from "../../doctor/capacity.ts";
import { catalogue } from "../../doctor/catalogue.ts";
import { diagnose, isAtLeast } from "../../doctor/doctor.ts";
import type { Severity } from "../../doctor/rule.ts";
import { ruleTable } from "../../doctor/rules.ts";
import { viewOf } from "../../doctor/view.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import { nearest } from "../../model/spec/nearest.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { readEvidence } from "../doctor-evidence.ts";
import { doctorJson } from "../doctor-json.ts";
import { narrowTo, targetsFor } from "../doctor-target.ts";
import { explainText, type Explained } from "../doctor-explain-text.ts";
import { doctorText, type DoctorReport } from "../doctor-text.ts";

export const doctor: RunCommand = async (context, args) => {
  const severity = severityOf(args);
  const explained = explainedRules(args);
  const report = await withHost(context, async (host) => {
    const evidence = await readEvidence(host, context, args);
    return reportOf(evidence, args.operands[0] ?? null);
  });
  show(report, explained, context);
  const { findings } = report.diagnosis;
  const own =
    explained === null ? findings : findings.filter(({ rule }) => explained.rules.includes(rule));
  return own.some((finding) => isAtLeast(finding.severity, severity)) ? exitCodeOf("findings") : 0;
};

function reportOf(evidence: Parameters<typeof diagnose>[0], target: string | null): DoctorReport {
  const { inventory, facts } = evidence;
  const today = new Date().toISOString().slice(0, 10);
  const whole = diagnose(evidence, today);
  const view = viewOf(evidence);
  const fits = view.pfs.map((pf) => ({ pf, capacity: capacityOf(view, pf) }));
  const { system } = view;
  if (target === null) return { inventory, facts, diagnosis: whole, fits, system };
  const targets = targetsFor(evidence, target);
  return {
    inventory,
    facts,
    diagnosis: narrowTo(whole, targets),
    fits: fits.filter(({ pf }) => targets.has(pf.address)),
    system,
  };
}

function show(report: DoctorReport, explained: Explained | null, context: Context): void {
  const { style, io, log } = context;
  const shown = { style, columns: io.stdout.columns, isVerbose: log.level !== "normal" };
  context.printJson(doctorJson(report));
  const lines =
    explained === null ? doctorText(report, shown) : explainText(explained, report, shown);
  // One by one: a hostile snapshot has more lines than a call can have arguments.
  for (const line of lines) context.print(line);
}

const severities: readonly Severity[] = ["error", "warning", "info"];

/** Throws SriovError `usage`. */
function severityOf(args: Arguments): Severity {
  const text = args.text("severity") ?? "error";
  const found = severities.find((severity) => severity === text);
  if (found !== undefined) return found;
  const message = `Cannot compare with severity ${text}: wanted ${severities.join(", ")}`;
  throw new SriovError("usage", message, { operation: "read severity", target: text });
}

/** A rule, or those that answer a point of the catalogue. Throws SriovError `usage`. */
function explainedRules(args: Arguments): Explained | null {
  const id = args.text("explain");
  if (id === null) return null;
  const named = ruleTable.find((rule) => rule.id === id);
  if (named !== undefined) return { rules: [named], point: null };
  const point = catalogue.find((each) => each.id === id.toUpperCase()) ?? null;
  if (point !== null) {
    return { rules: ruleTable.filter(({ answers }) => answers.includes(point.id)), point };
  }
  const near = nearest(
    id,
    ruleTable.map((rule) => rule.id),
  );
  const hint = near === null ? "docs/doctor.md lists the rules" : `Did you mean ${near}?`;
  const message = `Cannot explain ${id}: there is no such rule`;
  throw new SriovError("usage", message, { operation: "explain rule", target: id, hint });
}
