// What the commands that change a host share: the confirmation, Ctrl-C, the lock and the journal
// of the host, and the view of the progress.

import type { RunOptions } from "../apply/apply.ts";
import { systemClock } from "../apply/clock.ts";
import type { Attaching } from "../apply/plug-run.ts";
import { openSession } from "../apply/session.ts";
import type { Host } from "../host/host.ts";
import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Context } from "./context.ts";
import { attachingOf } from "./attaching.ts";
import { progressView } from "./progress.ts";
import { styleFor } from "./style.ts";

/** Throws `host-read-only` or `permission`, before anybody is asked anything. */
export function assertWritable(
  { io, hostName }: Context,
  { identity }: Host,
  operation: string,
): void {
  const { name, isWritable } = identity;
  if (hostName === "linux" && !io.isRoot) {
    const detail = { operation, target: name };
    throw new SriovError("permission", `Cannot ${operation} on ${name}: this is not root`, detail);
  }
  if (isWritable) return;
  throw new SriovError("host-read-only", `Cannot ${operation} on ${name}: it is read-only`, {
    operation,
    target: name,
  });
}

/** True for yes. Throws `not-confirmed` where nobody can be asked. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  const { ask } = context.io;
  if (ask === null) {
    throw new SriovError("not-confirmed", `${question} Nobody is at a terminal to answer`, {
      operation: "confirm",
      target: context.hostName,
      hint: "Pass --yes to go on without being asked",
    });
  }
  const answer = await ask(`${question} [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

type SessionWish = {
  readonly lockWaitMs: number;
  /** With the pools of leases; absent: the configuration folder's. */
  readonly specFile?: string | null;
};

export async function withSession<T>(
  context: Context,
  host: Host,
  { lockWaitMs, specFile = null }: SessionWish,
  work: (session: Attaching) => Promise<T>,
): Promise<T> {
  const { journalDir: journalDirectory, lockFile } = context.hostPaths;
  const { commandLine: command } = context;
  const clock = systemClock;
  const wish = { host, journalDirectory, lockFile, command, clock, lockWaitMs };
  const opened = await openSession(wish);
  const { closeLeases, ...attaching } = attachingOf(context, opened, specFile);
  try {
    return await work({ ...opened, ...attaching });
  } finally {
    await closeLeases();
    opened.close();
  }
}

/**
 * Runs `work` with progress shown and Ctrl-C leading to an orderly end. A second Ctrl-C kills;
 * the journal makes that safe.
 */
export async function withProgress<T>(
  context: Context,
  actions: readonly Action[],
  keepGoing: boolean,
  work: (options: RunOptions) => Promise<T>,
): Promise<T> {
  const { io, isColorForbidden: isForbidden } = context;
  const style = styleFor({ isTerminal: io.stderr.isTerminal, isForbidden, env: io.env });
  const view = await progressView(context, actions, style);
  const abort = new AbortController();
  const stopListening = io.onInterrupt(() => {
    view.stopping();
    abort.abort();
  });
  try {
    const { signal } = abort;
    const { onProgress } = view;
    return await work({ keepGoing, onInterrupt: "undo", signal, onProgress });
  } finally {
    stopListening();
    await view.close();
  }
}
