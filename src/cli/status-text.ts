// `status` for people: one screen, a label and its lines a fact, the worst in red. Lines are cut at
// the terminal's width, so that one look takes in everything; the commands named tell the rest.

import { changeWords, commonWords, summaryOf } from "../plan/plan-text.ts";
import type { Action } from "../model/action.ts";
import type { BootPrediction } from "../plan/next-boot.ts";
import type { BootUnit } from "./boot-unit.ts";
import { timeWords } from "./confirming.ts";
import { applyRow } from "./history-entry.ts";
import { plural } from "./list-text.ts";
import { problemSentence } from "./logger.ts";
import { isWaiting, outcomeOfPlan, waitsForBoot } from "./planning.ts";
import type { Comparison, StatusFacts, WantedSpec } from "./status-facts.ts";
import { clean, cut, type Style } from "./style.ts";
import { alignRows } from "./table.ts";

type Section = { readonly label: string; readonly lines: readonly string[] };

const labelWidth = 13;

const shownProblems = 3;
const shownPfs = 6;

/** The first of many, and how many more there are. */
function firstOf(lines: readonly string[], count: number, style: Style): string[] {
  const rest = lines.length - count;
  const more = rest > 0 ? [style("dim", `and ${rest} more`)] : [];
  return [...lines.slice(0, count), ...more];
}

function hostSection({ inventory }: StatusFacts, style: Style): Section {
  const { host, physicalFunctions } = inventory;
  const vfs = physicalFunctions.flatMap((pf) => pf.virtualFunctions);
  const used = vfs.filter(({ owners }) => owners.length > 0).length;
  const counts = [plural(physicalFunctions.length, "PF"), plural(vfs.length, "VF")];
  const words = [...counts, `${used} in use`].join(", ");
  const kernel = host.kernelRelease === null ? "" : `, kernel ${clean(host.kernelRelease)}`;
  return { label: "Host", lines: [`${style("strong", clean(host.name))}  ${words}${kernel}`] };
}

function specLines({ source, spec, problems }: WantedSpec, style: Style): string[] {
  const name = style("name", clean(source));
  if (spec === null) {
    const words = problems.map((problem) => style("bad", clean(problemSentence(problem))));
    return [`${name}: ${style("bad", "cannot be used")}`, ...firstOf(words, shownProblems, style)];
  }
  const pfs = spec.adapters.flatMap((adapter) => adapter.physicalFunctions);
  const numVfs = pfs.reduce((sum, pf) => sum + (pf.numVfs ?? 0), 0);
  return [`${name}: ${plural(pfs.length, "PF")}, ${plural(numVfs, "VF")}`];
}

function wantedSection({ specs }: StatusFacts, style: Style): Section {
  const nothing = [style("dim", "nothing: no spec in the configuration folder (-f names one)")];
  const lines = specs.flatMap((wanted) => specLines(wanted, style));
  return { label: "Wanted", lines: specs.length === 0 ? nothing : lines };
}

/** `create 16 VFs, set MTU 9000, ...`: each kind of change once. */
function changesOf(actions: readonly Action[]): string {
  const words = actions.map(({ change }) =>
    "vfIndex" in change ? commonWords(change) : changeWords(change),
  );
  return [...new Set(words)].join(", ");
}

function driftLines({ plan }: Comparison, style: Style): string[] {
  const { actions, problems } = plan;
  if (actions.length + problems.length === 0) return [style("good", "as wanted")];
  const byPf = [
    ...Map.groupBy(actions, ({ change, target }) => ("pf" in change ? change.pf : target)),
  ];
  const pfs = byPf.map(([pf, ofPf]) => `${pf}  ${style("dim", clean(changesOf(ofPf)))}`);
  const isPending = outcomeOfPlan(plan) === "pending-reboot";
  const words = problems.map((problem) =>
    style(waitsForBoot(problem) ? "warn" : "bad", clean(problemSentence(problem))),
  );
  const summary =
    actions.length === 0 ? [] : [`to bring it back: ${summaryOf({ ...plan, problems: [] })}`];
  return [
    isPending
      ? style("warn", "differs from what is wanted until the next boot")
      : style("bad", "differs from what is wanted"),
    ...firstOf(words, shownProblems, style),
    ...summary,
    ...firstOf(pfs, shownPfs, style),
  ];
}

function driftSection({ comparisons, specs, uncompared }: StatusFacts, style: Style): Section {
  if (uncompared !== null) {
    const { hint = "", message } = uncompared;
    const words = style("bad", clean(`not known: ${message}`));
    return { label: "Drift", lines: [words, style("dim", hint)] };
  }
  const isAsWanted = comparisons.every(
    ({ plan: { actions, problems } }) => actions.length + problems.length === 0,
  );
  if (comparisons.length === 0) {
    const words = specs.length === 0 ? "nothing to compare with" : "not known: no spec can be used";
    return { label: "Drift", lines: [style("dim", words)] };
  }
  if (isAsWanted) return { label: "Drift", lines: [style("good", "none: the host is as wanted")] };
  const isOne = comparisons.length === 1;
  const lines = comparisons.flatMap((comparison) =>
    isOne
      ? driftLines(comparison, style)
      : [style("name", clean(comparison.source)), ...driftLines(comparison, style)],
  );
  return { label: "Drift", lines };
}

/** Entries whose consumer has not got its VF, and why. */
function waitingSection({ comparisons }: StatusFacts, style: Style): Section[] {
  const waiting = comparisons.flatMap(({ plan }) => plan.warnings.filter(isWaiting));
  if (waiting.length === 0) return [];
  const words = waiting.map(({ message }) => style("warn", clean(message)));
  return [{ label: "Waiting", lines: firstOf(words, shownProblems, style) }];
}

function unconfirmedSection({ unconfirmed }: StatusFacts, style: Style): Section[] {
  if (unconfirmed === null) return [];
  const { deadline, entry, isWatched } = unconfirmed;
  const words = isWatched
    ? style("warn", `reverts at ${timeWords(deadline)}; run sriovctl confirm`)
    : style("bad", "its watchdog is gone: run sriovctl confirm or sriovctl rollback");
  return [{ label: "Unconfirmed", lines: [words, style("dim", clean(entry.command))] }];
}

function openSection({ unfinished }: StatusFacts, style: Style): Section[] {
  const others = unfinished.filter(({ code }) => code !== "unconfirmed-apply");
  if (others.length === 0) return [];
  const lines = others.flatMap(({ message, hint }) => [
    style("warn", clean(message)),
    ...(hint === undefined ? [] : [style("dim", hint)]),
  ]);
  return [{ label: "Unfinished", lines }];
}

function appliesSection({ applies }: StatusFacts, style: Style): Section {
  const rows = alignRows(applies.map((entry) => applyRow(entry, style)));
  return { label: "Last applies", lines: rows.length === 0 ? [style("dim", "none")] : rows };
}

/** A PF that is as wanted is worth no line. */
function unattendedSection({ unattended, inventory }: StatusFacts, style: Style): Section[] {
  if (unattended === null) return [];
  const { at, bootId, error, outcome, problems, physicalFunctions } = unattended;
  const when = bootId === inventory.host.bootId ? "" : ", in an earlier boot";
  const words = outcome === "done" ? style("good", "done") : style("bad", "failed");
  const rows = physicalFunctions.flatMap(({ name, state, reasons }): string[] => {
    if (state === "applied" || state === "unchanged") return [];
    const sentence = `${name}: ${state.replace("-", " ")}: ${reasons.join("; ")}`;
    return [style(state === "pending-reboot" ? "warn" : "bad", clean(sentence))];
  });
  const told = problems.map((problem) => style("bad", clean(problemSentence(problem))));
  const lines = [
    `${words} ${style("dim", `at ${at.slice(0, 19)}${when}`)}`,
    ...(error === null ? [] : [style("bad", clean(error))]),
    ...firstOf(rows, shownPfs, style),
    ...firstOf(told, shownProblems, style),
  ];
  return [{ label: "Unattended", lines }];
}

function unitLine(unit: BootUnit | null, style: Style): string {
  if (unit === null) return style("dim", "nothing is applied by itself on this host");
  if (unit.isEnabled) return style("good", "the specs are applied by sriovctl-apply.service");
  const reason = unit.file === null ? "is not installed" : "is not enabled";
  return style("warn", `nothing is applied: sriovctl-apply.service ${reason}`);
}

const driverWords = (driver: string): string =>
  driver === "none"
    ? "no driver"
    : driver === "kernel"
      ? "with the kernel's driver"
      : clean(driver);

function predictionLines(nextBoot: BootPrediction, style: Style): string[] {
  const rows = nextBoot.physicalFunctions
    .filter(({ numVfs }) => numVfs > 0)
    .map(({ name, address, numVfs, drivers }) => [
      clean(name),
      address,
      plural(numVfs, "VF"),
      drivers.map(({ driver, numVfs: count }) => `${count} ${driverWords(driver)}`).join(", "),
    ]);
  const problems = nextBoot.problems.map((problem) =>
    style("bad", clean(problemSentence(problem))),
  );
  return [...firstOf(alignRows(rows), shownPfs, style), ...firstOf(problems, shownProblems, style)];
}

function bootSection({ comparisons, bootUnit }: StatusFacts, style: Style): Section {
  const lines = comparisons.flatMap(({ nextBoot }) => predictionLines(nextBoot, style));
  const head =
    lines.length === 0 ? [] : [bootUnit?.isEnabled === true ? "then:" : "it would bring:"];
  return { label: "Next boot", lines: [unitLine(bootUnit, style), ...head, ...lines] };
}

/** Lines of at most `columns`. */
export function statusText(facts: StatusFacts, style: Style, columns: number): string[] {
  const sections = [
    hostSection(facts, style),
    wantedSection(facts, style),
    driftSection(facts, style),
    ...waitingSection(facts, style),
    ...openSection(facts, style),
    ...unconfirmedSection(facts, style),
    appliesSection(facts, style),
    ...unattendedSection(facts, style),
    bootSection(facts, style),
  ];
  return sections.flatMap(({ label, lines }) =>
    lines.map((line, at) => {
      const head = at === 0 ? style("strong", label.padEnd(labelWidth)) : " ".repeat(labelWidth);
      return cut(`${head} ${line}`.trimEnd(), columns);
    }),
  );
}
