// A plan on disk (`plan --out FILE`, `apply FILE`): the text of the spec, the consent, and what
// the host was when it was made: machine, boot and a fingerprint of the inventory. The actions
// are in it to be read; apply makes the plan again and runs it only if it is the same one, so a
// stale file is refused, and so is one that somebody edited.

import type { Action } from "../model/action.ts";
import type { Inventory } from "../model/inventory.ts";
import { SriovError } from "../model/errors.ts";
import type { Consent } from "../model/plan.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import type { SpecSource } from "./spec-source.ts";

/** Actions of 65,000 VFs, spelled out, are longer than any spec. */
export const maxPlanBytes = 256 * 1024 * 1024;

const savedPlanFormat = "sriovctl-plan/1";

export type SavedPlan = {
  readonly host: string;
  readonly machineId: string | null;
  readonly bootId: string | null;
  /** `fingerprintOf` the inventory. */
  readonly fingerprint: string;
  readonly consent: Consent;
  readonly spec: SpecSource;
  readonly actions: readonly Action[];
};

export function savedPlanOf(
  spec: SpecSource,
  consent: Consent,
  inventory: Inventory,
  actions: readonly Action[],
): SavedPlan {
  const { name, machineId, bootId } = inventory.host;
  const fingerprint = fingerprintOf(inventory);
  return { host: name, machineId, bootId, fingerprint, consent, spec, actions };
}

export const formatSavedPlan = (saved: SavedPlan): string =>
  `${JSON.stringify({ format: savedPlanFormat, ...saved }, null, 1)}\n`;

const isTextOrNull = (value: unknown): value is string | null =>
  value === null || typeof value === "string";

/** Throws SriovError `file-format` for what is no saved plan of a version that is known here. */
export function parseSavedPlan(text: string, path: string): SavedPlan {
  const refuse = (reason: string): SriovError =>
    new SriovError("file-format", `Cannot read plan ${path}: ${reason}`, {
      operation: "read plan",
      target: path,
    });
  const value = parseObject(text);
  if (value === null) throw refuse("it is not JSON, wanted a file of sriovctl plan --out");
  const { format, host, machineId, bootId, fingerprint, consent, spec, actions } = value;
  if (typeof format !== "string" || !format.startsWith("sriovctl-plan/")) {
    throw refuse(`its format is ${JSON.stringify(format)}, wanted ${savedPlanFormat}`);
  }
  if (format !== savedPlanFormat) {
    throw refuse(`its format ${format} is newer than this program's ${savedPlanFormat}`);
  }
  const source = specSourceOf(spec);
  const isWhole =
    typeof host === "string" &&
    isTextOrNull(machineId) &&
    isTextOrNull(bootId) &&
    typeof fingerprint === "string" &&
    Array.isArray(consent) &&
    consent.every((word) => typeof word === "string") &&
    Array.isArray(actions);
  if (!isWhole || source === null) throw refuse("keys are missing or of another type");
  // The actions are only ever compared with those of a new plan, never run.
  return {
    host,
    machineId,
    bootId,
    fingerprint,
    consent,
    spec: source,
    actions: actions as readonly Action[],
  };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function specSourceOf(value: unknown): SpecSource | null {
  if (typeof value !== "object" || value === null) return null;
  const { source, text } = value as Record<string, unknown>;
  return typeof source === "string" && typeof text === "string" ? { source, text } : null;
}

/** Why the saved plan must not run on the host as it is now; null when it may. */
export function stalenessOf(
  saved: SavedPlan,
  inventory: Inventory,
  actions: readonly Action[],
): string | null {
  const { host } = inventory;
  if (saved.host !== host.name) return `it is for ${saved.host}, this is ${host.name}`;
  if (saved.machineId !== host.machineId) return "it was made on another machine";
  if (saved.bootId !== host.bootId) return "the machine was booted since";
  if (saved.fingerprint !== fingerprintOf(inventory)) return "the host changed since";
  if (JSON.stringify(saved.actions) !== JSON.stringify(actions)) {
    return "planning again gives other actions: the file was changed, or sriovctl was";
  }
  return null;
}
