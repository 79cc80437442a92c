// An apply that nobody watches: at boot, and for a PF that comes late. It asks nobody and so
// disrupts nobody; each adapter is on its own; what an earlier run of this boot left unfinished is
// taken up first, where that is harmless. What became of each PF is data for whoever looks later.

import type { Host } from "../host/host.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Consent, Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { matchPfs } from "../plan/match.ts";
import { plan } from "../plan/plan.ts";
import { apply } from "./apply.ts";
import { isArmed, isOpen, type Outcome } from "./journal.ts";
import { previewRecovery, recover } from "./recover.ts";
import type { Report } from "./report.ts";
import type { RunOptions } from "./apply.ts";
import { readOwnJournals, type Session } from "./session.ts";
import { pfResults, type PfResult } from "./unattended-result.ts";
import { holdingsFor, type Surroundings } from "./holdings.ts";
import { inventoryFor } from "./verify.ts";

type UnattendedRequest = Pick<RunOptions, "signal"> & {
  readonly spec: Spec;
  readonly command: string;
};

export type Recovered = { readonly journal: string; readonly outcome: Outcome };

export type UnattendedReport = {
  /** What an earlier run had left, and what became of that. */
  readonly recovered: Recovered | null;
  readonly journal: string | null;
  readonly physicalFunctions: readonly PfResult[];
};

const noProgress = (): void => {};

/** Waits so long for a kernel write of a run before this one. */
const settleTimeoutMs = 60_000;

function leftForPeople(journal: string, why: string): SriovError {
  const message = `Cannot begin: journal ${journal} ${why}`;
  return new SriovError("unfinished-apply", message, { operation: "apply", target: journal });
}

/** Undoes or finishes what has not ended, where that hits nobody. Throws where it would. */
async function takeUp(session: Session, request: UnattendedRequest): Promise<Recovered | null> {
  const journals = await readOwnJournals(session);
  const open = journals.findLast(isOpen);
  if (open === undefined) {
    const armed = journals.findLast(isArmed);
    if (armed !== undefined) throw leftForPeople(armed.id, "waits for its confirmation");
    return null;
  }
  if (isArmed(open)) throw leftForPeople(open.id, "is watched over until it is confirmed");
  // A consent was given to somebody who watched.
  if (open.consent.length > 0) throw leftForPeople(open.id, "has not ended, and may hit its users");
  const recovery = await previewRecovery(session, { consent: [], settleTimeoutMs });
  if (recovery === null || recovery.kind === "nothing") return null;
  const { preferred } = recovery;
  const { command, signal } = request;
  const report = await recover(session, {
    choice: preferred,
    consent: [],
    command,
    settleTimeoutMs,
    keepGoing: true,
    onInterrupt: "leave",
    signal,
    onProgress: noProgress,
  });
  return report === null ? null : { journal: open.id, outcome: report.outcome };
}

/**
 * `protect` stands for users that the census cannot see. It must not keep a PF from ever getting
 * its VFs: one that nobody uses, nor any of its VFs, is agreed to. Users always stand in the way.
 */
function protectConsent(spec: Spec, inventory: Inventory): Consent {
  const idle = matchPfs(spec, inventory).matched.filter(
    ({ pf }) =>
      pf.owners.length === 0 && pf.virtualFunctions.every(({ owners }) => owners.length === 0),
  );
  return [...new Set(idle.flatMap((match) => match.spec.protect))].map((word) => `protect:${word}`);
}

/** What planning looks at. */
export type Reading = Surroundings & { readonly host: Host };

export async function planFor(
  reading: Reading,
  spec: Spec,
): Promise<{ readonly planned: Plan; readonly consent: Consent; readonly inventory: Inventory }> {
  const inventory = await inventoryFor(reading.host, spec);
  const consent = protectConsent(spec, inventory);
  const holdings = await holdingsFor(reading, spec, { inventory, consent: [] });
  return { planned: plan({ spec, inventory, consent, ...holdings }), consent, inventory };
}

type Ran = {
  readonly report: Report | null;
  readonly planned: Plan;
  readonly inventory: Inventory;
};

async function planAndApply(session: Session, request: UnattendedRequest): Promise<Ran> {
  const { spec, command, signal } = request;
  const { planned, consent, inventory } = await planFor(session, spec);
  if (planned.problems.some(({ adapter }) => adapter === null)) {
    return { report: null, planned, inventory };
  }
  const report = await apply(session, {
    spec,
    plan: planned,
    consent,
    command,
    signal,
    keepGoing: true,
    onProblem: "skip-adapter",
    onInterrupt: "leave",
    onProgress: noProgress,
  });
  return { report, planned, inventory };
}

const replanPauseMs = 500;
const numPlans = 20;

/**
 * A boot is never still: udev renames netdevs, others set up theirs. Nobody has seen the plan, so
 * one that such a change made stale, which is found before anything began, is made again.
 */
async function run(session: Session, request: UnattendedRequest): Promise<Ran> {
  for (let numMade = 1; ; numMade++) {
    try {
      return await planAndApply(session, request);
    } catch (error) {
      const isStale = error instanceof SriovError && error.code === "plan-stale";
      if (!isStale || numMade === numPlans || request.signal?.aborted === true) throw error;
      await session.host.sleep(replanPauseMs);
    }
  }
}

/** Throws SriovError where nothing could begin: an unfinished apply of somebody else's, a lock. */
export async function applyUnattended(
  session: Session,
  request: UnattendedRequest,
): Promise<UnattendedReport> {
  const recovered = await takeUp(session, request);
  const { report, planned, inventory } = await run(session, request);
  const physicalFunctions = pfResults({ spec: request.spec, inventory, planned, report });
  return { recovered, journal: report?.journal ?? null, physicalFunctions };
}
