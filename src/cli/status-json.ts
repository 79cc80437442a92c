// The public JSON of `status`, written by hand.

import { applyJson } from "./history-entry.ts";
import { problemJson } from "./inventory-json.ts";
import { isWaiting, outcomeOfPlan } from "./planning.ts";
import { needsAttention, type Comparison, type StatusFacts } from "./status-facts.ts";

const statusFormat = "sriovctl-status/1";

const comparisonJson = ({ source, plan, nextBoot }: Comparison) => ({
  source,
  outcome: outcomeOfPlan(plan),
  drift: plan.actions.length + plan.problems.length > 0,
  numActions: plan.actions.length,
  problems: plan.problems.map(problemJson),
  waiting: plan.warnings.filter(isWaiting).map(problemJson),
  nextBoot: {
    physicalFunctions: nextBoot.physicalFunctions.map(
      ({ name, address, numVfs, drivers, isProbed }) => ({
        name,
        address,
        numVfs,
        drivers: drivers.map((group) => ({ driver: group.driver, numVfs: group.numVfs })),
        isProbed,
      }),
    ),
    problems: nextBoot.problems.map(problemJson),
  },
});

export function statusJson(facts: StatusFacts) {
  const { inventory, specs, comparisons, uncompared, unfinished, unconfirmed } = facts;
  const { applies, unattended, bootUnit } = facts;
  const { host, physicalFunctions } = inventory;
  const vfs = physicalFunctions.flatMap((pf) => pf.virtualFunctions);
  return {
    format: statusFormat,
    needsAttention: needsAttention(facts),
    host: { name: host.name, kernelRelease: host.kernelRelease },
    has: {
      numPfs: physicalFunctions.length,
      numVfs: vfs.length,
      numVfsInUse: vfs.filter(({ owners }) => owners.length > 0).length,
    },
    specs: specs.map(({ source, spec, problems }) => ({
      source,
      usable: spec !== null,
      problems: problems.map(problemJson),
    })),
    comparisons: comparisons.map(comparisonJson),
    uncompared: uncompared === null ? null : problemJson(uncompared),
    unfinished: unfinished.map(problemJson),
    unconfirmed:
      unconfirmed === null
        ? null
        : {
            journal: unconfirmed.entry.journal,
            command: unconfirmed.entry.command,
            deadline: unconfirmed.deadline.toISOString(),
            watched: unconfirmed.isWatched,
          },
    applies: applies.map(applyJson),
    unattended:
      unattended === null
        ? null
        : {
            at: unattended.at,
            bootId: unattended.bootId,
            outcome: unattended.outcome,
            error: unattended.error,
            physicalFunctions: unattended.physicalFunctions.map(
              ({ name, adapter, address, state, reasons, drift, at }) => {
                return { name, adapter, address, state, reasons, drift, at };
              },
            ),
          },
    boot: bootUnit === null ? null : { unit: bootUnit.file, enabled: bootUnit.isEnabled },
  };
}
