// `sriovctl bench paths` and `bench restore`: measures the data paths of this host, with VFs that were
// named for it, and gives everything back. The apply lock is held meanwhile, so that no apply resizes
// a PF under a measurement.

import { assertNothingUnfinished, readOwnJournals, type Session } from "../../apply/session.ts";
import { benchFormat, type MeasuredRun } from "../../bench/measured-run.ts";
import { metricsFor, figure } from "../../bench/metrics.ts";
import { hasGuest, pathTable, stepWords, type PathRow, type Site } from "../../bench/path-table.ts";
import { measurePaths, type PathsMeasured } from "../../bench/run/measure-paths.ts";
import type { Perform } from "../../bench/run/rebind.ts";
import { isWritable, loadNow, surroundings, toolVersions } from "../../bench/run/surroundings.ts";
import { isRunning, readNote, Undoing } from "../../bench/run/undo.ts";
import { fullInventory, type Host } from "../../host/host.ts";
import { SriovError } from "../../model/errors.ts";
import { benchSite, type BenchSite } from "../bench-site.ts";
import { benchStyleOf, dryRunText, runText } from "../bench-text.ts";
import {
  benchUsage,
  benchWishOf,
  secondsOf,
  writePage,
  writeText,
  type BenchWish,
} from "../bench-wish.ts";
import { assertWritable, confirm, withSession } from "../changing.ts";
import { withHost, type Arguments, type Context } from "../context.ts";
import { durationWords } from "../duration.ts";
import { version } from "../version.ts";

/** An apply may take long: whoever measures comes back later. */
const lockWaitMs = 2000;

type Missing = { readonly row: PathRow; readonly because: string };
type Chosen = { readonly rows: readonly PathRow[]; readonly missing: readonly Missing[] };

function choose(site: Site, asked: readonly string[] | null): Chosen {
  const all = pathTable.filter(({ id }) => asked === null || asked.includes(id));
  const judged = all.map((row) => ({ row, because: row.missing(site) }));
  return {
    rows: judged.filter(({ because }) => because === null).map(({ row }) => row),
    missing: judged.flatMap(({ row, because }) => (because === null ? [] : [{ row, because }])),
  };
}

/** Throws `not-found` with the reason of each path. */
function assertMeasurable({ rows, missing }: Chosen): void {
  if (rows.length > 0) return;
  const reasons = missing.map(({ row, because }) => `${row.title}: ${because}`);
  throw new SriovError("not-found", `Cannot measure: ${reasons.join("; ")}`, {
    operation: "measure",
    target: "linux",
    hint: "Provide what is missing, or ask for other paths; sriovctl bench paths --dry-run lists all",
  });
}

/** A write of the kernel's that has not returned by then is left to itself. */
const requestDeadlineMs = 60_000;

const performOf =
  (host: Host, { lockFd }: Session): Perform =>
  (request) =>
    host.perform(request, { deadlineMs: requestDeadlineMs, lockFd });

/** Gives back what a run that was killed has left. Throws `locked` while it runs. */
async function takeUp(context: Context, perform: Perform): Promise<boolean> {
  const { benchNote } = context.hostPaths;
  const note = readNote(benchNote);
  if (note === null) return false;
  const detail = { operation: "measure", target: benchNote };
  if (isRunning(note)) {
    const message = `Cannot measure: process ${note.pid} has been measuring since ${note.startedAt}`;
    throw new SriovError("locked", message, detail);
  }
  const undoing = new Undoing(benchNote, note.startedAt, perform);
  undoing.adopt(note);
  leftOver(await undoing.takeBack(), benchNote);
  context.log.warn(`Restored what the measurement of ${note.startedAt} had left`);
  return true;
}

/** Throws `undo-impossible` where something could not be given back. */
function leftOver(failed: readonly string[], note: string): void {
  if (failed.length === 0) return;
  throw new SriovError("undo-impossible", `Cannot restore: ${failed.join("; ")}`, {
    operation: "restore",
    target: note,
    hint: "Free what is in the way and run sriovctl bench restore",
  });
}

function runOf(
  { functions, emulation }: BenchSite,
  wish: BenchWish,
  chosen: Chosen,
  {
    madeAt,
    ...measured
  }: PathsMeasured & {
    readonly madeAt: string;
    readonly before: ReturnType<typeof surroundings>;
    readonly tools: MeasuredRun["tools"];
    readonly isInterrupted: boolean;
  },
): MeasuredRun {
  const { samples, notes, failed, problems, idleProcessorsBusy, isInterrupted } = measured;
  const { rounds, seconds, frameSizes, pinning } = wish;
  const reasonOf = (row: PathRow): string | null =>
    chosen.missing.find((each) => each.row === row)?.because ??
    (samples.some(({ path }) => path === row.id)
      ? null
      : (failed.get(row.id) ??
        (isInterrupted ? "stopped before it came to it" : "no tool measured anything")));
  const rows = pathTable.filter(
    (row) => chosen.rows.includes(row) || chosen.missing.some((each) => each.row === row),
  );
  return {
    format: benchFormat,
    madeAt,
    version,
    host: {
      ...measured.before,
      emulation: [...measured.before.emulation, ...emulation],
      idleProcessorsBusy,
      loadAfter: loadNow(),
    },
    functions,
    tools: measured.tools,
    settings: {
      rounds,
      seconds,
      frameSizes,
      pinning: pinning === null ? null : `sender on ${pinning[0]}, receiver on ${pinning[1]}`,
    },
    isInterrupted,
    paths: rows.map((row) => ({
      id: row.id,
      title: row.title,
      notMeasured: reasonOf(row),
      notes: notes.get(row.id) ?? [],
    })),
    samples,
    problems,
  };
}

async function measure(
  context: Context,
  wish: BenchWish,
  { site, chosen, perform }: { site: BenchSite; chosen: Chosen; perform: Perform },
): Promise<MeasuredRun> {
  const { io, hostPaths } = context;
  const abort = new AbortController();
  const say = (line: string): void => void io.stderr.write(`${line}\n`);
  const stopListening = io.onInterrupt(() => {
    say("Stopping and restoring; again leaves it to sriovctl bench restore");
    abort.abort();
  });
  const startedAt = performance.now();
  const madeAt = new Date().toISOString();
  const total = wish.rounds * chosen.rows.length;
  let done = 0;
  const largest = `throughput-udp-${wish.frameSizes.at(-1)}`;
  const shown = new Set(["latency-p50", "throughput-tcp", largest]);
  const metrics = metricsFor(wish.frameSizes).filter(({ id }) => shown.has(id));
  const onPath: Parameters<typeof measurePaths>[0]["onPath"] = (round, row, samples) => {
    done++;
    const leftMs = ((performance.now() - startedAt) / done) * (total - done);
    const figures = metrics.flatMap((metric) => {
      const value = samples.map(metric.of).find((each) => each !== null) ?? null;
      return value === null ? [] : [`${figure(value)} ${metric.unit}`];
    });
    const left = done < total ? `  (${durationWords(leftMs)} left)` : "";
    say(`round ${round + 1}/${wish.rounds}  ${row.title}  ${figures.join(", ")}${left}`);
  };
  try {
    const accel = wish.accel ?? (isWritable("/dev/kvm") ? "kvm" : "tcg");
    const isInSoftware = accel === "tcg" && chosen.rows.some((row) => hasGuest(row, site.site));
    const software = isInSoftware ? ["Guests ran in software emulation"] : [];
    const before = surroundings([...site.emulation, ...software]);
    const tools = await toolVersions();
    const undoing = new Undoing(hostPaths.benchNote, madeAt, perform);
    const { signal } = abort;
    const folder = hostPaths.benchGuestDir;
    const guest = site.kernel === null ? null : { kernel: site.kernel, folder, accel };
    const measured = await measurePaths(
      { ...wish, rows: chosen.rows, site: site.site, guest, signal, onPath },
      undoing,
    );
    leftOver(measured.left, hostPaths.benchNote);
    const about = { madeAt, before, tools, isInterrupted: signal.aborted };
    return runOf({ ...site, emulation: [] }, wish, chosen, { ...measured, ...about });
  } finally {
    stopListening();
  }
}

async function siteFor(context: Context, args: Arguments, host: Host, wish: BenchWish) {
  const inventory = await host.inventory(fullInventory);
  const largest = Math.max(1518, ...wish.frameSizes);
  const facts = await host.facts(inventory);
  const site = await benchSite(context, args, { inventory, facts }, largest - 18);
  return { site, chosen: choose(site.site, wish.paths) };
}

function show(context: Context, args: Arguments, run: MeasuredRun): void {
  const out = args.text("out");
  // First: a file that cannot be written must not cost what was measured.
  context.printJson(run);
  context.print(...runText(run, benchStyleOf(context)));
  if (out !== null) {
    writeText(out, `${JSON.stringify(run)}\n`);
    context.print("", `Written: ${out}`);
  }
  writePage(context, args, run);
}

export async function paths(
  context: Context,
  args: Arguments,
  files: readonly string[],
): Promise<number> {
  if (files.length > 0) throw benchUsage("Cannot measure: wanted options only, no file");
  if (context.hostName !== "linux") {
    const message = `Cannot measure ${context.hostName}: only this machine has data paths that take time`;
    throw benchUsage(message);
  }
  const wish = benchWishOf(
    args,
    pathTable.map(({ id }) => id),
  );
  return withHost(context, async (host) => {
    if (args.isSet("dry-run")) {
      const { site, chosen } = await siteFor(context, args, host, wish);
      context.print(...dryRunText(site, wish, chosen));
      if (!context.io.isRoot) context.print("Needs root, which this is not");
      context.printJson({
        format: "sriovctl-bench-dry-run/1",
        seconds: secondsOf(
          wish,
          chosen.rows.length,
          chosen.rows.filter((row) => hasGuest(row, site.site)).length,
        ),
        functions: site.functions,
        paths: chosen.rows.map((row) => ({
          id: row.id,
          steps: row.build(site.site).steps.map(stepWords),
        })),
        notMeasured: chosen.missing.map(({ row, because }) => ({ path: row.id, because })),
      });
      return 0;
    }
    assertWritable(context, host, "measure");
    return withSession(context, host, { lockWaitMs }, async (session) => {
      assertNothingUnfinished(await readOwnJournals(session));
      const perform = performOf(host, session);
      await takeUp(context, perform);
      const { site, chosen } = await siteFor(context, args, host, wish);
      assertMeasurable(chosen);
      if (!args.isSet("yes")) {
        context.print(...dryRunText(site, wish, chosen));
        if (!(await confirm(context, "Measure?"))) {
          const detail = { operation: "measure", target: context.hostName };
          throw new SriovError("not-confirmed", "Cannot measure: not confirmed", detail);
        }
      }
      const run = await measure(context, wish, { site, chosen, perform });
      show(context, args, run);
      return run.isInterrupted ? 1 : 0;
    });
  });
}

export async function restore(
  context: Context,
  _args: Arguments,
  files: readonly string[],
): Promise<number> {
  if (files.length > 0) throw benchUsage("Cannot restore: wanted no file");
  return withHost(context, async (host) => {
    assertWritable(context, host, "restore");
    return withSession(context, host, { lockWaitMs }, async (session) => {
      const isRestored = await takeUp(context, performOf(host, session));
      if (!isRestored) context.print("Nothing to restore: no measurement was cut off");
      context.printJson({ format: "sriovctl-bench-restore/1", isRestored });
      return 0;
    });
  });
}
