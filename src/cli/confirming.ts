// An apply on trial, as the command line has it: when it is one, what is said before and after, and
// the question on the terminal. The watchdog undoes it whether or not we live to see it.

import { systemClock, wallTimeOf } from "../apply/clock.ts";
import type { ConfirmWindow } from "../apply/confirm-window.ts";
import { confirmApply, revertUnconfirmed } from "../apply/confirm.ts";
import { directoryStore, readJournal } from "../apply/journal-store.ts";
import type { Host } from "../host/host.ts";
import { SriovError } from "../model/errors.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Plan } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { lifelinesOf, lostOnTheWayBack } from "../plan/way-back.ts";
import { withSession } from "./changing.ts";
import type { Arguments, Context } from "./context.ts";
import { durationWords, parseDuration } from "./duration.ts";

export type Trial = {
  readonly withinMs: number;
  /** Why it is one although nobody asked for it. */
  readonly because: readonly string[];
  readonly notRestorable: readonly string[];
};

const defaultMs = 90_000;
const longestMs = 24 * 3_600_000;

/** null: not said. Throws `usage`. */
function wishedMs({ io }: Context, args: Arguments): number | "off" | null {
  const text = args.text("confirm-within") ?? (io.env["SRIOVCTL_CONFIRM_WITHIN"] || null);
  if (text === null || text === "off") return text;
  const durationMs = parseDuration(text);
  if (durationMs !== null && durationMs >= 1000 && durationMs <= longestMs) return durationMs;
  const message = `Cannot wait ${text} for a confirmation: wanted 1s to 24h, or off`;
  const hint = "Write seconds, minutes or hours: 90s, 5m, 1h";
  throw new SriovError("usage", message, { operation: "apply", target: text, hint });
}

/** null: it stays as soon as it is done. */
export function trialOf(
  context: Context,
  args: Arguments,
  plan: Plan,
  on: { readonly spec: Spec; readonly inventory: Inventory },
): Trial | null {
  const wish = wishedMs(context, args);
  if (wish === "off" || plan.actions.length === 0) return null;
  const because = wish === null ? lifelinesOf(plan.actions, on) : [];
  if (wish === null && because.length === 0) return null;
  return {
    withinMs: wish ?? defaultMs,
    because: because.map(({ pf, because: reason }) => `PF ${pf} ${reason}`),
    notRestorable: lostOnTheWayBack(plan),
  };
}

/** Before the first action. */
export function announceTrial({ print, style }: Context, trial: Trial | null): void {
  if (trial === null) return;
  const { withinMs, because, notRestorable } = trial;
  const words = `Reverts unless confirmed within ${durationWords(withinMs)} of its end`;
  print(style("warn", because.length === 0 ? words : `${words}: ${because.join(", ")}`));
  if (notRestorable.length > 0) {
    print("The way back could not restore:", ...notRestorable.map((line) => `  ${line}`));
  }
}

type TrialEnd = {
  readonly state: ConfirmWindow["state"];
  readonly deadline: Date;
};

export const trialJson = (trial: Trial | null, end: TrialEnd | null) =>
  trial === null || end === null
    ? null
    : {
        state: end.state,
        withinSeconds: trial.withinMs / 1000,
        deadline: end.deadline.toISOString(),
        because: [...trial.because],
        notRestorable: [...trial.notRestorable],
      };

export const timeWords = (time: Date): string => time.toTimeString().slice(0, 8);

type Waiting = {
  readonly context: Context;
  readonly host: Host;
  readonly journal: string;
  readonly deadlineMs: number;
};

const stateOf = ({ context, journal }: Waiting): ConfirmWindow["state"] => {
  const decoded = readJournal(directoryStore(context.hostPaths.journalDir), journal);
  // What cannot be read just now was armed before.
  return decoded.kind === "journal" ? (decoded.journal.window?.state ?? "armed") : "armed";
};

const lockWaitMs = 10_000;

async function keep({ context, host }: Waiting): Promise<void> {
  await withSession(context, host, { lockWaitMs }, (session) =>
    confirmApply(session, context.commandLine),
  );
}

async function goBack({ context, host, journal }: Waiting): Promise<void> {
  const { commandLine: command } = context;
  const options = { keepGoing: false, onInterrupt: "leave", signal: null } as const;
  const request = { ...options, journal, command, settleTimeoutMs: 0, onProgress: () => {} };
  await withSession(context, host, { lockWaitMs }, (session) =>
    revertUnconfirmed(session, { ...request, when: "now" }),
  );
}

const pollMs = 250;
/** The watchdog looks once a second, starts, and then has the whole way to go. */
const patienceMs = 120_000;

/** Waits for the watchdog to have done what it is for. */
async function awaitReverted(waiting: Waiting): Promise<void> {
  const { host, context } = waiting;
  context.log.note("Not confirmed in time: it is being taken back");
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += pollMs) {
    if (stateOf(waiting) !== "armed") return;
    await realSleep(pollMs);
  }
  context.log.warn(`It is not taken back on ${host.identity.name} after ${patienceMs / 1000} s`);
}

const realSleep = async (durationMs: number): Promise<void> =>
  await new Promise((resolve) => setTimeout(resolve, durationMs));

/** After the apply, the lock released: asks on a terminal, else says how to confirm. */
export async function settleTrial(
  context: Context,
  args: Arguments,
  { host, journal, deadlineMs }: Omit<Waiting, "context">,
): Promise<TrialEnd> {
  const waiting = { context, host, journal, deadlineMs };
  const deadline = wallTimeOf(deadlineMs, systemClock);
  const { askWithin } = context.io;
  const isAsking = askWithin !== null && !args.isSet("yes");
  if (isAsking) await ask(waiting, askWithin);
  const state = stateOf(waiting);
  sayState(context, state, deadline);
  return { state, deadline };
}

async function ask(
  waiting: Waiting,
  askWithin: NonNullable<Context["io"]["askWithin"]>,
): Promise<void> {
  const leftMs = (): number =>
    stateOf(waiting) === "armed" ? waiting.deadlineMs - systemClock.bootMs() : 0;
  const question = (left: number): string =>
    `Still there? Keep the change? [y/n] (reverts in ${Math.max(0, Math.ceil(left / 1000))} s) `;
  for (;;) {
    const answer = await askWithin(question, leftMs);
    const letter = answer?.trim().toLowerCase().slice(0, 1);
    if (letter === "y") return await keep(waiting);
    if (letter === "n") return await goBack(waiting);
    if (answer === null && leftMs() > 0) return; // the terminal is gone
    if (stateOf(waiting) !== "armed") return; // somebody else has answered
    if (leftMs() <= 0) return await awaitReverted(waiting);
  }
}

function sayState(
  { print, style, log }: Context,
  state: ConfirmWindow["state"],
  deadline: Date,
): void {
  switch (state) {
    case "armed":
      return print(
        style("warn", `Unconfirmed: reverts at ${timeWords(deadline)}; run sriovctl confirm`),
      );
    case "confirmed":
      return print(style("good", "Confirmed: it stays"));
    case "reverted":
      return log.error("Not confirmed: taken back, the host is as it was before");
    case "revert-failed":
      return log.error(
        "Not confirmed, and not everything could be taken back",
        "See sriovctl status",
      );
    case "rebooted":
      return log.error("Overtaken by a reboot: the VFs went with it");
  }
}
