// An unattended apply, and a look at what is left of it: again, a few times, where the host did not
// stay as it was made. Nobody watches who would do that by hand.

import type { AdapterSpec, Spec } from "../model/spec.ts";
import { specOfAdapters } from "../model/spec-part.ts";
import { planFor, type Reading, type UnattendedReport } from "./unattended.ts";
import { adapterNameOf, afterBoth, wasAllDone, type PfResult } from "./unattended-result.ts";

/**
 * Adapters on which everything was done and that are not as wanted now: what reacts to new VFs took
 * something back, or a driver was loaded again while we were at work. Of the latter nobody tells
 * us later: systemd starts no unit that runs already.
 */
async function adaptersToApplyAgain(
  reading: Reading,
  spec: Spec,
  results: readonly PfResult[],
): Promise<readonly AdapterSpec[]> {
  const done = spec.adapters.filter(({ physicalFunctions }) => {
    const own = results.filter(({ name }) => physicalFunctions.some((pf) => pf.name === name));
    return own.every(wasAllDone) && own.some(({ numActions }) => numActions > 0);
  });
  if (done.length === 0) return [];
  const { planned } = await planFor(reading, specOfAdapters(spec, done));
  const differing = new Set(
    [...planned.actions, ...planned.problems].map(({ adapter }) => adapter),
  );
  return done.filter((adapter) =>
    adapter.physicalFunctions.some((pf) => differing.has(adapterNameOf(adapter, pf))),
  );
}

/** Whoever takes something back each time is not to be won against. */
const numRunsMax = 3;

export type UnattendedRun = UnattendedReport & {
  /** Why nothing could begin. */
  readonly error: string | null;
};

type Steps = {
  readonly apply: (spec: Spec) => Promise<UnattendedRun>;
  /** Waits for those who react to what was made. */
  readonly settle: (run: UnattendedRun) => void;
  /** Before these are applied once more. */
  readonly beforeAgain: (part: Spec) => Promise<void>;
};

export async function applyUntilStill(
  reading: Reading,
  spec: Spec,
  steps: Steps,
): Promise<UnattendedRun> {
  let run = await steps.apply(spec);
  for (let numRuns = 1; ; numRuns++) {
    steps.settle(run);
    if (numRuns === numRunsMax || run.error !== null) return run;
    const adapters = await adaptersToApplyAgain(reading, spec, run.physicalFunctions);
    if (adapters.length === 0) return run;
    const part = specOfAdapters(spec, adapters);
    await steps.beforeAgain(part);
    const next = await steps.apply(part);
    run = {
      recovered: run.recovered ?? next.recovered,
      journal: next.journal ?? run.journal,
      physicalFunctions: afterBoth(run.physicalFunctions, next.physicalFunctions),
      error: next.error,
    };
  }
}
