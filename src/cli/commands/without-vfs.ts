// `sriovctl without-vfs CONSUMER -- COMMAND`: takes the consumer's VFs out, runs the command, and attaches
// them again with the same lease, MAC and VLAN, also when the command fails. The exit code is the command's.

import { lookAtVfs, type Leasing } from "../../apply/leasing.ts";
import { mendAbandoned } from "../../apply/plug-leases.ts";
import { findVf, type Attaching } from "../../apply/plug-run.ts";
import type { Report } from "../../apply/report.ts";
import { assertNothingUnfinished, readOwnJournals } from "../../apply/session.ts";
import { assertThere, leasesOfConsumer, withoutVfs, type Away } from "../../apply/without-vfs.ts";
import { fullInventory } from "../../host/host.ts";
import { targetOf, type AttachedLease } from "../../lease/lease.ts";
import { fitsOn, type VfHere } from "../../lease/target-host.ts";
import { formatAssignTarget, parseAssignTarget, parseConsumer } from "../../model/assign-target.ts";
import { SriovError } from "../../model/errors.ts";
import type { Problem } from "../../model/problem.ts";
import { printReport, reportJson } from "../apply-report.ts";
import { attachedLeases } from "../attached-leases.ts";
import { assertWritable, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { findCommand, notRunnable, runInForeground } from "../foreground-command.ts";
import { problemJson } from "../inventory-json.ts";
import { plugName } from "../plug-text.ts";
import { tellOthers } from "../others-of-consumer.ts";
import { clean } from "../style.ts";

const lockWaitMs = 60_000;

type Ended = {
  readonly consumer: string;
  readonly leases: readonly AttachedLease[];
  /** `no-vfs`: the command was run, and nothing was to be taken out for it. */
  readonly outcome: "back" | "no-vfs" | "not-run" | "refused" | "not-taken-out" | "not-back";
  /** The command's; null: it was not run. */
  readonly exitCode: number | null;
  readonly problems?: readonly Problem[];
  readonly away?: Away;
};

const failuresOf = ({ actions, warnings }: Report): Problem[] => [
  ...actions.flatMap(({ action, error }) =>
    error === null ? [] : [{ ...error, where: action.target }],
  ),
  ...warnings,
];

function printDocument(context: Context, ended: Ended): void {
  const { consumer, leases, outcome, exitCode, problems = [], away } = ended;
  const { out = null, back = null } = away ?? {};
  const failed = outcome === "not-back" || outcome === "not-taken-out" ? (back ?? out) : null;
  const failures = failed === null ? [] : failuresOf(failed);
  context.printJson({
    format: "sriovctl-without-vfs/1",
    outcome,
    consumer,
    vfs: leases.map(({ vf }) => vf.address),
    exitCode,
    problems: [...problems, ...failures].map(problemJson),
    out: out === null ? null : reportJson(out),
    back: back === null ? null : reportJson(back),
  });
}

/** What the host that is named has no VF for; says where the others would go. */
async function obstaclesOn(
  context: Context,
  session: Attaching,
  { leases, hostName }: { readonly leases: readonly AttachedLease[]; readonly hostName: string },
): Promise<readonly Problem[]> {
  const target = await context.wiring.openHost(hostName, context);
  try {
    const wanted: VfHere[] = [];
    for (const { plug, vf } of leases) {
      const { pf } = await findVf(session, vf);
      wanted.push({ consumer: plug.consumer, pf, vfIndex: vf.vfIndex });
    }
    const { fits, problems } = fitsOn(await target.inventory(fullInventory), wanted);
    for (const { message, hint } of problems) context.log.error(message, hint);
    if (problems.length > 0) return problems;
    for (const { here, there } of fits) {
      const to = formatAssignTarget(here.consumer);
      context.log.note(`${to} has ${targetOf(there.vf)} to go to on ${clean(hostName)}`);
    }
    return [];
  } finally {
    await target.close();
  }
}

/** Throws `not-found` for a consumer that is not there, and for a device that is not attached of one that
 * has others: they would stay in. */
async function assertHasNone(session: Attaching, leasing: Leasing, named: string): Promise<void> {
  const target = parseAssignTarget(named) ?? parseConsumer(named);
  if (target === null) return;
  const whole = formatAssignTarget({ ...target, device: null });
  const others = leasesOfConsumer(leasing.store.leases(), whole).map(({ holder }) => holder?.name);
  if (others.length > 0) {
    const message = `Cannot run without ${named}: no VF is attached to it`;
    const hint = `What ${whole} has: ${others.join(", ")}`;
    throw new SriovError("not-found", message, { operation: "detach VF", target: named, hint });
  }
  const [any] = (await lookAtVfs(leasing)).candidates;
  if (any !== undefined) await assertThere(session, target, any.vf);
}

function tellOwed({ log }: Context, consumer: string): void {
  const message = `${clean(consumer)} has not got back all that it had: it stays leased to it`;
  log.error(message, "sriovctl recover tries again; recover --finish gives the VF up");
}

function notRun({ log }: Context, command: string, why: string): Problem {
  const message = `Cannot run ${clean(command)}: ${why}`;
  log.error(message);
  return { code: "command-not-run", where: command, message };
}

async function run(context: Context, args: Arguments, session: Attaching): Promise<number> {
  const [consumer = "", ...words] = args.operands;
  const [command = ""] = words;
  const found = findCommand(command, context.io.env["PATH"]);
  if ("why" in found) {
    const problem = notRun(context, command, found.why);
    const rest = { exitCode: null, problems: [problem] };
    printDocument(context, { consumer, leases: [], outcome: "not-run", ...rest });
    return found.exitCode;
  }
  assertNothingUnfinished(await readOwnJournals(session));
  const leasing = await session.leasing();
  await mendAbandoned(leasing);
  const leases = await attachedLeases(leasing, consumer);
  if (leases.length === 0) await assertHasNone(session, leasing, consumer);
  const hostName = args.text("target");
  const problems =
    hostName === null ? [] : await obstaclesOn(context, session, { leases, hostName });
  if (problems.length > 0) {
    context.log.error("The command was not run, and nothing was taken out");
    printDocument(context, { consumer, leases, outcome: "refused", exitCode: null, problems });
    return 3;
  }
  const names = leases.map(({ plug }) => plugName(plug)).join(", ");
  context.log.note(
    leases.length === 0 ? `${clean(consumer)} has no VF attached` : `Without ${names}:`,
  );
  await tellOthers(context, session, consumer);
  let exitCode = notRunnable;
  const work = async (): Promise<void> => {
    // Ctrl-C is the command's; the VFs come back when it has ended.
    const stopListening = context.io.onInterrupt(() => {});
    try {
      const ended = await runInForeground(found.file, words, context.isJson);
      if (ended === null) notRun(context, command, "it does not start");
      else exitCode = ended;
    } finally {
      stopListening();
    }
  };
  if (leases.length === 0) {
    await work();
    printDocument(context, { consumer, leases, outcome: "no-vfs", exitCode });
    return exitCode;
  }
  const { commandLine } = context;
  const request = { consent: consentOf(args), command: commandLine, work };
  const away = await withProgress(context, [], false, (options) =>
    withoutVfs(session, leases, { ...options, ...request }),
  );
  return conclude(context, { consumer, leases, away, exitCode }, names);
}

/** Says whether the VFs are back; the command's exit code where they are. */
function conclude(
  context: Context,
  ended: Omit<Ended, "outcome"> & { readonly away: Away; readonly exitCode: number },
  names: string,
): number {
  const { away, consumer, exitCode } = ended;
  const { out, back } = away;
  const isBack = back?.outcome === "undone";
  const outcome = isBack ? "back" : back === null ? "not-taken-out" : "not-back";
  printDocument(context, { ...ended, outcome, exitCode: back === null ? null : exitCode });
  if (isBack) {
    context.log.note(`${names}: attached again`);
    return exitCode;
  }
  printReport(context, back ?? out, back === null ? [] : ["undone"]);
  if ((back ?? out).outcome === "interrupted") tellOwed(context, consumer);
  if (back === null) {
    context.log.error("The command was not run: the VFs could not be taken out");
  }
  return 1;
}

export const withoutVfsCommand: RunCommand = async (context, args) =>
  await withHost(context, async (host) => {
    assertWritable(context, host, "detach VFs");
    return await withSession(context, host, { lockWaitMs }, (session) =>
      run(context, args, session),
    );
  });
