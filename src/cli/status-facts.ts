// Everything that `status` shows, gathered once: what is wanted, what is, what is between them, what
// has not ended, and what the next boot would bring. Reads without the lock and changes nothing.

import { holdingsFor } from "../apply/holdings.ts";
import { readingOf } from "./attaching.ts";
import { systemClock, wallTimeOf } from "../apply/clock.ts";
import type { ConfirmWindow } from "../apply/confirm-window.ts";
import { history, unfinished, type HistoryEntry } from "../apply/history.ts";
import { directoryStore } from "../apply/journal-store.ts";
import { inventoryFor } from "../apply/verify.ts";
import { fullInventory, type Host } from "../host/host.ts";
import { SriovError } from "../model/errors.ts";
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
import { readSpecDirectory } from "./spec-directory.ts";
import { readSource } from "./spec-source.ts";
import { readUnattended, type UnattendedDocument } from "./unattended-json.ts";
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
  /** Why what is wanted could not be compared, such as leases that cannot be read; null: it was. */
  readonly uncompared: Problem | null;
  readonly unfinished: readonly Problem[];
  readonly unconfirmed: Unconfirmed | null;
  /** Newest first. */
  readonly applies: readonly HistoryEntry[];
  /** What the last unattended apply came to; null: there was none. */
  readonly unattended: UnattendedDocument | null;
  /** null where the boot of this computer is not that of the host. */
  readonly bootUnit: BootUnit | null;
};

type Wanted = {
  /** One a file. */
  readonly specs: readonly WantedSpec[];
  /** What the files want together; null: nothing that can be compared. */
  readonly whole: { readonly source: string; readonly spec: Spec } | null;
};

/** The files of the configuration folder, as an unattended apply merges them. */
function wantedOfFolder(folder: string): Wanted {
  const { files, merged } = readSpecDirectory(folder);
  const { spec, problems } = merged;
  const specs = files.map(({ path }): WantedSpec => {
    const isHere = (place: string): boolean => place === path || place.startsWith(`${path}:`);
    const own = problems.filter(({ where }) => isHere(where));
    const adapters = spec.adapters.filter(({ where }) => isHere(where));
    return { source: path, spec: own.length === 0 ? { ...spec, adapters } : null, problems: own };
  });
  return { specs, whole: spec.adapters.length === 0 ? null : { source: folder, spec } };
}

function wantedOf({ paths }: Context, args: Arguments): Wanted {
  const named = args.text("file");
  if (named === null) return wantedOfFolder(paths.configDir);
  const wanted = readSpec(named);
  const { source, spec } = wanted;
  return { specs: [wanted], whole: spec === null ? null : { source, spec } };
}

/** Throws `file-unreadable`. */
function readSpec(path: string): WantedSpec {
  const { source, text } = readSource(path);
  const { spec, problems } = parseSpec(text, source);
  return { source, spec, problems };
}

async function compare(
  context: Context,
  host: Host,
  whole: Wanted["whole"],
): Promise<Comparison[]> {
  if (whole === null) return [];
  const { source, spec } = whole;
  const inventory = await inventoryFor(host, spec, "all");
  const holdings = await holdingsFor(readingOf(context, host), spec, {
    inventory,
    consent: [],
  });
  const found = plan({ spec, inventory, consent: [], ...holdings });
  const problems = found.problems.filter((problem) => !isRefusal(problem));
  const nextBoot = predictBoot(spec, inventory);
  return [{ source, plan: { ...found, problems }, nextBoot }];
}

/** A status says what it can: a comparison that fails is a thing to look at, not the end of it. */
async function comparedOrWhyNot(
  ...args: Parameters<typeof compare>
): Promise<Pick<StatusFacts, "comparisons" | "uncompared">> {
  try {
    return { comparisons: await compare(...args), uncompared: null };
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    const { code, target, message, hint } = error;
    return { comparisons: [], uncompared: { code, where: target, message, hint } };
  }
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
  const { specs, whole } = wantedOf(context, args);
  const inventory = await host.inventory(fullInventory);
  const compared = await comparedOrWhyNot(context, host, whole);
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
    ...compared,
    unfinished: unfinished(store, host.identity, view),
    unconfirmed: unconfirmedOf(context, entries),
    applies: entries.toReversed().slice(0, shownApplies),
    unattended: readUnattended(hostPaths.unattendedFile),
    bootUnit: bootRoot === null ? null : readBootUnit(bootRoot),
  };
}

/** True when somebody should look: the host differs, or something has not come to its end. */
export function needsAttention(facts: StatusFacts): boolean {
  const { comparisons, specs, uncompared, unfinished: open } = facts;
  return (
    open.length > 0 ||
    uncompared !== null ||
    specs.some(({ spec }) => spec === null) ||
    comparisons.some(({ plan: { actions, problems } }) => actions.length + problems.length > 0)
  );
}
