// The contract between operations and verbs: a verb checks, names its locks, and makes one step at a
// time; what a step returns says when the next one is due.

import type { HostRequest } from "../host.ts";
import type { Machine } from "./machine.ts";
import type { Errno, Operation } from "./state.ts";

/** What a step leads to. */
export type StepResult =
  | { readonly next: "again"; readonly afterMs: number }
  /** Waits for something named: `vf:0000:3b:01.0` until a guest closes it. */
  | { readonly next: "blocked"; readonly on: string }
  | { readonly next: "done" }
  | { readonly next: "refused"; readonly errno: Errno; readonly reason: string }
  /** There is no file or device to write to: nothing was asked of the kernel's code. */
  | { readonly next: "missing"; readonly errno: Errno; readonly reason: string };

export const done: StepResult = { next: "done" };
export const again = (afterMs: number): StepResult => ({ next: "again", afterMs });
export const missing = (errno: Errno, reason: string): StepResult => ({
  next: "missing",
  errno,
  reason,
});
export const refused = (errno: Errno, reason: string): StepResult => ({
  next: "refused",
  errno,
  reason,
});

/** What the kernel does with one kind of request. */
export type Verb<Request extends HostRequest> = {
  /** Checks that come before any lock; null lets it pass. */
  readonly check: (machine: Machine, request: Request) => StepResult | null;
  /** Locks, in the order in which the kernel takes them. */
  readonly locks: (machine: Machine, request: Request) => readonly string[];
  /** The first step is made with the locks held, in phase `starting`. */
  readonly step: (machine: Machine, request: Request, operation: Operation) => StepResult;
};
