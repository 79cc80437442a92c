// What the commands that change a host share: the confirmation, Ctrl-C, the lock and the journal
// of the host, and the view of the progress.

import type { RunOptions } from "../apply/apply.ts";
import { systemClock } from "../apply/clock.ts";
import { openSession, type Session } from "../apply/session.ts";
import type { Host } from "../host/host.ts";
import type { Action } from "../model/action.ts";
import { SriovError } from "../model/errors.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Context } from "./context.ts";
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

/** Adapters are loaded when the first VF goes somewhere. */
function consumersOf({ wiring, hostName, paths }: Context, host: Host): Consumers {
  let opened: Promise<Consumers> | null = null;
  return async (kind) => {
    opened ??= wiring.openConsumers(hostName, host, paths);
    return await (
      await opened
    )(kind);
  };
}

export async function withSession<T>(
  context: Context,
  host: Host,
  lockWaitMs: number,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { journalDir: journalDirectory, lockFile } = context.hostPaths;
  const { commandLine: command } = context;
  const clock = systemClock;
  const wish = { host, journalDirectory, lockFile, command, clock, lockWaitMs };
  const session = { ...(await openSession(wish)), consumers: consumersOf(context, host) };
  try {
    return await work(session);
  } finally {
    session.close();
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
