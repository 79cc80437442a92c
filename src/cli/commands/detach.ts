// `sriovctl detach`: takes a VF out of its consumer, cleans it and gives its lease back. By the VF, or by
// the consumer; a consumer without a device is everything that it was given.

import { detach, previewDetach, type DetachPreview } from "../../apply/detach.ts";
import type { Attaching } from "../../apply/plug-run.ts";
import { lookAtVfs, type Leasing } from "../../apply/leasing.ts";
import { findingsOf } from "../../apply/lease-mend.ts";
import { isOfConsumer } from "../../apply/without-vfs.ts";
import { mendAbandoned } from "../../apply/plug-leases.ts";
import { assertNothingUnfinished, readOwnJournals } from "../../apply/session.ts";
import { formatAssignTarget } from "../../model/assign-target.ts";
import type { Finding } from "../../lease/reconcile.ts";
import { printReport } from "../apply-report.ts";
import { attachedLeases } from "../attached-leases.ts";
import { assertWritable, confirm, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { planLines } from "../plan-report.ts";
import { detachedJson, isFree, plugName, type Detached } from "../plug-text.ts";
import { tellOthers } from "../others-of-consumer.ts";
import { clean } from "../style.ts";

const lockWaitMs = 60_000;

async function detachOne(
  context: Context,
  session: Attaching,
  preview: DetachPreview,
): Promise<Detached> {
  const { commandLine: command } = context;
  const { plug, plan } = preview;
  const report = await withProgress(context, plan.actions, false, (options) =>
    detach(session, preview, { ...options, consent: [], command }),
  );
  const { store } = await session.leasing();
  const lease = store.leases().find(({ vf }) => vf.address === plug.vf) ?? null;
  const detached = { plug, report, lease };
  if (report.outcome === "done") tellDetached(context, detached);
  else printReport(context, report, ["done"]);
  return detached;
}

function tellDetached(context: Context, detached: Detached): void {
  const { plug, report, lease } = detached;
  const from = clean(formatAssignTarget(plug.consumer));
  const rest = lease?.state === "free" ? ", free and clean" : "";
  context.print(`${context.style("strong", plugName(plug))} is detached from ${from}${rest}`);
  const level = isFree(detached) ? "warn" : "error";
  for (const { message, hint } of report.warnings) context.log[level](message, hint);
}

/** VFs that an earlier detach took out of the consumer, and that are used all the same. */
async function notFreeYet(leasing: Leasing, consumer: string): Promise<readonly Finding[]> {
  const leases = leasing.store
    .leases()
    .filter((lease) => lease.state === "releasing" && isOfConsumer(lease, consumer));
  if (leases.length === 0) return [];
  const { candidates } = await lookAtVfs(leasing);
  const found = findingsOf(leasing.host, leasing.nowMs(), { leases, candidates });
  return found.filter(({ remedy }) => remedy === null);
}

async function run(context: Context, args: Arguments, session: Attaching): Promise<number> {
  if (args.text("whole") !== null) {
    return await (await import("./whole-pf.ts")).detachWhole(context, args, session);
  }
  assertNothingUnfinished(await readOwnJournals(session));
  const leasing = await session.leasing();
  const [target = ""] = args.operands;
  const isDry = args.isSet("dry-run");
  if (!isDry) await mendAbandoned(leasing);
  const leases = await attachedLeases(leasing, target);
  const consent = consentOf(args);
  const previews: DetachPreview[] = [];
  for (const lease of leases) previews.push(await previewDetach(session, lease, consent));
  const problems = previews.flatMap(({ plan }) => plan.problems);
  if (previews.length === 0) context.print(`Nothing to do: no VF is attached to ${clean(target)}`);
  const waiting = await notFreeYet(leasing, target);
  const hint = "Once nobody uses it: sriovctl lease reconcile";
  for (const { message } of waiting) context.log.error(message, hint);
  for (const { plan } of previews) context.print(...planLines(plan, context.style));
  await tellOthers(context, session, target);
  const [problem] = problems;
  const detached = [];
  const isAsked = previews.length > 0 && !isDry && problem === undefined;
  const names = previews.map(({ plug }) => plugName(plug)).join(", ");
  const isAgreed =
    isAsked && (args.isSet("yes") || (await confirm(context, `Take out ${names} and clean it?`)));
  if (problem !== undefined) context.log.error(problem.message, problem.hint);
  for (const preview of isAgreed ? previews : []) {
    detached.push(await detachOne(context, session, preview));
  }
  context.printJson(detachedJson(detached, waiting));
  if (problem !== undefined || (isAsked && !isAgreed)) return 3;
  return waiting.length === 0 && detached.every(isFree) ? 0 : 1;
}

export const detachCommand: RunCommand = async (context, args) =>
  await withHost(context, async (host) => {
    assertWritable(context, host, "detach VFs");
    const wait = { lockWaitMs, specFile: args.text("file") };
    return await withSession(context, host, wait, (session) => run(context, args, session));
  });
