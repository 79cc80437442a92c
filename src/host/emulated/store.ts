// Where a machine lives. A transaction sees it as it is now, locked against everybody else, and
// leaves it changed as a whole or not at all. In memory that is trivial; on disk it is a SQLite
// file, because the kernel drops its locks with a killed process and a verb that touches one VF of
// 65,000 writes a few pages.

import { existsSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SriovError } from "../../model/errors.ts";
import { errnoOf, writeErrorOf } from "../../model/file-error.ts";
import { machineOf, type Machine } from "./machine.ts";
import type { PfState } from "./state.ts";
import { stateFormat } from "./state.ts";
import { pageVfs, stateOf, type PfRow } from "./state-rows.ts";

export interface MachineStore {
  transact<Result>(change: (machine: Machine) => Result): Result;
  close(): void;
}

export function memoryStore(machine: Machine): MachineStore {
  return {
    transact(change) {
      const result = change(machine);
      machine.dirty.clear();
      return result;
    },
    close: () => undefined,
  };
}

/** How long a transaction waits for another process. */
const lockTimeoutMs = 10_000;

const failure = (path: string, what: string, cause?: unknown): SriovError =>
  new SriovError("file-format", `Cannot read emulated machine ${path}: ${what}`, {
    operation: "open emulated machine",
    target: path,
    hint: "Make the machine anew with sriovctl demo --reset; the file is left as it is until then",
    cause,
  });

/** SQLite's primary result code (sqlite3.h); null for what is no failure of SQLite. */
const sqliteCode = (error: unknown): number | null =>
  error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : null;

const sqliteBusy = 5;

/** READONLY, IOERR, FULL and CANTOPEN speak of the disk, not of what is in the file. */
const sqliteDisk: ReadonlySet<number | null> = new Set([8, 10, 13, 14]);

const isOfDisk = (error: unknown): boolean =>
  sqliteDisk.has(sqliteCode(error)) || (error instanceof Error && "syscall" in error);

/** What stands between us and the file, in words; everything else as it is. */
function accessFailure(path: string, error: unknown): unknown {
  if (sqliteCode(error) === sqliteBusy) {
    const message = `Cannot use emulated machine ${path}: another process has it locked`;
    const hint = "Wait until that process has ended, or end it; fuser names it";
    const detail = { operation: "lock emulated machine", target: path, hint, cause: error };
    return new SriovError("locked", message, detail);
  }
  if (!isOfDisk(error)) return error;
  const words = `Cannot write emulated machine ${path}: ${writeErrorOf(error)}`;
  const errno = errnoOf(error);
  const detail = { operation: "write emulated machine", target: path, errno, cause: error };
  return new SriovError("state-unwritable", words, detail);
}

/** Removes the machine; a process that has it open keeps the one it has. */
export function removeStore(path: string): void {
  try {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  } catch (error) {
    throw accessFailure(path, error);
  }
}

/**
 * Opens the machine at `path`; makes it with `build` where there is none. Throws `file-format`,
 * `state-unwritable`, and `locked` after `timeoutMs` of waiting for another process.
 */
export function openStore(
  path: string,
  build: () => Machine,
  timeoutMs: number = lockTimeoutMs,
): MachineStore {
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) createStore(path, build());
    if (statSync(path).size === 0) throw failure(path, "the file is empty, wanted a machine");
  } catch (error) {
    throw accessFailure(path, error);
  }
  try {
    return new FileStore(path, timeoutMs);
  } catch (error) {
    // What cannot be opened at all says nothing about its contents.
    const wrapped = accessFailure(path, error);
    if (wrapped instanceof SriovError) throw wrapped;
    throw failure(path, `${(error as Error).message}, wanted ${stateFormat}`, error);
  }
}

/** The machine at `path`, which is there, for the length of one piece of work. */
export function withStore<Result>(path: string, work: (store: MachineStore) => Result): Result {
  const store = openStore(path, () => {
    throw failure(path, "it is not there");
  });
  try {
    return work(store);
  } finally {
    store.close();
  }
}

/** Made beside and linked into place, so nobody ever opens half a machine. */
function createStore(path: string, machine: Machine): void {
  const temporary = `${path}.new-${process.pid}`;
  removeStore(temporary);
  try {
    fillStore(temporary, machine);
    linkSync(temporary, path);
  } catch (error) {
    // EEXIST: another process was first, and its machine is as good.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    removeStore(temporary);
  }
}

function fillStore(path: string, machine: Machine): void {
  const database = openDatabase(path, lockTimeoutMs);
  try {
    database.exec("CREATE TABLE rows (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID");
    const writer = new RowWriter(database);
    database.exec("BEGIN");
    writer.writeAll(machine);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

function openDatabase(path: string, timeout: number): DatabaseSync {
  const database = new DatabaseSync(path, { timeout });
  try {
    // Rows fill small pages better. Only a power failure loses what was not synced to the disk.
    database.exec("PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class FileStore implements MachineStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #writer: RowWriter;
  #machine: Machine;
  readonly #dataVersionOf: StatementSync;
  #dataVersion: unknown;

  constructor(path: string, timeoutMs: number) {
    this.#path = path;
    this.#database = openDatabase(path, timeoutMs);
    try {
      this.#dataVersionOf = this.#database.prepare("PRAGMA data_version");
      const [check] = Object.values(this.#database.prepare("PRAGMA quick_check(1)").get() ?? {});
      if (check !== "ok") throw failure(path, String(check));
      this.#writer = new RowWriter(this.#database);
      this.#machine = this.#load();
      this.#dataVersion = this.#readDataVersion();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  transact<Result>(change: (machine: Machine) => Result): Result {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const version = this.#readDataVersion();
      if (version !== this.#dataVersion) {
        this.#machine = this.#load();
        this.#dataVersion = version;
      }
      const result = change(this.#machine);
      this.#writer.writeChanged(this.#machine);
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // Whatever happened, what is on disk is the machine. A full disk has rolled back already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#dataVersion = null;
      throw accessFailure(this.#path, error);
    }
  }

  close(): void {
    this.#database.close();
  }

  /** Changes when another connection has committed. */
  #readDataVersion(): unknown {
    return this.#dataVersionOf.get()?.["data_version"];
  }

  #load(): Machine {
    const rows = new Map<string, string>();
    for (const { key, text } of this.#database.prepare("SELECT key, text FROM rows").all()) {
      rows.set(String(key), String(text));
    }
    const state = stateOf(rows, (what) => failure(this.#path, what));
    this.#writer.remember(rows);
    return machineOf(state);
  }
}

/** Writes rows whose text has changed; VFs by the pages that hold changed ones. */
class RowWriter {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  #texts = new Map<string, string>();
  #vfCounts = new Map<string, number>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = this.#database.prepare("INSERT OR REPLACE INTO rows (key, text) VALUES (?, ?)");
    this.#drop = this.#database.prepare("DELETE FROM rows WHERE key = ?");
  }

  /** What is in the file. */
  remember(rows: ReadonlyMap<string, string>): void {
    this.#texts = new Map([...rows].filter(([key]) => !key.startsWith("vfs ")));
    this.#vfCounts = new Map();
    for (const [key, text] of this.#texts) {
      if (key.startsWith("pf ")) {
        this.#vfCounts.set(key.slice(3), (JSON.parse(text) as PfRow).vfCount);
      }
    }
  }

  writeAll(machine: Machine): void {
    for (const pf of machine.state.pfs) {
      machine.dirty.set(pf, new Set(pf.vfs.keys()));
    }
    this.writeChanged(machine);
  }

  writeChanged(machine: Machine): void {
    const { core, pfs } = machine.state;
    this.#write("core", JSON.stringify(core));
    for (const pf of pfs) {
      const { vfs, ...rest } = pf;
      this.#write(`pf ${pf.address}`, JSON.stringify({ ...rest, vfCount: vfs.length }));
      this.#writeVfs(pf, machine.dirty.get(pf) ?? new Set());
    }
    machine.dirty.clear();
  }

  #write(key: string, text: string): void {
    if (this.#texts.get(key) === text) return;
    this.#put.run(key, text);
    this.#texts.set(key, text);
  }

  #writeVfs(pf: PfState, changed: ReadonlySet<number>): void {
    const before = this.#vfCounts.get(pf.address) ?? 0;
    const pages = new Set<number>();
    for (const vfIndex of changed) pages.add(Math.floor(vfIndex / pageVfs));
    const pageCount = Math.ceil(pf.vfs.length / pageVfs);
    for (const page of pages) {
      if (page >= pageCount) continue;
      const vfs = pf.vfs.slice(page * pageVfs, (page + 1) * pageVfs);
      this.#put.run(`vfs ${pf.address} ${page}`, JSON.stringify(vfs));
    }
    for (let page = pageCount; page < Math.ceil(before / pageVfs); page++) {
      this.#drop.run(`vfs ${pf.address} ${page}`);
    }
    this.#vfCounts.set(pf.address, pf.vfs.length);
  }
}
