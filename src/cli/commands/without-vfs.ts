// `sriovctl without-vfs CONSUMER -- COMMAND`: takes the consumer's VFs out, runs the command, and attaches
// them again with the same lease, MAC and VLAN, also when the command fails. The exit code is the command's.

import { spawn } from "node:child_process";
import { mendAbandoned } from "../../apply/plug-leases.ts";
import { findVf, type Attaching } from "../../apply/plug-run.ts";
import { assertNothingUnfinished, readOwnJournals } from "../../apply/session.ts";
import { leasesOfConsumer, withoutVfs } from "../../apply/without-vfs.ts";
import { fullInventory } from "../../host/host.ts";
import { targetOf, type AttachedLease } from "../../lease/lease.ts";
import { fitsOn, type VfHere } from "../../lease/target-host.ts";
import { formatAssignTarget } from "../../model/assign-target.ts";
import { printReport, reportJson } from "../apply-report.ts";
import { assertWritable, withProgress, withSession } from "../changing.ts";
import { consentOf } from "../consent.ts";
import { withHost, type Arguments, type Context, type RunCommand } from "../context.ts";
import { plugName } from "../plug-text.ts";
import { tellOthers } from "../others-of-consumer.ts";
import { clean } from "../style.ts";

const lockWaitMs = 60_000;

/** As a shell says it of a command that is not there. */
const notFound = 127;

/** The command in the foreground; a signal that ends it counts as a shell counts it. */
async function runInForeground(command: string, args: readonly string[]): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(command, args, { stdio: "inherit" });
  child.on("error", () => resolve(notFound));
  child.on("exit", (code) => resolve(code ?? 1));
  return await promise;
}

/** Whether the host that is named has a VF for each; says so, and what speaks against it. */
async function isRoomOn(
  context: Context,
  session: Attaching,
  { leases, hostName }: { readonly leases: readonly AttachedLease[]; readonly hostName: string },
): Promise<boolean> {
  const target = await context.wiring.openHost(hostName, context);
  try {
    const wanted: VfHere[] = [];
    for (const { plug, vf } of leases) {
      const { pf } = await findVf(session, vf);
      wanted.push({ consumer: plug.consumer, pf, vfIndex: vf.vfIndex });
    }
    const { fits, problems } = fitsOn(await target.inventory(fullInventory), wanted);
    for (const { message, hint } of problems) context.log.error(message, hint);
    if (problems.length > 0) return false;
    for (const { here, there } of fits) {
      const to = formatAssignTarget(here.consumer);
      context.log.note(`${to} has ${targetOf(there.vf)} to go to on ${clean(hostName)}`);
    }
    return true;
  } finally {
    await target.close();
  }
}

function tellOwed({ log }: Context, consumer: string): void {
  const message = `${clean(consumer)} has not got back all that it had: it stays leased to it`;
  log.error(message, "sriovctl recover tries again; recover --finish gives the VF up");
}

async function run(context: Context, args: Arguments, session: Attaching): Promise<number> {
  assertNothingUnfinished(await readOwnJournals(session));
  const leasing = await session.leasing();
  await mendAbandoned(leasing);
  const [consumer = "", command = "", ...words] = args.operands;
  const leases = leasesOfConsumer(leasing.store.leases(), consumer);
  const hostName = args.text("target");
  if (hostName !== null && !(await isRoomOn(context, session, { leases, hostName }))) {
    context.log.error("The command was not run, and nothing was taken out");
    const vfs = leases.map(({ vf }) => vf.address);
    const nothing = { exitCode: null, out: null, back: null };
    context.printJson({ format: "sriovctl-without-vfs/1", consumer, vfs, ...nothing });
    return 3;
  }
  const names = leases.map(({ plug }) => plugName(plug)).join(", ");
  context.log.note(
    leases.length === 0 ? `${clean(consumer)} has no VF attached` : `Without ${names}:`,
  );
  await tellOthers(context, session, consumer, leases);
  let exitCode = notFound;
  const work = async (): Promise<void> => {
    // Ctrl-C is the command's; the VFs come back when it has ended.
    const stopListening = context.io.onInterrupt(() => {});
    try {
      exitCode = await runInForeground(command, words);
    } finally {
      stopListening();
    }
  };
  if (leases.length === 0) {
    await work();
    return exitCode;
  }
  const { commandLine } = context;
  const request = { consent: consentOf(args), command: commandLine, work };
  const { out, back } = await withProgress(context, [], false, (options) =>
    withoutVfs(session, leases, { ...options, ...request }),
  );
  const isBack = back?.outcome === "undone";
  context.printJson({
    format: "sriovctl-without-vfs/1",
    consumer,
    vfs: leases.map(({ vf }) => vf.address),
    exitCode: back === null ? null : exitCode,
    out: reportJson(out),
    back: back === null ? null : reportJson(back),
  });
  if ((back ?? out).outcome === "interrupted") tellOwed(context, consumer);
  if (back === null) {
    printReport(context, out, []);
    context.log.error("The command was not run: the VFs could not be taken out");
    return 1;
  }
  if (!isBack) printReport(context, back, ["undone"]);
  else context.log.note(`${names}: attached again`);
  return isBack ? exitCode : 1;
}

export const withoutVfsCommand: RunCommand = async (context, args) =>
  await withHost(context, async (host) => {
    assertWritable(context, host, "detach VFs");
    return await withSession(context, host, { lockWaitMs }, (session) =>
      run(context, args, session),
    );
  });
