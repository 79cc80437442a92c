// Where leases live: a SQLite file of its owner alone, and the room's one edge. Every transaction takes
// the writer's lock before it reads, so what it decides on is what it changes; when it returns, the
// disk has it (synchronous FULL). A killed process leaves the last whole transaction.

import { closeSync, linkSync, lstatSync, mkdirSync, openSync, rmSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SriovError } from "../model/errors.ts";
import { errnoOf, writeErrorOf } from "../model/file-error.ts";
import {
  freeLease,
  stepLease,
  targetOf,
  type Lease,
  type LeaseEvent,
  type Moment,
  type VfPlace,
} from "./lease.ts";
import {
  entryOf,
  historyColumns,
  historyValues,
  insertEntrySql,
  leaseColumns,
  leaseOf,
  leaseValues,
  upsertLeaseSql,
  type Row,
  type StoredEntry,
} from "./rows.ts";
import { applicationId, migrations, schemaVersion } from "./schema.ts";

/** The leases as they are inside one transaction. */
export interface LeaseTable {
  /** All that were ever claimed, free ones too. */
  all(): readonly Lease[];
  /** null: it was never claimed. */
  of(vf: Pick<VfPlace, "pfKey" | "vfIndex">): Lease | null;
  /** Throws SriovError `lease-refused`; the transaction then changes nothing. */
  step(vf: VfPlace, event: LeaseEvent, moment: Moment): Lease;
}

/** How long a transaction waits for the others'. */
const lockTimeoutMs = 30_000;

/** Entries of the history that are kept. */
const keptEntries = 100_000;

/** SQLite's primary result code (sqlite3.h); null for what is no failure of SQLite. */
const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : null;

const [busy, constraint] = [5, 19];

/** CORRUPT, NOTADB and the plain ERROR of a statement that the file does not fit. */
const ofContents: ReadonlySet<number | null> = new Set([1, 11, 26]);

const formatError = (path: string, what: string, cause?: unknown): SriovError =>
  new SriovError("file-format", `Cannot read leases ${path}: ${what}`, {
    operation: "open leases",
    target: path,
    cause,
  });

function failureOf(path: string, error: unknown): unknown {
  if (error instanceof SriovError) return error;
  const code = sqliteCode(error);
  const detail = { operation: "use leases", target: path, cause: error };
  if (code === busy) {
    const message = `Cannot use leases ${path}: another process has them locked`;
    return new SriovError("locked", message, detail);
  }
  if (code === constraint) {
    const message = `Cannot change leases ${path}: one VF would be leased twice`;
    return new SriovError("lease-refused", message, detail);
  }
  if (ofContents.has(code)) return formatError(path, (error as Error).message, error);
  if (code === null && errnoOf(error) === null) return error;
  const message = `Cannot write leases ${path}: ${writeErrorOf(error)}`;
  return new SriovError("state-unwritable", message, { ...detail, errno: errnoOf(error) });
}

type Fault = { readonly fault: string; readonly hint?: string };

function faultOf(stat: Stats): Fault | null {
  const own = process.geteuid?.() ?? stat.uid;
  if (!stat.isFile()) {
    return { fault: "it is no plain file", hint: "Find out who put it there, and move it away" };
  }
  if (stat.uid !== own) {
    const hint = `Find out who changed it, then give it back: chown ${own}`;
    return { fault: `user ${stat.uid} owns it, wanted ${own}`, hint };
  }
  if ((stat.mode & 0o077) === 0) return null;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  return { fault: `its mode is ${mode}, wanted 0600` };
}

/** Whoever may write the file may give any VF to anybody. */
function assertOwnFile(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    const stat = lstatSync(file, { throwIfNoEntry: false });
    const found = stat === undefined ? null : faultOf(stat);
    if (found === null) continue;
    const { fault, ...hint } = found;
    const detail = { operation: "open leases", target: file, ...hint };
    throw new SriovError("unsafe-file", `Cannot trust leases ${file}: ${fault}`, detail);
  }
}

const removeFile = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
};

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: lockTimeoutMs });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const pragma = (database: DatabaseSync, name: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);

/** Brings the store to this program's version. Everything or nothing of it is done. */
function migrate(database: DatabaseSync, path: string): void {
  const version = pragma(database, "user_version");
  if (pragma(database, "application_id") !== applicationId && version !== 0) {
    throw formatError(path, "it is another program's database");
  }
  if (version > schemaVersion) {
    throw formatError(path, `its format is ${version}, wanted at most ${schemaVersion}`);
  }
  if (version === schemaVersion) return;
  database.exec("BEGIN IMMEDIATE");
  if (pragma(database, "user_version") === version) {
    for (const change of migrations.slice(version)) database.exec(change);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${schemaVersion}`);
  }
  database.exec("COMMIT");
  // Another process was first, and it may be a newer program.
  migrate(database, path);
}

/** Made beside and linked into place, so nobody ever opens half a store. */
function createStore(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new-${process.pid}`;
  removeFile(temporary);
  try {
    closeSync(openSync(temporary, "ax", 0o600));
    const database = openDatabase(temporary);
    try {
      migrate(database, temporary);
    } finally {
      database.close();
    }
    linkSync(temporary, path);
  } catch (error) {
    // EEXIST: another process was first, and its store is as good.
    if (errnoOf(error) !== "EEXIST") throw error;
  } finally {
    removeFile(temporary);
  }
}

type HistoryWish = {
  /** null: of all VFs. */
  readonly vf: Pick<VfPlace, "pfKey" | "vfIndex"> | null;
  /** The newest so many. */
  readonly limit: number;
};

export class LeaseStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #all: StatementSync;
  readonly #one: StatementSync;
  readonly #put: StatementSync;
  readonly #note: StatementSync;
  readonly #prune: StatementSync;

  constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    const lease = leaseColumns.join(", ");
    this.#all = database.prepare(`SELECT ${lease} FROM leases ORDER BY pf, vf_index`);
    this.#one = database.prepare(`SELECT ${lease} FROM leases WHERE pf_key = ? AND vf_index = ?`);
    this.#put = database.prepare(upsertLeaseSql);
    this.#note = database.prepare(insertEntrySql);
    this.#prune = database.prepare("DELETE FROM history WHERE number <= ?");
  }

  /** Runs `work` alone, and keeps all that it did or, when it throws, nothing. */
  transact<Result>(work: (table: LeaseTable) => Result): Result {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const result = work({
        all: () => this.#leases(),
        of: (vf) => this.#lease(vf),
        step: (vf, event, moment) => this.#step(vf, event, moment),
      });
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk has rolled back already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw failureOf(this.#path, error);
    }
  }

  leases(): readonly Lease[] {
    return this.#reading(() => this.#leases());
  }

  /** Newest first. */
  history({ vf, limit }: HistoryWish): readonly StoredEntry[] {
    const where = vf === null ? "" : "WHERE pf_key = ? AND vf_index = ?";
    const sql = `SELECT number, ${historyColumns.join(", ")} FROM history ${where}`;
    const values = vf === null ? [] : [vf.pfKey, vf.vfIndex];
    return this.#reading(() =>
      this.#database
        .prepare(`${sql} ORDER BY number DESC LIMIT ?`)
        .all(...values, limit)
        .map((row) => entryOf(row as Row)),
    );
  }

  close(): void {
    this.#database.close();
  }

  #reading<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (error) {
      throw failureOf(this.#path, error);
    }
  }

  #leases(): readonly Lease[] {
    return this.#all.all().map((row) => leaseOf(row as Row));
  }

  #lease({ pfKey, vfIndex }: Pick<VfPlace, "pfKey" | "vfIndex">): Lease | null {
    const row = this.#one.get(pfKey, vfIndex);
    return row === undefined ? null : leaseOf(row as Row);
  }

  #step(vf: VfPlace, event: LeaseEvent, moment: Moment): Lease {
    const before = this.#lease(vf) ?? freeLease(vf);
    // A free VF is where the host says that it is, not where it was when somebody last had it.
    const step = stepLease(before.state === "free" ? { ...before, vf } : before, event, moment);
    if (!("lease" in step)) {
      const detail = { operation: `${event.kind} lease`, target: targetOf(vf) };
      throw new SriovError("lease-refused", step.message, detail);
    }
    this.#put.run(...leaseValues(step.lease));
    const { number } = this.#note.get(...historyValues(step.entry)) ?? {};
    if (Number(number) % 1000 === 0) this.#prune.run(Number(number) - keptEntries);
    return step.lease;
  }
}

/** Opens the store at `path`, or null where there is none. Throws `unsafe-file`, `file-format`,
 * `locked` and `state-unwritable`. */
export function openLeasesIfThere(path: string): LeaseStore | null {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
    assertOwnFile(path);
    const database = openDatabase(path);
    try {
      migrate(database, path);
      return new LeaseStore(path, database);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw failureOf(path, error);
  }
}

/** Opens the store at `path`, made where there is none. Throws what `openLeasesIfThere` does. */
export function openLeases(path: string): LeaseStore {
  const there = openLeasesIfThere(path);
  if (there !== null) return there;
  try {
    createStore(path);
  } catch (error) {
    throw failureOf(path, error);
  }
  return openLeases(path);
}
