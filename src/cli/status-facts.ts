// Everything that `status` shows, gathered once: what is wanted, what is, what is between them, what
// has not ended, and what the next boot would bring. Reads without the lock and changes nothing.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock, wallTimeOf } from "../apply/clock.ts";
import type { ConfirmWindow } from "../apply/confirm-window.ts";
import { history, unfinished, type HistoryEntry } from "../apply/history.ts";
import { directoryStore } from "../apply/journal-store.ts";
import { inventoryFor } from "../apply/verify.ts";
import { fullInventory, type Host } from "../host/host.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Plan } from "../model/plan.ts";
import type { Problem } from "../model/problem.ts";
import type { Spec } from "../model/spec.ts";
import { parseSpec } from "../model/spec-text.ts";
import { predictBoot, type BootPrediction } from "../plan/next-boot.ts";
import { plan } from "../plan/plan.ts";
import { readBootUnit, type BootUnit } from "./boot-unit.ts";
import type { Arguments, Context } from "./context.ts";
import { isRefusal } from "./planning.ts";
import { readSource } from "./spec-source.ts";
import { isWatched } from "./watchdog.ts";

export type WantedSpec = {
  readonly source: string;
  /** null: it cannot be used, and the problems say why. */
  readonly spec: Spec | null;
  readonly problems: readonly Problem[];
};

/** One spec beside the host. */
export type Comparison = {
  readonly source: string;
  /** Without what a repair would hit: that is the repair's question. */
  readonly plan: Plan;
  readonly nextBoot: BootPrediction;
};

type Unconfirmed = {
  readonly entry: HistoryEntry;
  readonly window: ConfirmWindow;
  readonly deadline: Date;
  readonly isWatched: boolean;
};

export type StatusFacts = {
  readonly inventory: Inventory;
  readonly specs: readonly WantedSpec[];
  readonly comparisons: readonly Comparison[];
  readonly unfinished: readonly Problem[];
  readonly unconfirmed: Unconfirmed | null;
  /** Newest first. */
  readonly applies: readonly HistoryEntry[];
  /** null where the boot of this computer is not that of the host. */
  readonly bootUnit: BootUnit | null;
};

function specFiles({ paths }: Context, args: Arguments): string[] {
  const named = args.text("file");
  if (named !== null) return [named];
  if (!existsSync(paths.configDir)) return [];
  const names = readdirSync(paths.configDir).filter((name) => name.endsWith(".yaml"));
  return names.toSorted().map((name) => join(paths.configDir, name));
}

/** Throws `file-unreadable`. */
function readSpec(path: string): WantedSpec {
  const { source, text } = readSource(path);
  const { spec, problems } = parseSpec(text, source);
  return { source, spec, problems };
}

async function compare(host: Host, { source, spec }: WantedSpec): Promise<Comparison[]> {
  if (spec === null) return [];
  const inventory = await inventoryFor(host, spec);
  const found = plan({ spec, inventory, consent: [] });
  const problems = found.problems.filter((problem) => !isRefusal(problem));
  const nextBoot = predictBoot(spec, inventory);
  return [{ source, plan: { ...found, problems }, nextBoot }];
}

const shownApplies = 3;

function unconfirmedOf(context: Context, entries: readonly HistoryEntry[]): Unconfirmed | null {
  const entry = entries.findLast(
    ({ window, place }) => window?.state === "armed" && place === "here",
  );
  const window = entry?.window ?? null;
  if (entry === undefined || window === null) return null;
  const { journal } = entry;
  const deadline = wallTimeOf(window.deadlineMs, systemClock);
  return { entry, window, deadline, isWatched: isWatched(context.hostPaths, journal) };
}

/** The folder whose /etc decides about the host's boot. */
function bootRootOf(hostName: string): string | null {
  if (hostName === "linux") return "/";
  return hostName.startsWith("linux:") ? hostName.slice("linux:".length) : null;
}

export async function statusFacts(
  context: Context,
  args: Arguments,
  host: Host,
): Promise<StatusFacts> {
  const { hostPaths, hostName } = context;
  const specs = specFiles(context, args).map(readSpec);
  const inventory = await host.inventory(fullInventory);
  const comparisons: Comparison[] = [];
  for (const wanted of specs) comparisons.push(...(await compare(host, wanted)));
  const store = directoryStore(hostPaths.journalDir);
  const { entries } = history(store, host.identity);
  const view = {
    clock: systemClock,
    isWatched: (journal: string): boolean => isWatched(hostPaths, journal),
  };
  const bootRoot = bootRootOf(hostName);
  return {
    inventory,
    specs,
    comparisons,
    unfinished: unfinished(store, host.identity, view),
    unconfirmed: unconfirmedOf(context, entries),
    applies: entries.toReversed().slice(0, shownApplies),
    bootUnit: bootRoot === null ? null : readBootUnit(bootRoot),
  };
}

/** True when somebody should look: the host differs, or something has not come to its end. */
export function needsAttention({ comparisons, specs, unfinished: open }: StatusFacts): boolean {
  return (
    open.length > 0 ||
    specs.some(({ spec }) => spec === null) ||
    comparisons.some(({ plan: { actions, problems } }) => actions.length + problems.length > 0)
  );
}
