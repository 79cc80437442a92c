// Names of the kernel's error numbers, and failures made from them.

import { constants } from "node:os";
import { SriovError, type ErrorCode } from "../../model/errors.ts";

/** Two names share a number; these are the ones that the kernel's documentation uses. */
const preferred = ["EOPNOTSUPP", "EAGAIN", "EDEADLK"] as const;

// include/linux/errno.h: numbers that a driver may leak although no header of user space has them.
const kernelOnly: readonly (readonly [number, string])[] = [
  [517, "EPROBE_DEFER"],
  [524, "ENOTSUPP"],
];

const names = new Map<number, string>([
  ...Object.entries(constants.errno).map(([name, number]) => [number, name] as const),
  ...preferred.map((name) => [constants.errno[name], name] as const),
  ...kernelOnly,
]);

/** `EBUSY` for 16; `errno 999` for a number without a name. */
export const errnoName = (errno: number): string => names.get(errno) ?? `errno ${errno}`;

type Refusal = {
  /** The verb, in the present tense: `set the mac of VF 3`. */
  readonly operation: string;
  readonly target: string;
  readonly errno: string;
  /** The kernel's own sentence, where it gave one. */
  readonly text: string | null;
};

const codeOf = (errno: string): ErrorCode => {
  if (errno === "ENODEV" || errno === "ENXIO") return "not-found";
  // igb answers EPERM to root too, for reasons of its own.
  const isPermission = errno === "EPERM" || errno === "EACCES";
  return isPermission && process.geteuid?.() !== 0 ? "permission" : "kernel-refused";
};

/** The failure to throw when the kernel refused. */
export function refusalError({ operation, target, errno, text }: Refusal): SriovError {
  const words = text === null || text === "" ? errno : `${errno}, ${text}`;
  const message = `Cannot ${operation} of ${target}: the kernel answered ${words}`;
  return new SriovError(codeOf(errno), message, { operation, target, errno });
}
