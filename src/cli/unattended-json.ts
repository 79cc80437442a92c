// The file that an unattended apply leaves behind, as programs and `status` read it. A run for one
// PF replaces what the file says about that PF's adapter and leaves the rest; a new boot begins
// anew.

import { readFileSync } from "node:fs";
import type { Recovered } from "../apply/unattended.ts";
import type { PfResult, PfState } from "../apply/unattended-result.ts";
import type { Problem } from "../model/problem.ts";
import type { DirectoryFile } from "./spec-directory.ts";

export const unattendedFormat = "sriovctl-unattended/1";

type PfEntry = PfResult & {
  /** When it came to that; wall clock, ISO 8601. */
  readonly at: string;
};

export type UnattendedDocument = {
  readonly format: typeof unattendedFormat;
  readonly at: string;
  readonly bootId: string | null;
  readonly machineId: string | null;
  readonly command: string;
  /** `failed`: something is not as it was wanted, and no reboot alone makes it so. */
  readonly outcome: "done" | "failed";
  /** Why nothing could begin; null: it could. */
  readonly error: string | null;
  readonly files: readonly DirectoryFile[];
  readonly problems: readonly Problem[];
  readonly recovered: Recovered | null;
  readonly journal: string | null;
  readonly physicalFunctions: readonly PfEntry[];
};

const fine: ReadonlySet<PfState> = new Set(["applied", "unchanged", "pending-reboot"]);

export const isFine = ({ state }: Pick<PfResult, "state">): boolean => fine.has(state);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

const states: ReadonlySet<unknown> = new Set<PfState>([
  "applied",
  "unchanged",
  "pending-reboot",
  "skipped",
  "failed",
  "missing",
]);

const isEntry = (value: unknown): boolean =>
  isObject(value) &&
  [value["name"], value["adapter"], value["at"]].every((text) => typeof text === "string") &&
  (value["address"] === null || typeof value["address"] === "string") &&
  typeof value["numActions"] === "number" &&
  states.has(value["state"]) &&
  isTexts(value["reasons"]) &&
  isTexts(value["drift"]);

const isTextOrNull = (value: unknown): boolean => value === null || typeof value === "string";

/** null: it is not one of ours, or of a version that is not known here. Never throws. */
function decodeUnattended(text: string): UnattendedDocument | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || value["format"] !== unattendedFormat) return null;
  const { at, bootId, machineId, command, outcome, error, journal } = value;
  const { files, problems, physicalFunctions } = value;
  const isSound =
    typeof at === "string" &&
    typeof command === "string" &&
    (outcome === "done" || outcome === "failed") &&
    [bootId, machineId, error, journal].every(isTextOrNull) &&
    Array.isArray(files) &&
    files.every((file) => isObject(file) && typeof file["path"] === "string") &&
    Array.isArray(problems) &&
    problems.every((problem) => isObject(problem) && typeof problem["message"] === "string") &&
    Array.isArray(physicalFunctions) &&
    physicalFunctions.every(isEntry);
  return isSound ? (value as UnattendedDocument) : null;
}

/** The last result; null where there is none that can be read. */
export function readUnattended(path: string): UnattendedDocument | null {
  try {
    return decodeUnattended(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

/** `next` is about some adapters only: what `last` says of others in this boot stays. */
export function withOthersOf(
  last: UnattendedDocument | null,
  next: UnattendedDocument,
): UnattendedDocument {
  if (last === null || last.bootId !== next.bootId) return next;
  const adapters = new Set(next.physicalFunctions.map(({ adapter }) => adapter));
  const others = last.physicalFunctions.filter(({ adapter }) => !adapters.has(adapter));
  const physicalFunctions = [...others, ...next.physicalFunctions];
  const isSound = next.outcome === "done" && next.problems.length === 0;
  const isDone = isSound && physicalFunctions.every(isFine);
  return { ...next, outcome: isDone ? "done" : "failed", physicalFunctions };
}
