// The public JSON of `doctor`, written by hand.

import type { Finding, Unchecked, WaivedFinding } from "../doctor/doctor.ts";
import { platformJson } from "./doctor-platform.ts";
import type { DoctorReport, PfFit } from "./doctor-text.ts";
import { problemJson } from "./inventory-json.ts";

const doctorFormat = "sriovctl-doctor/1";

const findingJson = (finding: Finding) => ({
  rule: finding.rule.id,
  group: finding.rule.group,
  severity: finding.severity,
  title: finding.rule.title,
  targets: finding.targets,
  says: finding.says,
  cause: finding.rule.cause,
  evidence: finding.evidence,
  fix: finding.fix.map(({ kind, text }) => ({ kind, text })),
  needsReboot: finding.needsReboot,
  reference: finding.rule.reference,
  answers: finding.rule.answers,
  explains: finding.explains,
  expiredWaiver: finding.expired,
});

const waivedJson = (finding: WaivedFinding) => ({
  ...findingJson(finding),
  waiver: { reason: finding.waived.reason, until: finding.waived.until },
});

const uncheckedJson = ({ need, what, why, pfs, rules }: Unchecked) => ({
  need,
  what,
  why,
  physicalFunctions: pfs,
  rules,
});

const fitJson = ({ pf, capacity }: PfFit) => ({
  address: pf.address,
  numVfs: pf.numVfs,
  numVfsThatFit: capacity.numVfs,
  limits: capacity.limits.map(({ kind, numVfs, words }) => ({ kind, numVfs, words })),
});

export const doctorJson = ({ inventory, facts, diagnosis, fits }: DoctorReport) => ({
  format: doctorFormat,
  host: inventory.host.name,
  platform: platformJson({ inventory, facts }),
  numRules: diagnosis.numRules,
  numChecked: diagnosis.numChecked,
  findings: diagnosis.findings.map(findingJson),
  waived: diagnosis.waived.map(waivedJson),
  notChecked: diagnosis.notChecked.map(uncheckedJson),
  capacity: fits.map(fitJson),
  problems: diagnosis.problems.map(problemJson),
});
