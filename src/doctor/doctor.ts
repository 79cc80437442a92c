// What is wrong with SR-IOV on a host: every rule asked, and the answers made readable. One cause
// is one finding with all its targets; what only follows from another finding is named there and
// not shown; what could not be looked at is said with the reason, never guessed.

import type { Problem } from "../model/problem.ts";
import type { Missing, Need } from "./needs.ts";
import { missing } from "./needs.ts";
import type { Step } from "./remedy.ts";
import type { Rule, Severity, Sighting, Target } from "./rule.ts";
import { ruleTable } from "./rules.ts";
import type { Evidence, View } from "./view.ts";
import { viewOf } from "./view.ts";

type Waived = { readonly reason: string; readonly until: string };

type Seen = Pick<Sighting, "targets" | "evidence">;

export type Finding = {
  readonly rule: Rule;
  readonly severity: Severity;
  readonly targets: readonly Target[];
  readonly says: string;
  /** Of its targets, as much as a person reads; the rest is counted. */
  readonly evidence: readonly string[];
  /** All of it, with what each is about. */
  readonly seen: readonly Seen[];
  readonly fix: readonly Step[];
  readonly needsReboot: boolean;
  /** Rules whose findings only follow from this one. */
  readonly explains: readonly string[];
  /** Accepted in the spec until a day that has passed. */
  readonly expired: Waived | null;
};

export type WaivedFinding = Finding & { readonly waived: Waived };

export type Unchecked = {
  readonly need: Need;
  readonly what: string;
  readonly why: string;
  /** null: of the whole host. */
  readonly pfs: readonly string[] | null;
  readonly rules: readonly string[];
};

export type Diagnosis = {
  /** Worst first. */
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  readonly notChecked: readonly Unchecked[];
  /** Rules that were asked about something. */
  readonly numChecked: number;
  readonly numRules: number;
  /** What the inventory itself stumbled over. */
  readonly problems: readonly Problem[];
};

/** `today` is `YYYY-MM-DD`: waivers end. */
export function diagnose(evidence: Evidence, today: string): Diagnosis {
  const view = viewOf(evidence);
  const gaps = gapsOf(view);
  const asked = ruleTable.filter(
    ({ needs }) => !needs.some((need) => gaps.get(need)?.isTotal === true),
  );
  const hasPfs = view.pfs.length > 0;
  const found = asked
    .filter(({ isAboutAnyHost }) => hasPfs || isAboutAnyHost === true)
    .flatMap((rule) => findingsOf(rule, view));
  const kept = withoutConsequences(found);
  const open: Finding[] = [];
  const waived: WaivedFinding[] = [];
  for (const finding of kept) {
    const parts = applyWaivers(finding, evidence, today);
    open.push(...parts.open);
    waived.push(...parts.waived);
  }
  return {
    findings: open.toSorted((left, right) => rankOf(left.severity) - rankOf(right.severity)),
    waived,
    notChecked: uncheckedOf(gaps),
    numChecked: asked.length,
    numRules: ruleTable.length,
    problems: evidence.inventory.problems,
  };
}

const severities: readonly Severity[] = ["error", "warning", "info"];

const rankOf = (severity: Severity): number => severities.indexOf(severity);

export const isAtLeast = (severity: Severity, limit: Severity): boolean =>
  rankOf(severity) <= rankOf(limit);

type Gaps = ReadonlyMap<Need, Missing>;

function gapsOf(view: View): Gaps {
  const wanted = new Set(ruleTable.flatMap(({ needs }) => needs));
  const gaps = new Map<Need, Missing>();
  for (const need of wanted) {
    const gap = missing(need, view);
    if (gap !== null) gaps.set(need, gap);
  }
  return gaps;
}

const uncheckedOf = (gaps: Gaps): Unchecked[] =>
  [...gaps].map(([need, { what, why, pfs }]) => {
    const rules = ruleTable.filter(({ needs }) => needs.includes(need)).map(({ id }) => id);
    return { need, what, why, pfs, rules };
  });

/** Evidence lines of one finding; the rest is counted. */
const shownEvidence = 8;

function evidenceOf(seen: readonly Seen[]): string[] {
  const lines = [...new Set(seen.flatMap(({ evidence }) => evidence))];
  const left = lines.length - shownEvidence;
  const more = left > 0 ? [`and ${left} more like these`] : [];
  return [...lines.slice(0, shownEvidence), ...more];
}

/** What of a finding concerns these of its targets, with their evidence. */
export function narrowed<Kind extends Finding>(finding: Kind, targets: readonly Target[]): Kind {
  if (targets.length === finding.targets.length) return finding;
  const wanted = new Set(targets);
  const seen = finding.seen.filter((each) => each.targets.some((target) => wanted.has(target)));
  return { ...finding, targets, seen, evidence: evidenceOf(seen) };
}

function findingsOf(rule: Rule, view: View): Finding[] {
  const causes = new Map<string, Sighting[]>();
  for (const sighting of rule.test(view)) {
    const { says, severity, fix } = sighting;
    const key = JSON.stringify([says, severity, fix]);
    const known = causes.get(key);
    if (known === undefined) causes.set(key, [sighting]);
    else known.push(sighting);
  }
  return [...causes.values()].flatMap(([first, ...others]): Finding[] => {
    if (first === undefined) return [];
    const seen = [first, ...others];
    return [
      {
        rule,
        severity: first.severity ?? rule.severity,
        targets: [...new Set(seen.flatMap(({ targets }) => targets))],
        says: first.says,
        evidence: evidenceOf(seen),
        seen,
        fix: first.fix ?? rule.fix(view.system),
        needsReboot: first.needsReboot ?? rule.needsReboot,
        explains: [],
        expired: null,
      },
    ];
  });
}

const pfOf = (target: Target): string => target.split("/")[0] ?? target;

/** Findings by rule and by what they are about, so that ten thousand are not held against each other. */
function findingsAt(found: readonly Finding[]): (rule: string, place: string) => Finding[] {
  const index = new Map<string, Finding[]>();
  for (const finding of found) {
    for (const place of new Set(finding.targets.map(pfOf))) {
      const key = `${finding.rule.id} ${place}`;
      const known = index.get(key);
      if (known === undefined) index.set(key, [finding]);
      else known.push(finding);
    }
  }
  return (rule, place) => index.get(`${rule} ${place}`) ?? [];
}

function withoutConsequences(found: readonly Finding[]): Finding[] {
  const at = findingsAt(found);
  const explained = new Map<Finding, string[]>();
  const kept = found.filter((finding) => {
    const { consequenceOf = [], id } = finding.rule;
    if (consequenceOf.length === 0) return true;
    const places = [...new Set(finding.targets.map(pfOf))];
    // What is the host's, or what all that it is about has.
    const candidates = ["host", ...places.slice(0, 1)].flatMap((place) =>
      consequenceOf.flatMap((rule) => at(rule, place)),
    );
    const cause = candidates.find(
      (other) =>
        other !== finding &&
        (other.targets.includes("host") ||
          places.every((place) => at(other.rule.id, place).includes(other))),
    );
    if (cause === undefined) return true;
    explained.set(cause, [...(explained.get(cause) ?? []), id]);
    return false;
  });
  return kept.map((finding) => ({
    ...finding,
    explains: [...new Set(explained.get(finding) ?? [])],
  }));
}

/** Only settings of the group security can be accepted; the rest is broken or not, or has happened. */
function applyWaivers(finding: Finding, { wanted }: Evidence, today: string) {
  const waivers = new Map(wanted?.waivers.map((waiver) => [waiver.target, waiver]) ?? []);
  const { group, isEvent = false } = finding.rule;
  if (group !== "security" || isEvent || waivers.size === 0) return { open: [finding], waived: [] };
  const parts = new Map<string, { readonly waiver: Waived | null; readonly targets: Target[] }>();
  for (const target of finding.targets) {
    const waiver = waivers.get(target) ?? null;
    const key = waiver === null ? "" : `${waiver.until} ${waiver.reason}`;
    const part = parts.get(key) ?? { waiver, targets: [] };
    part.targets.push(target);
    parts.set(key, part);
  }
  const open: Finding[] = [];
  const waived: WaivedFinding[] = [];
  for (const { waiver, targets } of parts.values()) {
    const part = narrowed(finding, targets);
    if (waiver === null) open.push(part);
    else if (waiver.until < today) open.push({ ...part, expired: waiver });
    else waived.push({ ...part, waived: waiver });
  }
  return { open, waived };
}
