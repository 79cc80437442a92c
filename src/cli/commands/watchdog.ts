// `__watchdog HOST JOURNAL [SPEED]`: sleeps until the deadline of an unconfirmed apply and undoes it then.
// Nobody types it. It knows nothing but the journal: what happens meanwhile (a confirmation, a
// rollback, a later end of the apply) it reads there, about once a second, without the lock.

import { attachingOf } from "../attaching.ts";
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../apply/clock.ts";
import type { ConfirmWindow } from "../../apply/confirm-window.ts";
import { noteNotReverted, revertUnconfirmed } from "../../apply/confirm.ts";
import { directoryStore, readJournal } from "../../apply/journal-store.ts";
import type { Report } from "../../apply/report.ts";
import { openSession, type Session } from "../../apply/session.ts";
import { SriovError } from "../../model/errors.ts";
import type { Wiring } from "../context.ts";
import type { Io } from "../io.ts";
import { hostPaths, pathsFor, type HostPaths, type Paths } from "../paths.ts";

type Watch = {
  readonly paths: Paths;
  readonly hostPaths: HostPaths;
  readonly wiring: Wiring;
  readonly hostName: string;
  readonly journal: string;
  readonly speed: number | null;
  readonly say: (sentence: string) => void;
};

const lookMs = 1000;

/** The lock is held by the apply itself, by whoever confirms, or by a write that hangs. */
const lockWaitMs = 2000;
const settleTimeoutMs = 60_000;
const retryMs = 15_000;
const retriesMax = 40;

/** Exit code 0: there is nothing left to watch over. */
export async function watchdog(argv: readonly string[], io: Io, wiring: Wiring): Promise<number> {
  const [hostName = "", journal = "", speed] = argv;
  const paths = pathsFor(io.env, io.isRoot);
  const say = (sentence: string): void =>
    io.stdout.write(`${systemClock.now()} ${journal}: ${sentence}\n`);
  const watch: Watch = {
    paths,
    hostPaths: hostPaths(paths, hostName),
    wiring,
    hostName,
    journal,
    speed: speed === undefined ? null : Number(speed),
    say,
  };
  // The end of the session that started us is what we are for.
  process.on("SIGHUP", () => say("the session has ended"));
  const { watchdogFile } = watch.hostPaths;
  mkdirSync(dirname(watchdogFile), { recursive: true, mode: 0o755 });
  writeFileSync(`${watchdogFile}.new`, JSON.stringify({ journal, pid: process.pid }));
  renameSync(`${watchdogFile}.new`, watchdogFile);
  say("watching");
  try {
    await watchUntilOver(watch);
  } finally {
    rmSync(watchdogFile, { force: true });
  }
  return 0;
}

/** Reads the journal only when it has grown. */
function windowReader({ hostPaths: { journalDir }, journal: id }: Watch) {
  const store = directoryStore(journalDir);
  let size = -1;
  let window: ConfirmWindow | null = null;
  return (): ConfirmWindow | null => {
    const now = statSync(store.pathOf(id), { throwIfNoEntry: false })?.size;
    if (now === undefined) return null;
    if (now === size) return window;
    size = now;
    const decoded = readJournal(store, id);
    // What cannot be read just now was armed before.
    if (decoded.kind !== "damaged") {
      window = decoded.kind === "journal" ? decoded.journal.window : null;
    }
    return window;
  };
}

async function watchUntilOver(watch: Watch): Promise<void> {
  const readWindow = windowReader(watch);
  let retries = 0;
  for (;;) {
    const window = readWindow();
    if (window?.state !== "armed") {
      watch.say(`over: ${window?.state ?? "its journal is gone"}`);
      return;
    }
    const leftMs = window.deadlineMs - systemClock.bootMs();
    if (leftMs > 0) {
      await sleep(Math.min(leftMs, lookMs));
      continue;
    }
    const failure = await tryRevert(watch);
    if (failure === "over" && readWindow()?.state === "armed") {
      watch.say("over: another apply came after it");
      return;
    }
    if (failure === null || failure === "over") continue;
    watch.say(failure.message);
    // Whoever holds the lock may hold it for long, and lets go of it at last.
    if (failure.code === "locked") continue;
    retries += 1;
    if (retries >= retriesMax) await giveUp(watch, failure);
    await sleep(retryMs);
  }
}

async function withSession<T>(watch: Watch, work: (session: Session) => Promise<T>): Promise<T> {
  const { wiring, hostName, paths, speed } = watch;
  const { journalDir: journalDirectory, lockFile } = watch.hostPaths;
  const host = await wiring.openHost(hostName, { paths, speed, writeDeadlineMs: null });
  try {
    const wish = { host, journalDirectory, lockFile, command: "sriovctl watchdog" };
    const session = await openSession({ ...wish, clock: systemClock, lockWaitMs });
    const log = { warn: watch.say };
    const { closeLeases, ...attaching } = attachingOf({ ...watch, log }, session, null);
    try {
      return await work({ ...session, ...attaching });
    } finally {
      await closeLeases();
      session.close();
    }
  } finally {
    await host.close();
  }
}

const reportSentence = ({ outcome, actions }: Report): string =>
  [
    `taken back: ${outcome}`,
    ...actions.flatMap(({ action, error }) =>
      error === null ? [] : [`${action.target}: ${error.message}`],
    ),
  ].join("; ");

/** null: done, or too early; what the journal says then decides. */
async function tryRevert(watch: Watch): Promise<SriovError | "over" | null> {
  const { journal, say } = watch;
  const command = "sriovctl watchdog";
  const options = { keepGoing: false, onInterrupt: "leave", signal: null } as const;
  try {
    const revert = await withSession(watch, (session) => {
      const request = { ...options, journal, command, settleTimeoutMs, onProgress: () => {} };
      return revertUnconfirmed(session, { ...request, when: "at-deadline" });
    });
    if (revert.kind === "reverted") say(reportSentence(revert.report));
    const isStuck = revert.kind === "reverted" && revert.report.outcome === "stuck";
    if (isStuck) await sleep(retryMs);
    return revert.kind === "over" ? "over" : null;
  } catch (error) {
    if (error instanceof SriovError) return error;
    const message = `Cannot take back ${journal}: ${String(error)}`;
    const detail = { operation: "take back", target: journal, cause: error };
    return new SriovError("watchdog-failed", message, detail);
  }
}

async function giveUp(watch: Watch, failure: SriovError): Promise<void> {
  await withSession(watch, (session) => noteNotReverted(session, watch.journal, failure));
}
