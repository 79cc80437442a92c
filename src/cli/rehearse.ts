// `plan --rehearse`: runs the plan on a twin of the host, an emulated machine in memory that has
// what the host has, and says what would fail there and how long the kernel would take. The times
// are the emulated drivers', not this machine's: docs/emulated.md says where they come from.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apply } from "../apply/apply.ts";
import { systemClock } from "../apply/clock.ts";
import type { ActionReport, Report } from "../apply/report.ts";
import type { Progress } from "../apply/run.ts";
import { openSession, touchedPfs } from "../apply/session.ts";
import type { Host } from "../host/host.ts";
import type { Address } from "../model/bdf.ts";
import { isPfChange, isPlugChange, type Action } from "../model/action.ts";
import type { Consent, Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { changeWords } from "../plan/plan-text.ts";
import { reportJson } from "./apply-report.ts";
import type { Context, TwinHost } from "./context.ts";
import { plural } from "./list-text.ts";
import { planOn, type Planned } from "./planning.ts";

type Rehearsal =
  /** Nothing can be foretold, and why. */
  | { readonly status: "impossible"; readonly why: string }
  | {
      readonly status: "rehearsed";
      readonly report: Report;
      /** Machine time from the first action to the last, and until each PF was done. */
      readonly durationMs: number;
      readonly untilMs: ReadonlyMap<Address, number>;
      /** What could not be read of the host, in words. */
      readonly doubts: readonly string[];
    };

type Rehearsing = { readonly spec: Spec; readonly consent: Consent; readonly planned: Planned };

/** Runs on the host only to read its facts. */
export async function rehearse(
  context: Context,
  host: Host,
  rehearsing: Rehearsing,
): Promise<Rehearsal> {
  const { inventory, plan } = rehearsing.planned;
  const twin = await context.wiring.openTwin(inventory, await host.facts(inventory));
  try {
    const why = await obstacle(twin, plan, rehearsing);
    if (why !== null) return { status: "impossible", why };
    return await run(context, twin, rehearsing);
  } finally {
    await twin.host.close();
  }
}

/** Why the twin would not do as the host does; null when nothing speaks against it. */
async function obstacle(
  { host, strangers }: TwinHost,
  plan: Plan,
  { spec, consent }: Rehearsing,
): Promise<string | null> {
  const touched = new Set(touchedPfs(plan.actions));
  const stranger = strangers.find(({ pf }) => touched.has(pf));
  if (stranger !== undefined) {
    const { pf, driver } = stranger;
    return driver === null
      ? `PF ${pf} has no driver`
      : `what driver ${driver} of PF ${pf} does is not known`;
  }
  if (plan.actions.some(({ change }) => isPlugChange(change))) {
    return "it attaches VFs, and the twin has no consumers";
  }
  const onTwin = await planOn(host, spec, { consent });
  const wordsOf = (actions: readonly Action[]) =>
    actions.map(({ target, change }) => `${target}: ${JSON.stringify(change)}`);
  const [wanted, found] = [wordsOf(plan.actions), wordsOf(onTwin.plan.actions)];
  const at = wanted.findIndex((words, index) => words !== found[index]);
  if (at === -1 && wanted.length === found.length) return null;
  const first = plan.actions[at] ?? onTwin.plan.actions[wanted.length];
  const words = first === undefined ? "" : ` at ${first.target}, ${changeWords(first.change)}`;
  return `the twin came out other than the host${words}`;
}

async function run(
  { commandLine: command }: Context,
  { host, doubts }: TwinHost,
  { spec, consent }: Rehearsing,
): Promise<Rehearsal> {
  const folder = mkdtempSync(join(tmpdir(), "sriovctl-rehearsal-"));
  const files = { journalDirectory: join(folder, "journal"), lockFile: join(folder, "lock") };
  const untilMs = new Map<Address, number>();
  const startedAtMs = host.now();
  let durationMs = 0;
  const onProgress = (progress: Progress): void => {
    if (progress.type !== "result") return;
    durationMs = host.now() - startedAtMs;
    const { change } = progress.action;
    if (isPfChange(change)) untilMs.set(change.pf, durationMs);
  };
  try {
    const session = await openSession({
      host,
      ...files,
      command,
      clock: systemClock,
      lockWaitMs: 0,
    });
    try {
      const { plan } = await planOn(host, spec, { consent });
      const how = {
        keepGoing: false,
        onInterrupt: "undo",
        onProblem: "stop",
        signal: null,
      } as const;
      const report = await apply(session, { ...how, spec, plan, consent, command, onProgress });
      return { status: "rehearsed", report, durationMs, untilMs, doubts };
    } finally {
      session.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const wouldSucceed = (rehearsal: Rehearsal): boolean =>
  rehearsal.status === "rehearsed" && rehearsal.report.outcome === "done";

export function rehearsalJson(rehearsal: Rehearsal) {
  if (rehearsal.status === "impossible") return { ...rehearsal };
  const { report, durationMs, untilMs, doubts } = rehearsal;
  const { outcome, actions, verify } = reportJson(report);
  const physicalFunctions = [...untilMs].map(([address, ms]) => ({
    address,
    durationMs: Math.round(ms),
  }));
  return {
    status: rehearsal.status,
    outcome,
    durationMs: Math.round(durationMs),
    physicalFunctions,
    actions,
    verify,
    doubts,
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

const failureLine = ({ action, error }: ActionReport): string =>
  `  ${action.target}: ${changeWords(action.change)}: ${error?.message ?? "failed"}`;

export function rehearsalLines(rehearsal: Rehearsal): string[] {
  if (rehearsal.status === "impossible") return [`Cannot rehearse: ${rehearsal.why}`];
  const { report, durationMs, untilMs, doubts } = rehearsal;
  const failed = report.actions.filter(({ error }) => error !== null);
  const verdict = wouldSucceed(rehearsal)
    ? `${plural(report.actions.length, "action")} done and verified`
    : `${plural(failed.length, "action")} would fail (outcome: ${report.outcome})`;
  const perPf = [...untilMs]
    .filter(([, ms]) => ms > 0)
    .toSorted(([, left], [, right]) => right - left)
    .map(([pf, ms]) => `${pf} ${seconds(ms)}`);
  return [
    `Rehearsed on a twin of the host: ${verdict}`,
    ...failed.map(failureLine),
    `  the kernel's share would take about ${seconds(durationMs)} (${perPf.join(", ")})`,
    ...doubts.map((doubt) => `  not known: ${doubt}`),
  ];
}
