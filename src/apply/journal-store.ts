// Where journals are kept: one file an apply in one directory a host. Names begin with a number
// that only grows, so their order is the order of applies whatever the clock did. A sink makes
// text durable before it returns: file contents by fdatasync, a new name by fsync of the directory.

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { SriovError } from "../model/errors.ts";
import { errnoOf, readErrorOf, writeErrorOf } from "../model/file-error.ts";
import type { Problem } from "../model/problem.ts";
import type { Journal } from "./journal.ts";
import { decodeJournal } from "./journal-decode.ts";

/** Appends text; on return it survives a power failure. */
export interface JournalSink {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

export interface JournalStore {
  /** In the order in which the applies began. Throws `file-unreadable`. */
  ids(): readonly string[];
  read(id: string): Uint8Array;
  /** The last bytes, enough for an `end` line. */
  readTail(id: string): Uint8Array;
  /** For messages. */
  pathOf(id: string): string;
  /** Fails when `id` is there already. */
  create(id: string): Promise<JournalSink>;
  /** Cuts everything after `soundBytes` (a torn line) and goes on from there. */
  reopen(id: string, soundBytes: number): Promise<JournalSink>;
  remove(id: string): void;
}

const extension = ".jsonl";

const isMissing = (error: unknown): boolean => errnoOf(error) === "ENOENT";

const unwritable = (path: string, cause: unknown): SriovError =>
  new SriovError("journal-unwritable", `Cannot write journal ${path}: ${writeErrorOf(cause)}`, {
    operation: "write journal",
    target: path,
    errno: errnoOf(cause),
    cause,
  });

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

const sinkOf = (handle: FileHandle, path: string): JournalSink => ({
  append: async (text) => {
    try {
      await handle.appendFile(text);
      await handle.datasync();
    } catch (cause) {
      throw unwritable(path, cause);
    }
  },
  close: async () => await handle.close(),
});

const tailBytes = 256;

/** A FIFO or a device under a journal's name must not keep us waiting. */
function withFile<Result>(path: string, read: (fd: number, size: number) => Result): Result {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error("it is no regular file");
    return read(fd, stat.size);
  } finally {
    closeSync(fd);
  }
}

const readLast = (path: string, numBytes: number): Uint8Array =>
  withFile(path, (fd, size) => {
    const bytes = Buffer.alloc(numBytes);
    const from = Math.max(0, size - numBytes);
    return bytes.subarray(0, readSync(fd, bytes, 0, numBytes, from));
  });

function idsIn(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(extension));
    return names.map((name) => name.slice(0, -extension.length)).toSorted();
  } catch (cause) {
    // A host that never had an apply has no directory.
    if (isMissing(cause)) return [];
    const message = `Cannot read the journals in ${directory}: ${readErrorOf(cause)}`;
    const detail = { operation: "read journals", target: directory, errno: errnoOf(cause), cause };
    throw new SriovError("file-unreadable", message, detail);
  }
}

export function directoryStore(directory: string): JournalStore {
  const pathOf = (id: string): string => join(directory, `${id}${extension}`);
  return {
    pathOf,
    ids: () => idsIn(directory),
    read: (id) => withFile(pathOf(id), (fd) => readFileSync(fd)),
    readTail: (id) => readLast(pathOf(id), tailBytes),
    create: async (id) => {
      const path = pathOf(id);
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const handle = await open(path, "ax", 0o600);
        await syncDirectory(directory);
        return sinkOf(handle, path);
      } catch (cause) {
        throw unwritable(path, cause);
      }
    },
    reopen: async (id, soundBytes) => {
      const path = pathOf(id);
      try {
        const handle = await open(path, "r+");
        await handle.truncate(soundBytes);
        await handle.close();
        return sinkOf(await open(path, "a"), path);
      } catch (cause) {
        throw unwritable(path, cause);
      }
    },
    remove: (id) => rmSync(pathOf(id), { force: true }),
  };
}

/** The id of the next apply: its number, then its start for people (`000042-20260801T101500Z`). */
export function nextId(ids: readonly string[], startedAt: string): string {
  const numbers = ids.map((id) => Number.parseInt(id, 10)).filter(Number.isSafeInteger);
  const number = Math.max(0, ...numbers) + 1;
  const stamp = startedAt.replaceAll(/[^0-9TZ.]/g, "").replace(/\..*Z/, "Z");
  return `${String(number).padStart(6, "0")}-${stamp}`;
}

/** Every journal that can be read, oldest first, and a problem for each that cannot. */
export function readJournals(store: JournalStore): {
  readonly journals: readonly Journal[];
  readonly problems: readonly Problem[];
  /** Of files whose apply changed nothing: they stand in nobody's way. */
  readonly unborn: readonly Problem[];
} {
  const journals: Journal[] = [];
  const problems: Problem[] = [];
  const unborn: Problem[] = [];
  for (const id of store.ids()) {
    const decoded = readJournal(store, id);
    if (decoded.kind === "journal") journals.push(decoded.journal);
    else (decoded.kind === "damaged" ? problems : unborn).push(decoded.problem);
  }
  return { journals, problems, unborn };
}

export function readJournal(store: JournalStore, id: string): ReturnType<typeof decodeJournal> {
  const path = store.pathOf(id);
  try {
    return decodeJournal(id, store.read(id), path);
  } catch (error) {
    const message = `Cannot read journal: ${readErrorOf(error)}`;
    const hint = "Check the file's permissions";
    return { kind: "damaged", problem: { code: "journal-unreadable", where: path, message, hint } };
  }
}
