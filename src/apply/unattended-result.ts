// What an unattended apply came to, PF by PF: pure, from the plan, what ran, and what planning
// again found.

import type { Address } from "../model/bdf.ts";
import type { Inventory } from "../model/inventory.ts";
import { pendingReboot, type Plan, type PlanProblem } from "../model/plan.ts";
import type { AdapterSpec, PfSpec, Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import type { ActionReport, Report } from "./report.ts";
import { pfOf } from "./request.ts";

export type PfState =
  | "applied"
  | "unchanged"
  | "pending-reboot" // users, whom a boot ends, or a setting that firmware takes then
  | "skipped" // a problem stands in the way of its adapter
  | "failed"
  | "missing";

export type PfResult = {
  /** Label in the spec. */
  readonly name: string;
  readonly adapter: string;
  /** null: no PF has its keys. */
  readonly address: Address | null;
  readonly state: PfState;
  readonly numActions: number;
  /** Why it is not applied; sentences. */
  readonly reasons: readonly string[];
  /** What still differs from the spec; sentences. */
  readonly drift: readonly string[];
};

type Run = {
  readonly spec: Spec;
  readonly inventory: Inventory;
  readonly planned: Plan;
  /** null: nothing ran. */
  readonly report: Report | null;
};

const unique = (sentences: readonly string[]): string[] => [...new Set(sentences)];

const sentenceOf = ({ where, message }: PlanProblem): string =>
  where === "" || message.includes(where) ? message : `${where}: ${message}`;

export const adapterNameOf = (adapter: AdapterSpec, pf: PfSpec): string => adapter.name ?? pf.name;

const stillDiffers = "Everything was done, and planning again still finds something to do";

const isDone = ({ result }: ActionReport): boolean => result === "done";

/** Sentences about actions that did not get done; those that were not reached say nothing new. */
function failuresOf(own: readonly ActionReport[], all: readonly ActionReport[]): string[] {
  const words = (reports: readonly ActionReport[]): string[] =>
    unique(reports.flatMap(({ error }) => (error === null ? [] : [error.message])));
  const ofOwn = words(own);
  if (ofOwn.length > 0) return ofOwn;
  const ofHost = words(all.filter(({ action }) => pfOf(action.change) === null));
  return ofHost.length > 0 ? ofHost : ["It was not reached before the run ended"];
}

type Standing = Pick<PfResult, "state" | "reasons" | "drift" | "numActions">;

function blockedStanding(problems: readonly PlanProblem[], wanted: readonly string[]): Standing {
  const isOverAtBoot = problems.every(
    ({ code }) => code === "would-disrupt" || code === pendingReboot,
  );
  const state = isOverAtBoot ? "pending-reboot" : "skipped";
  return { state, reasons: unique(problems.map(sentenceOf)), drift: wanted, numActions: 0 };
}

function ranStanding(address: Address, { report }: Run): Standing {
  const all = report?.actions ?? [];
  const own = all.filter(({ action }) => pfOf(action.change) === address);
  const remaining = report?.verify?.remaining.actions ?? [];
  const drift = remaining
    .filter(({ change }) => pfOf(change) === address)
    .map(({ target, because }) => `${target}: ${because}`);
  const numActions = own.filter(isDone).length;
  if (numActions < own.length) {
    return { state: "failed", reasons: failuresOf(own, all), drift, numActions };
  }
  if (drift.length > 0) {
    return { state: "failed", reasons: [stillDiffers], drift, numActions };
  }
  return { state: own.length > 0 ? "applied" : "unchanged", reasons: [], drift, numActions };
}

export function pfResults(run: Run): PfResult[] {
  const { spec, inventory, planned } = run;
  const matching = matchPfs(spec, inventory);
  const addresses = new Map(matching.matched.map((match) => [match.spec, match.pf.address]));
  return spec.adapters.flatMap((adapter) =>
    adapter.physicalFunctions.map((pf): PfResult => {
      const name = adapterNameOf(adapter, pf);
      const address = addresses.get(pf) ?? null;
      const about = { name: pf.name, adapter: name, address };
      const problems = planned.problems.filter((problem) => (problem.adapter ?? name) === name);
      if (address === null) {
        const own = problems.filter(({ where }) => where === pf.where);
        const isMissing = own.some(({ code }) => code === "pf-not-found");
        const reasons = unique(own.map(({ message }) => message));
        const state = isMissing ? "missing" : "skipped";
        return { ...about, state, reasons, drift: [], numActions: 0 };
      }
      if (problems.length === 0) return { ...about, ...ranStanding(address, run) };
      const wanted = planned.actions
        .filter(({ change }) => pfOf(change) === address)
        .map(({ target, because }) => `${target}: ${because}`);
      return { ...about, ...blockedStanding(problems, wanted) };
    }),
  );
}

/** Whether all of it was done, whatever the host is like now. */
export const wasAllDone = ({ state, reasons }: PfResult): boolean =>
  state === "applied" || state === "unchanged" || reasons[0] === stillDiffers;

/** What became of PFs over two runs, the second of which was about some of them. */
export const afterBoth = (first: readonly PfResult[], second: readonly PfResult[]): PfResult[] =>
  first.map((before) => {
    const after = second.find(({ name }) => name === before.name);
    if (after === undefined) return before;
    const numActions = before.numActions + after.numActions;
    const state = after.state === "unchanged" && numActions > 0 ? "applied" : after.state;
    return { ...after, state, numActions };
  });
