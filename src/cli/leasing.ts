// Leases of the host that a command works on: its store, and the specs whose pools and baselines count.
// Loads the YAML parser.

import { awayMarks } from "../apply/away-marks.ts";
import type { Leasing } from "../apply/leasing.ts";
import type { Host } from "../host/host.ts";
import { openLeases } from "../lease/store.ts";
import type { Spec } from "../model/spec.ts";
import type { Context } from "./context.ts";
import { problemSentence } from "./logger.ts";
import { readSpecDirectory } from "./spec-directory.ts";
import { parseSource, readSource } from "./spec-source.ts";

export type LeasePlaces = Pick<Context, "paths" | "hostPaths"> & {
  readonly log: Pick<Context["log"], "warn">;
};

/** Throws SpecProblems of a file that was named; what is wrong in the folder takes its pools away. */
export function leaseSpec({ paths, log }: LeasePlaces, file: string | null): Spec {
  if (file !== null) return parseSource(readSource(file));
  const { spec, problems } = readSpecDirectory(paths.configDir).merged;
  for (const problem of problems) log.warn(problemSentence(problem), problem.hint);
  return spec;
}

type Wish = { readonly host: Host; readonly lockFd: number | null; readonly file: string | null };

/** Whoever opens it closes its store. */
export function openLeasing(context: LeasePlaces, { host, lockFd, file }: Wish): Leasing {
  return {
    host,
    lockFd,
    store: openLeases(context.hostPaths.leaseFile),
    away: awayMarks(context.hostPaths.awayDir),
    spec: leaseSpec(context, file),
    nowMs: () => Date.now(),
    worker: process.pid,
  };
}
