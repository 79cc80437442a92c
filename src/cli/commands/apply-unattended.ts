// `sriovctl apply --unattended`: what the units of a boot run. Reads the specs of the configuration
// folder, waits for their PFs, applies what disrupts nobody, and leaves a result. Speaks in few
// lines, because the journal of the system keeps them.

import { existsSync } from "node:fs";
import { applyUnattended } from "../../apply/unattended.ts";
import { adapterNameOf, type PfResult } from "../../apply/unattended-result.ts";
import { applyUntilStill, type UnattendedRun } from "../../apply/until-still.ts";
import { awaitPfs, type AwaitOptions } from "../../apply/await-pfs.ts";
import { fullInventory, type Host } from "../../host/host.ts";
import { bootVariable } from "../../install/apply-units.ts";
import { leaveAloneRulesPath } from "../../install/installation.ts";
import { isHosts, notTheHosts } from "../../install/leave-alone.ts";
import { bootMark, leaveAloneRules } from "../../install/udev-rules.ts";
import { formatBdf, parseBdf, type Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import { writeErrorOf } from "../../model/file-error.ts";
import type { Inventory } from "../../model/inventory.ts";
import type { Spec } from "../../model/spec.ts";
import type { BlockedAdapter } from "../../model/spec-merge.ts";
import { specOfAdapters } from "../../model/spec-part.ts";
import { matchPfs } from "../../plan/match.ts";
import { assertWritable, withSession } from "../changing.ts";
import { readingOf } from "../attaching.ts";
import { withHost, type Arguments, type Context } from "../context.ts";
import { plural } from "../list-text.ts";
import { problemSentence } from "../logger.ts";
import { readSpecDirectory, type SpecDirectory } from "../spec-directory.ts";
import { runSystemCommand } from "../system-command.ts";
import {
  isFine,
  readUnattended,
  unattendedFormat,
  withOthersOf,
  type UnattendedDocument,
} from "../unattended-json.ts";
import { writeFileWhole } from "../write-file.ts";

type Wish = { readonly waitMs: number; readonly pf: Address | null };

const usage = (message: string, target: string): SriovError =>
  new SriovError("usage", message, { operation: "apply", target });

const longestWaitSeconds = 3600;

function wishOf(args: Arguments): Wish {
  for (const other of ["file", "confirm-within"]) {
    if (args.text(other) === null) continue;
    throw usage(
      `Cannot apply unattended with --${other}: it reads the configuration folder`,
      other,
    );
  }
  if (args.operands.length > 0 || args.texts("allow-disruption").length > 0) {
    throw usage("Cannot apply unattended with a saved plan or a consent: nobody gives one", "");
  }
  const wait = args.text("wait") ?? "0";
  const seconds = /^\d{1,4}$/.test(wait) ? Number(wait) : Number.NaN;
  if (!(seconds <= longestWaitSeconds)) {
    throw usage(`Cannot wait ${wait}: wanted seconds, 0 to ${longestWaitSeconds}`, wait);
  }
  const text = args.text("pf");
  const bdf = text === null ? null : parseBdf(text);
  if (text !== null && bdf === null) {
    throw usage(`Cannot apply to PF ${text}: wanted an address like 0000:3b:00.0`, text);
  }
  return { waitMs: seconds * 1000, pf: bdf === null ? null : formatBdf(bdf) };
}

/** Rules and marks belong to the machine that we run on. */
const isThisMachine = ({ hostName }: Context): boolean => hostName === "linux";

/**
 * udev has no event to handle. A driver's probe is part of the event that loads its module, so none
 * that udev started is under way. udevd keeps the file while it has events (udevadm-settle(8)).
 */
const isUdevIdle = (): boolean => existsSync("/run/udev/control") && !existsSync("/run/udev/queue");

const isIdle = (context: Context): boolean => isThisMachine(context) && isUdevIdle();

/** Before VFs are made: whoever manages networks must know at a netdev's first event. */
function tellNetworkManagers(context: Context, spec: Spec, inventory: Inventory): void {
  const pfs = matchPfs(spec, inventory).matched.map((match) => ({
    pf: match.pf.address,
    vfIndexes: notTheHosts(spec, match.spec.name, match.spec.numVfs ?? match.pf.numVfs),
  }));
  try {
    writeFileWhole(leaveAloneRulesPath, leaveAloneRules(pfs));
  } catch (error) {
    context.log.warn(`Cannot write ${leaveAloneRulesPath}: ${writeErrorOf(error)}`);
    return;
  }
  // udevd looks for new rules every few seconds only; a netdev may come sooner.
  const reload = runSystemCommand(["udevadm", "control", "--reload"]);
  if (reload.status === "failed") context.log.verbose(`udevadm control --reload: ${reload.words}`);
}

const hasOwnVfs = ({ virtualFunctions }: Spec): boolean =>
  virtualFunctions.some(({ driver }) => isHosts(driver));

/**
 * The host's own VFs get their names from udev after their netdevs came. Whoever is started next may
 * ask for those names and not wait (ifupdown does not).
 */
function awaitNames(context: Context, spec: Spec, { physicalFunctions }: UnattendedRun): void {
  if (!isThisMachine(context)) return;
  const isChanged = physicalFunctions.some(({ numActions }) => numActions > 0);
  if (!isChanged || !hasOwnVfs(spec)) return;
  const settled = runSystemCommand(["udevadm", "settle", "--timeout=10"]);
  if (settled.status === "failed") context.log.verbose(`udevadm settle: ${settled.words}`);
}

/** From here on we look no more: udev starts us for a PF that comes now. */
function markLooked({ io, paths, log }: Context): void {
  if (io.env[bootVariable] !== "1") return;
  try {
    writeFileWhole(bootMark(paths.systemRunDir), "");
  } catch (error) {
    log.warn(`Cannot write ${bootMark(paths.systemRunDir)}: ${writeErrorOf(error)}`);
  }
}

const searching = { ...fullInventory, census: false };

/** Adapters of files with problems, as results. */
function blockedResults(
  blocked: readonly BlockedAdapter[],
  inventory: Inventory,
  { source }: Spec,
): PfResult[] {
  const adapters = blocked.map(({ adapter }) => adapter);
  const empty = { source, pools: [], virtualFunctions: [], assign: [] };
  const { matched } = matchPfs({ ...empty, adapters }, inventory);
  return blocked.flatMap(({ adapter, because }) =>
    adapter.physicalFunctions.map((pf): PfResult => {
      const match = matched.find((candidate) => candidate.spec === pf);
      return {
        name: pf.name,
        adapter: adapterNameOf(adapter, pf),
        address: match?.pf.address ?? null,
        state: "skipped",
        numActions: 0,
        reasons: because.map(problemSentence),
        drift: [],
      };
    }),
  );
}

const nothingRan = { recovered: null, journal: null, physicalFunctions: [] };

/** A refusal before anything began is a result too: the boot goes on and somebody looks later. */
async function applyUnderLock(context: Context, host: Host, spec: Spec): Promise<UnattendedRun> {
  const abort = new AbortController();
  const stopListening = context.io.onInterrupt(() => abort.abort());
  const { commandLine: command } = context;
  const { signal } = abort;
  try {
    const report = await withSession(context, host, { lockWaitMs }, (session) =>
      applyUnattended(session, { spec, command, signal }),
    );
    return { ...report, error: null };
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return { ...nothingRan, error: error.message };
  } finally {
    stopListening();
  }
}

/** For whoever applies at the same moment: a person, or the unit for another PF. */
const lockWaitMs = 60_000;

/** Says so, and waits as at first: a driver that is loaded again takes its time. */
async function beforeAgain(
  context: Context,
  host: Host,
  part: Spec,
  patience: Omit<AwaitOptions, "pf">,
): Promise<void> {
  const pfs = part.adapters.flatMap(({ physicalFunctions }) => physicalFunctions);
  const names = pfs.map(({ name }) => name).join(", ");
  context.log.note(`Not as it was made any more: ${names}; applying again`);
  await awaitPfs(host, part, { pf: null, ...patience });
}

async function runOn(
  context: Context,
  host: Host,
  wish: Wish,
  { files, merged }: SpecDirectory,
): Promise<UnattendedDocument> {
  const { spec, problems, blocked } = merged;
  const { pf, waitMs } = wish;
  const startedAt = host.now();
  const patience = { timeoutMs: waitMs, isIdle: () => isIdle(context) };
  const awaited = await awaitPfs(host, spec, { pf, ...patience });
  const waitedS = Math.round((host.now() - startedAt) / 1000);
  if (!awaited.isWhole && waitMs > 0) context.log.note(`Waited ${waitedS} s for PFs; not all came`);
  // First the mark, then the last look: a PF that comes in between is seen twice and not missed.
  if (isThisMachine(context)) markLooked(context);
  const inventory = await host.inventory(searching);
  if (isThisMachine(context)) tellNetworkManagers(context, spec, inventory);
  const part = pf === null ? spec : specOfAdapters(spec, awaited.adapters);
  const ran = await applyUntilStill({ host, ...readingOf(context, host) }, part, {
    apply: (some) => applyUnderLock(context, host, some),
    settle: (run) => awaitNames(context, part, run),
    beforeAgain: (some) => beforeAgain(context, host, some, patience),
  });
  const stopped = blockedResults(blocked, inventory, spec).filter(
    ({ address }) => pf === null || address === pf,
  );
  const { machineId, bootId } = host.identity;
  const at = new Date().toISOString();
  const { error, recovered, journal } = ran;
  const results = [...ran.physicalFunctions, ...stopped];
  // A file about other PFs is told of by the run that is about them.
  const areFilesFine = pf !== null || problems.length === 0;
  const isDone = error === null && areFilesFine && results.every(isFine);
  const document: UnattendedDocument = {
    format: unattendedFormat,
    at,
    bootId,
    machineId,
    command: context.commandLine,
    outcome: isDone ? "done" : "failed",
    error,
    files,
    problems,
    recovered,
    journal,
    physicalFunctions: results.map((result) => ({ ...result, at })),
  };
  const { unattendedFile } = context.hostPaths;
  const whole = pf === null ? document : withOthersOf(readUnattended(unattendedFile), document);
  try {
    writeFileWhole(unattendedFile, `${JSON.stringify(whole, null, 2)}\n`);
  } catch (cause) {
    const words = `Cannot write ${unattendedFile}: ${writeErrorOf(cause)}`;
    return { ...document, outcome: "failed", error: error ?? words };
  }
  return document;
}

function sayResult({ log }: Context, { name, address, state, ...rest }: PfResult): void {
  const { numActions, reasons, drift } = rest;
  const about = address === null ? name : `${name} (${address})`;
  if (state === "applied") log.note(`${about}: applied, ${plural(numActions, "action")}`);
  else if (state === "unchanged") log.note(`${about}: already as wanted`);
  else {
    const words = `${about}: ${state.replace("-", " ")}: ${reasons.join("; ")}`;
    if (state === "pending-reboot") log.warn(words);
    else log.error(words);
  }
  for (const sentence of drift) log.verbose(`still differs: ${sentence}`);
}

function say(context: Context, document: UnattendedDocument): void {
  const { log } = context;
  for (const problem of document.problems) log.error(problemSentence(problem), problem.hint);
  const { recovered, error, files, physicalFunctions } = document;
  if (recovered !== null) log.note(`Took up journal ${recovered.journal}: ${recovered.outcome}`);
  if (error !== null) log.error(error);
  for (const result of physicalFunctions) sayResult(context, result);
  if (files.length === 0) log.note(`Nothing to apply: no *.yaml in ${context.paths.configDir}`);
}

export async function runUnattended(context: Context, args: Arguments): Promise<number> {
  const wish = wishOf(args);
  return withHost(context, async (host) => {
    assertWritable(context, host, "apply");
    const document = await runOn(context, host, wish, readSpecDirectory(context.paths.configDir));
    say(context, document);
    context.printJson(document);
    return document.outcome === "done" ? 0 : 1;
  });
}
