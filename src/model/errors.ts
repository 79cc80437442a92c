// Failures: the world said no. One class, one closed table of codes. The table is the only place
// that knows what a failure means for the exit code and what the operator can do about it;
// whoever throws adds the operation, the target and the kernel's errno.

import type { Problem } from "./problem.ts";

export type ErrorCode = keyof typeof errorTable;

type ErrorRow = {
  /** 1 failed, 2 usage or spec problem, 3 refused, 4 drift or findings. */
  readonly exitCode: 1 | 2 | 3 | 4;
  readonly hint: string;
};

const row = (exitCode: ErrorRow["exitCode"], hint: string): ErrorRow => ({ exitCode, hint });

/** Every code a `SriovError` can carry. Extend it here and nowhere else. */
const errorTable = {
  "usage": row(2, "Run the command with --help to see its arguments"),
  "spec-problems": row(2, "Correct the spec where the problems point"),
  "file-unreadable": row(2, "Check the path and its permissions"),
  "file-format": row(2, "Use the version of sriovctl that wrote the file, or make it anew"),
  "file-unwritable": row(1, "Check the folder, its permissions and its room"),
  "foreign-file": row(3, "Move it away, or take what it does into a spec"),
  "host-read-only": row(2, "Only a live host or an emulated one can be changed"),
  "host-unknown": row(2, "Name linux, linux:ROOT, snapshot:FILE, emulated or emulated:NAME"),
  "unsafe-file": row(2, "Find out who changed it, then make it its owner's alone: chmod 600"),
  "lease-refused": row(3, "See who has it with sriovctl lease ls"),
  "plan-stale": row(2, "Plan again: the host is no longer as the saved plan saw it"),
  "would-disrupt": row(3, "Name each user with --allow-disruption KIND:NAME to consent"),
  "not-confirmed": row(3, "Confirm on the terminal or pass --yes"),
  "locked": row(3, "Wait until the other apply has ended, or end it"),
  "unfinished-apply": row(3, "Run sriovctl recover to finish or undo it first"),
  "unconfirmed-apply": row(3, "Keep it with sriovctl confirm, or take it back with rollback"),
  "confirm-too-late": row(1, "Apply again, and confirm in time"),
  "watchdog-failed": row(1, "Apply with --confirm-within off to go on without a way back"),
  "lock-unusable": row(1, "Check the lock file's directory, and that flock(1) is installed"),
  "journal-unwritable": row(1, "Make room or permission for the state directory; then recover"),
  "state-unwritable": row(
    1,
    "Make room or permission for the state directory; then recover, if an apply was running",
  ),
  "undo-impossible": row(1, "Write the value that it had into the spec and apply it"),
  "kernel-refused": row(1, "See the kernel log (dmesg) for the driver's own words"),
  "not-found": row(1, "List what is there with sriovctl list"),
  "permission": row(1, "Run as root"),
  "consumer-refused": row(1, "See the consumer's own log"),
  "unplug-pending": row(1, "Have the guest let go of the device, or shut it down, and try again"),
  "stuck": row(1, "A user still holds a VF; release it and run sriovctl recover"),
  "short-count": row(1, "The driver enabled fewer VFs than asked; see the kernel log"),
  "not-bound": row(1, "The driver did not take the function; see the kernel log"),
  "findings": row(4, "Each finding says how it is fixed; a point of security can be waived"),
  "drift": row(4, "Run sriovctl apply to bring the host back to the spec"),
} as const satisfies Record<string, ErrorRow>;

type SriovErrorDetail = {
  /** The verb that failed, in the present tense: `set sriov_numvfs`. */
  readonly operation: string;
  /** BDF, `BDF/vfN`, netdev or path. */
  readonly target: string;
  /** errno name as the kernel gave it, for example `EBUSY`; null when no kernel call failed. */
  readonly errno?: string | null;
  /** Overrides the table's hint where more is known. */
  readonly hint?: string;
  /** All that speaks against it, where that is more than the message; absent: nothing more. */
  readonly problems?: readonly Problem[];
  readonly cause?: unknown;
};

export class SriovError extends Error {
  override readonly name = "SriovError";
  readonly code: ErrorCode;
  readonly operation: string;
  readonly target: string;
  readonly errno: string | null;
  readonly hint: string;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, detail: SriovErrorDetail) {
    super(message, { cause: detail.cause });
    this.code = code;
    this.operation = detail.operation;
    this.target = detail.target;
    this.errno = detail.errno ?? null;
    this.hint = detail.hint ?? errorTable[code].hint;
    this.problems = detail.problems ?? [];
  }
}

export const exitCodeOf = (code: ErrorCode): number => errorTable[code].exitCode;
