// Runs in the lab: carries out a list of single kernel effects (read, write, link, list, ...) and
// prints what each gave, as one word or text, for tables of expectations. A program of its own, as
// only a direct system call shows the errno; usage: node probe.ts STEPS.json > OUTCOMES.json

import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { statSync, writeSync } from "node:fs";
import { basename } from "node:path";

export type Step =
  /** One write(2); "ok" or the errno. */
  | { readonly verb: "write"; readonly path: string; readonly value: string }
  /** The exact text, or the errno. */
  | { readonly verb: "read"; readonly path: string }
  /** Last part of a link's target, or the errno. */
  | { readonly verb: "link"; readonly path: string }
  /** Names in a folder that match, sorted, joined by a space. */
  | { readonly verb: "list"; readonly path: string; readonly pattern: string }
  /** Permission bits in octal, or the errno. */
  | { readonly verb: "mode"; readonly path: string }
  /** open(2) for reading and writing, held until the end of the program. */
  | { readonly verb: "hold"; readonly path: string }
  /** A program: "ok", the errno that its message names, or its exit code and message. */
  | { readonly verb: "run"; readonly argv: readonly string[] };

/** What programs print for an errno; only those that the tables meet. */
const errnoNames: readonly (readonly [message: string, name: string])[] = [
  ["Invalid argument", "EINVAL"],
  ["Operation not supported", "EOPNOTSUPP"],
  ["Protocol not supported", "EPROTONOSUPPORT"],
  ["Operation not permitted", "EPERM"],
  ["Device or resource busy", "EBUSY"],
  ["Numerical result out of range", "ERANGE"],
];

function write(path: string, value: string): string {
  const file = openSync(path, constants.O_WRONLY);
  try {
    writeSync(file, Buffer.from(value));
    return "ok";
  } finally {
    closeSync(file);
  }
}

function run([command = "", ...args]: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return stdout === "" ? "ok" : stdout;
  const known = errnoNames.find(([message]) => stderr.includes(message));
  return known?.[1] ?? `exit ${status}: ${stderr.trim()}`;
}

function outcome(step: Step): string {
  switch (step.verb) {
    case "write":
      return write(step.path, step.value);
    case "read":
      return readFileSync(step.path, "utf8");
    case "link":
      return basename(readlinkSync(step.path));
    case "list": {
      const pattern = new RegExp(step.pattern);
      const names = readdirSync(step.path).filter((name) => pattern.test(name));
      return names.toSorted().join(" ");
    }
    case "mode":
      return (statSync(step.path).mode & 0o7777).toString(8);
    case "hold":
      openSync(step.path, constants.O_RDWR);
      return "ok";
    case "run":
      return run(step.argv);
  }
}

function outcomeOrErrno(step: Step): string {
  try {
    return outcome(step);
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      // libuv names errno 95 after its other name; the kernel's sources say EOPNOTSUPP.
      return error.code === "ENOTSUP" ? "EOPNOTSUPP" : String(error.code);
    }
    throw error;
  }
}

const [stepsFile] = process.argv.slice(2);
if (import.meta.main && stepsFile !== undefined) {
  const steps: readonly Step[] = JSON.parse(readFileSync(stepsFile, "utf8"));
  process.stdout.write(JSON.stringify(steps.map(outcomeOrErrno)));
}
