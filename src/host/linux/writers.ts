// Runs requests that can block in children, with a deadline. A child that answers is kept for the
// next request, because starting one takes longer than most writes; a child that does not is left
// behind, still holding the apply lock, and reported as stuck. It is never killed: the kernel
// would not let it go anyway.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { SriovError } from "../../model/errors.ts";
import type { PerformOptions, RequestOutcome } from "../host.ts";
import { refusalOf, wordsOf } from "./kernel-refusal.ts";
import { ownProc } from "./paths.ts";
import type { SysfsRequest } from "./sysfs-write.ts";
import { TreeReader } from "./tree-reader.ts";
import type { WriterAnswer } from "./writer-child.ts";

export type WriterCommand = readonly [command: string, ...commandArguments: string[]];

/** A child that does not even start in this time is given up: slow machines take seconds. */
const startDeadlineMs = 60_000;
/** An idle child that holds the apply lock keeps everybody else out: not for longer than this. */
const idleWithLockMs = 2000;
/** An idle child ends at once when it is told; a machine under load takes its time. */
const endDeadlineMs = 5000;
/** Where a child finds the lock: after standard streams and the channel. */
const childLockFd = 4;

type Writer = {
  readonly child: ChildProcess;
  readonly lockFd: number | null;
  /** Set while a request is under way. */
  onAnswer: ((answer: WriterAnswer) => void) | null;
  onEnd: (() => void) | null;
  isReady: boolean;
  idleTimer: NodeJS.Timeout | null;
};

export class Writers {
  readonly #command: WriterCommand;
  #idle: Writer[] = [];
  #nextId = 1;

  constructor(command: WriterCommand) {
    this.#command = command;
  }

  /** Throws SriovError when the kernel refuses or the child dies without an answer. */
  async perform(request: SysfsRequest, options: PerformOptions): Promise<RequestOutcome> {
    const writer = this.#take(options.lockFd);
    setReferenced(writer, true);
    await this.#whenReady(writer, request);
    const id = this.#nextId++;
    const answer = await this.#ask(writer, { id, request }, options.deadlineMs);
    setReferenced(writer, false);
    if (answer === "late") {
      // Whatever it says later, nobody waits for it: closing the channel lets it end.
      writer.onAnswer = () => writer.child.disconnect();
      return { status: "stuck", pid: writer.child.pid ?? null };
    }
    if (answer === "ended") throw endedError(request);
    this.#keep(writer);
    if (answer.id === "ready" || answer.result.isDone) return { status: "done" };
    throw refusalOf(request, answer.result);
  }

  /** Ends idle children, and with them their hold on the lock. Stuck ones end by themselves when
   * the kernel lets them. */
  async close(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    await Promise.all(idle.map((writer) => endWriter(writer)));
  }

  #keep(writer: Writer): void {
    this.#idle.push(writer);
    if (writer.lockFd === null) return;
    writer.idleTimer = setTimeout(() => {
      this.#idle = this.#idle.filter((idle) => idle !== writer);
      void endWriter(writer);
    }, idleWithLockMs).unref();
  }

  #take(lockFd: number | null): Writer {
    const fits = (writer: Writer): boolean =>
      writer.lockFd === lockFd && writer.child.connected && (lockFd === null || holdsLock(writer));
    const known = this.#idle.findIndex(fits);
    const [writer] = known === -1 ? [] : this.#idle.splice(known, 1);
    if (writer === undefined) return this.#start(lockFd);
    clearTimeout(writer.idleTimer ?? undefined);
    return writer;
  }

  #start(lockFd: number | null): Writer {
    const [command, ...commandArguments] = this.#command;
    const child = spawn(command, commandArguments, {
      // No pipe of ours: a stuck child must not keep a reader of our output waiting. The lock's
      // descriptor shares our open file description, so the lock lasts as long as the child.
      stdio: ["ignore", "ignore", "ignore", "ipc", ...(lockFd === null ? [] : [lockFd])],
      // Its own session: an interrupt on our terminal is not meant for it.
      detached: true,
      cwd: "/",
      env: { PATH: process.env["PATH"] },
    });
    const writer: Writer = {
      child,
      lockFd,
      onAnswer: null,
      onEnd: null,
      isReady: false,
      idleTimer: null,
    };
    child.on("message", (message) => writer.onAnswer?.(message as WriterAnswer));
    const end = (): void => {
      this.#idle = this.#idle.filter((idle) => idle !== writer);
      writer.onEnd?.();
    };
    child.on("exit", end);
    child.on("error", end);
    return writer;
  }

  async #whenReady(writer: Writer, request: SysfsRequest): Promise<void> {
    if (writer.isReady) return;
    const answer = await this.#answer(writer, startDeadlineMs);
    if (answer === "late" || answer === "ended") throw endedError(request);
    writer.isReady = true;
  }

  #ask(
    writer: Writer,
    order: { readonly id: number; readonly request: SysfsRequest },
    deadlineMs: number,
  ): Promise<WriterAnswer | "late" | "ended"> {
    const answer = this.#answer(writer, deadlineMs);
    writer.child.send(order, () => {}); // a child that is gone is told by its exit
    return answer;
  }

  #answer(writer: Writer, deadlineMs: number): Promise<WriterAnswer | "late" | "ended"> {
    return new Promise((resolve) => {
      const settle = (answer: WriterAnswer | "late" | "ended"): void => {
        clearTimeout(timer);
        writer.onAnswer = null;
        writer.onEnd = null;
        resolve(answer);
      };
      const timer = setTimeout(settle, deadlineMs, "late" as const);
      writer.onAnswer = settle;
      writer.onEnd = () => settle("ended");
    });
  }
}

async function endWriter({ child, idleTimer }: Writer): Promise<void> {
  clearTimeout(idleTimer ?? undefined);
  if (!child.connected) return;
  child.ref();
  const ended = once(child, "exit");
  child.disconnect();
  await Promise.race([ended, delay(endDeadlineMs, undefined, { ref: false })]);
  child.unref();
}

/** Descriptor numbers are used again: a child of an earlier apply may have the number, but holds
 * another lock or none. The kernel lists the locks of an open file (fs/locks.c show_fd_locks()). */
const holdsLock = ({ child }: Writer): boolean =>
  new TreeReader()
    .textIfThere(`${ownProc}/${child.pid}/fdinfo/${childLockFd}`, ["EACCES", "ESRCH"])
    ?.includes("FLOCK") === true;

/** Whether the child keeps this process from ending. */
function setReferenced({ child }: Writer, isReferenced: boolean): void {
  if (isReferenced) {
    child.ref();
    child.channel?.ref();
  } else {
    child.unref();
    child.channel?.unref();
  }
}

function endedError(request: SysfsRequest): SriovError {
  const { operation, target, action } = wordsOf(request);
  const message = `${action}: the process that writes to the kernel ended without an answer`;
  return new SriovError("kernel-refused", message, {
    operation,
    target,
    hint: "See what the host has now with sriovctl list before trying again",
  });
}
