// Leases and history as rows of the store. A row may have been written by anybody who may write the
// file: what is no lease is an error with its place, never half a lease.

import { SriovError } from "../model/errors.ts";
import { isPlug, type Plug } from "../model/plug.ts";
import {
  leaseStates,
  type HistoryEntry,
  type Lease,
  type LeaseState,
  type VfPlace,
} from "./lease.ts";

/** A value as SQLite has it. */
type Value = string | number | bigint | null | Uint8Array;
export type Row = Readonly<Record<string, Value>>;

export const leaseColumns = [
  "pf_key",
  "vf_index",
  "pf",
  "address",
  "state",
  "generation",
  "holder",
  "holder_pid",
  "pool",
  "boot_id",
  "since_ms",
  "expires_at_ms",
  "worker",
  "reason",
  "evidence",
  "plug",
] as const;

export const historyColumns = [
  "at_ms",
  "pf_key",
  "vf_index",
  "pf",
  "address",
  "event",
  "from_state",
  "to_state",
  "generation",
  "holder",
  "reason",
  "evidence",
] as const;

const marks = (columns: readonly string[]): string => columns.map(() => "?").join(", ");

/** Not OR REPLACE: that would also drop another VF's lease at the same address. */
export const upsertLeaseSql = `INSERT INTO leases (${leaseColumns.join(", ")})
  VALUES (${marks(leaseColumns)}) ON CONFLICT (pf_key, vf_index)
  DO UPDATE SET ${leaseColumns.map((column) => `${column} = excluded.${column}`).join(", ")}`;

export const insertEntrySql = `INSERT INTO history (${historyColumns.join(", ")})
  VALUES (${marks(historyColumns)}) RETURNING number`;

export const leaseValues = (lease: Lease): (string | number | null)[] => {
  const { vf, holder, evidence } = lease;
  return [
    vf.pfKey,
    vf.vfIndex,
    vf.pf,
    vf.address,
    lease.state,
    lease.generation,
    holder?.name ?? null,
    holder?.pid ?? null,
    lease.pool,
    lease.bootId,
    lease.sinceMs,
    lease.expiresAtMs,
    lease.worker,
    lease.reason,
    JSON.stringify(evidence),
    lease.plug === null ? null : JSON.stringify(lease.plug),
  ];
};

export const historyValues = (entry: HistoryEntry): (string | number | null)[] => {
  const { vf, evidence } = entry;
  return [
    entry.atMs,
    vf.pfKey,
    vf.vfIndex,
    vf.pf,
    vf.address,
    entry.event,
    entry.from,
    entry.to,
    entry.generation,
    entry.holder,
    entry.reason,
    JSON.stringify(evidence),
  ];
};

function wrong(row: Row, column: string): SriovError {
  const target = `${String(row["pf_key"])}/${String(row["vf_index"])}`;
  const message = `Cannot read the lease of ${target}: its ${column} is ${String(row[column])}`;
  return new SriovError("file-format", message, { operation: "read leases", target });
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw wrong(row, column);
}

function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw wrong(row, column);
}

const orNull = <T>(row: Row, column: string, read: (row: Row, column: string) => T): T | null =>
  row[column] === null ? null : read(row, column);

function state(row: Row, column: string): LeaseState {
  const value = text(row, column);
  const known = leaseStates.find((each) => each === value);
  if (known !== undefined) return known;
  throw wrong(row, column);
}

function json(row: Row, column: string): unknown {
  try {
    return JSON.parse(text(row, column));
  } catch {
    throw wrong(row, column);
  }
}

function texts(row: Row, column: string): string[] {
  const value = json(row, column);
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw wrong(row, column);
}

function plug(row: Row, column: string): Plug {
  const value = json(row, column);
  if (isPlug(value)) return value;
  throw wrong(row, column);
}

const placeOf = (row: Row): VfPlace => ({
  pfKey: text(row, "pf_key"),
  vfIndex: number(row, "vf_index"),
  pf: text(row, "pf"),
  address: text(row, "address"),
});

/** Throws SriovError `file-format`. */
export function leaseOf(row: Row): Lease {
  const name = orNull(row, "holder", text);
  return {
    vf: placeOf(row),
    state: state(row, "state"),
    generation: number(row, "generation"),
    holder: name === null ? null : { name, pid: orNull(row, "holder_pid", number) },
    pool: orNull(row, "pool", text),
    bootId: orNull(row, "boot_id", text),
    sinceMs: number(row, "since_ms"),
    expiresAtMs: orNull(row, "expires_at_ms", number),
    worker: orNull(row, "worker", number),
    reason: text(row, "reason"),
    evidence: texts(row, "evidence"),
    plug: orNull(row, "plug", plug),
  };
}

/** What the store has of an event: a newer program may have known more of them. */
export type StoredEntry = Omit<HistoryEntry, "event"> & {
  readonly number: number;
  readonly event: string;
};

/** Throws SriovError `file-format`. */
export const entryOf = (row: Row): StoredEntry => ({
  number: number(row, "number"),
  atMs: number(row, "at_ms"),
  vf: placeOf(row),
  event: text(row, "event"),
  from: state(row, "from_state"),
  to: state(row, "to_state"),
  generation: number(row, "generation"),
  holder: orNull(row, "holder", text),
  reason: text(row, "reason"),
  evidence: texts(row, "evidence"),
});
