// `sriovctl attach`: one VF into one consumer, leased to it, with its MAC and VLAN. Shows what it would
// do, asks, does it in a journal, and says what the consumer then has.

import {
  attach,
  obstaclesTo,
  previewAttach,
  type Attached,
  type AttachPreview,
  type AttachWish,
} from "../../apply/attach.ts";
import { lookAtVfs, type HostLook, type Leasing } from "../../apply/leasing.ts";
import type { Attaching } from "../../apply/plug-run.ts";
import { isAbandoned, mendLeft } from "../../apply/plug-leases.ts";
import { assertNothingUnfinished, readOwnJournals } from "../../apply/session.ts";
import { formatAssignTarget } from "../../model/assign-target.ts";
import type { Lease } from "../../lease/lease.ts";
import { isReadyFor } from "../../lease/select.ts";
import { hasReturned, type Finding } from "../../lease/reconcile.ts";
import type { Rejection, Wish } from "../../lease/select.ts";
import { exitCodeOf } from "../../model/errors.ts";
import { printReport } from "../apply-report.ts";
import { assertWritable, confirm, withProgress, withSession } from "../changing.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { failureJson, rejectionJson } from "../lease-json.ts";
import { acquiredText, failedText, mendedText } from "../lease-text.ts";
import { wishOf } from "../lease-wish.ts";
import { nothingFits } from "../nothing-fits.ts";
import { planJson } from "../plan-json.ts";
import { exitCodeOfPlan } from "../planning.ts";
import { planLines } from "../plan-report.ts";
import { attachedJson, attachedText, isAttached, plugName } from "../plug-text.ts";
import { consumerOf, plugTermsOf, usage } from "../plug-wish.ts";
import { clean } from "../style.ts";
import { placeOf } from "../vf-place.ts";

const lockWaitMs = 60_000;

function wishFor(args: Arguments, look: HostLook, leases: readonly Lease[]): AttachWish {
  const consumer = consumerOf(args.text("to"));
  const holder = formatAssignTarget(consumer);
  const [named] = args.operands;
  const isPool = args.text("pool") !== null;
  if (named !== undefined && isPool) {
    throw usage("attach", "Cannot attach a VF and one of a pool: wanted one of them");
  }
  const whole = formatAssignTarget({ ...consumer, device: null });
  const ready = leases.filter((lease) => isReadyFor(lease, whole));
  const isHeld = leases.some((lease) => lease.holder?.name === holder);
  if (named === undefined && !isPool && !isHeld && ready.length === 0) {
    throw usage("attach", `Cannot attach to ${holder}: wanted a VF, or --pool POOL`);
  }
  const own = isPool || isHeld ? [] : ready.map(({ vf }) => vf.address);
  const vfs = named === undefined ? own : [placeOf(named, leases, look).address];
  const terms = plugTermsOf(args, consumer);
  const wish = wishOf(args, { look, holder, vfs, node: null });
  return { consumer, terms, wish: { ...wish, count: 1, consumer: whole } };
}

function tellNothingFits(context: Context, wish: Wish, rejections: readonly Rejection[]): number {
  const error = nothingFits("attach", wish, rejections);
  context.log.error(error.message, error.hint);
  context.print(...acquiredText({ kind: "nothing-fits", rejections, failed: [] }, context.style));
  context.printJson({
    format: "sriovctl-attach/1",
    outcome: "nothing-fits",
    ...failureJson(error),
    rejections: rejections.map(rejectionJson),
  });
  return exitCodeOf(error.code);
}

type ToDo = Exclude<AttachPreview, { kind: "nothing-fits" }>;

function printPreview(context: Context, preview: ToDo): void {
  const { kind, lease, because, plug, plugged, plan } = preview;
  const to = formatAssignTarget(plug.consumer);
  context.print(`${context.style("strong", plugName(plug))} for ${clean(to)}`);
  context.print(`  why   ${clean(because.join("; "))}`);
  if (kind === "adoptable") context.print("  only leased to it: nothing of it is changed");
  else if (lease === null) context.print("  first leased, reset and cleaned");
  for (const note of plugged.notes) context.print(`  note  ${clean(note)}`);
  if (kind !== "adoptable") context.print(...planLines(plan, context.style), "");
}

/** What others left in the way; the consumer itself may be back, and has its VF again. */
async function mendFor(context: Context, leasing: Leasing, to: string | null): Promise<void> {
  const isLeft = (finding: Finding): boolean =>
    isAbandoned(finding) || (hasReturned(finding) && finding.lease.holder?.name !== to);
  context.print(...mendedText(await mendLeft(leasing, isLeft), context.style));
}

async function run(context: Context, args: Arguments, session: Attaching): Promise<number> {
  if (args.text("whole") !== null) {
    return await (await import("./whole-pf.ts")).attachWhole(context, args, session);
  }
  if (args.texts("allow-disruption").length > 0) {
    throw usage("attach", "Cannot use --allow-disruption without --whole: nobody else is hit");
  }
  assertNothingUnfinished(await readOwnJournals(session));
  const leasing = await session.leasing();
  const isDry = args.isSet("dry-run");
  if (!isDry) await mendFor(context, leasing, args.text("to"));
  const look = await lookAtVfs(leasing);
  const wish = wishFor(args, look, leasing.store.leases());
  const to = formatAssignTarget(wish.consumer);
  const preview = await previewAttach(session, wish);
  if (preview.kind === "nothing-fits") {
    return tellNothingFits(context, wish.wish, preview.rejections);
  }
  if (preview.kind !== "attached") printPreview(context, preview);
  if (isDry) {
    const { kind, plug, plan } = preview;
    const obstacles = kind === "to-do" ? await obstaclesTo(session, plug) : [];
    for (const { message, hint } of obstacles) {
      context.log.error(`${to} would not take it: ${message}`, hint ?? undefined);
    }
    const document = {
      ...planJson(plan),
      consumer: to,
      vf: plug.vf,
      isAttached: kind === "attached",
      isAdopted: kind === "adoptable",
      obstacles: obstacles.map(({ message, hint }) => ({ message, hint })),
    };
    context.printJson({ ...document, format: "sriovctl-attach-plan/1" });
    if (kind === "attached") context.print(...attachedText(plug, preview.plugged, context.style));
    if (plan.problems.length > 0) return exitCodeOfPlan(plan);
    return obstacles.length > 0 ? 1 : 0;
  }
  const verb = preview.kind === "adoptable" ? "Adopt" : "Attach";
  const question = `${verb} ${plugName(preview.plug)} to ${to}?`;
  const isAgreed =
    preview.kind === "attached" || args.isSet("yes") || (await confirm(context, question));
  if (!isAgreed) {
    context.log.note("Nothing was changed");
    return 3;
  }
  const { commandLine: command } = context;
  const attached = await withProgress(context, preview.plan.actions, false, (options) =>
    attach(session, wish, { ...options, consent: [], command }),
  );
  return conclude(context, attached, wish.wish);
}

function conclude(context: Context, attached: Attached, wish: Wish): number {
  for (const failed of attached.failed) context.log.warn(failedText(failed));
  if (attached.kind === "nothing-fits") {
    return tellNothingFits(context, wish, attached.rejections);
  }
  const { report, plug, plugged } = attached;
  context.printJson(attachedJson(attached));
  const isWell = isAttached(attached);
  if (report !== null && !isWell) printReport(context, report, ["done"]);
  if (isWell) {
    if (report === null) context.print(attached.isAdopted ? "Adopted" : "Nothing to do");
    for (const { message, hint } of report?.warnings ?? []) context.log.warn(message, hint);
    context.print(...attachedText(plug, plugged, context.style));
  }
  return isWell ? 0 : 1;
}

export const attachCommand: RunCommand = async (context, args) =>
  await withHost(context, async (host) => {
    assertWritable(context, host, "attach VFs");
    const wait = { lockWaitMs, specFile: args.text("file") };
    return await withSession(context, host, wait, (session) => run(context, args, session));
  });
