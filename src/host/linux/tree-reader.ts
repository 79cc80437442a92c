// Reads small files, links and folders as cheaply as Node can: one open, one read into a shared
// buffer, one close, all synchronous (promises cost 20 times as much here). A gap in the tree is
// a problem in the list, never an exception; callers list a folder first and so ask only for
// what is there. Where the files are is somebody else's choice: on this machine, or in a capture.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from "node:fs";
import type { Problem } from "../../model/problem.ts";

// A fifo or terminal in a captured tree must not make open() wait.
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A sysfs attribute is at most a page. */
const attributeBytesMax = 4096;
const buffer = Buffer.allocUnsafe(attributeBytesMax);

/** Names that libuv has differently, and numbers that the kernel keeps to itself but drivers leak
 * (include/linux/errno.h). */
const ownNames: ReadonlyMap<number, string> = new Map([
  [95, "EOPNOTSUPP"],
  [517, "EPROBE_DEFER"],
  [524, "ENOTSUPP"],
]);

/** errno name of a caught file error, `errno 999` where it has no name; null for other values. */
export function errnoOf(caught: unknown): string | null {
  if (!(caught instanceof Error)) return null;
  const { code, errno } = caught as NodeJS.ErrnoException;
  const ownName = errno === undefined ? undefined : ownNames.get(-errno);
  if (ownName !== undefined) return ownName;
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) return code;
  return errno === undefined ? null : `errno ${-errno}`;
}

/** Where files come from: the file system, or a capture. Each throws what Node throws. */
export type FileSource = {
  /** At most a page, without the last newline. */
  readonly attribute: (path: string) => string;
  readonly whole: (path: string) => string;
  readonly link: (path: string) => string;
  readonly names: (path: string) => string[];
};

export class TreeReader {
  readonly problems: Problem[] = [];
  readonly #files: FileSource;

  constructor(files: FileSource = fileSystem) {
    this.#files = files;
  }

  report(code: string, where: string, message: string): void {
    this.problems.push({ code, where, message });
  }

  #gap(path: string, caught: unknown): null {
    const errno = errnoOf(caught);
    if (errno === null) throw caught;
    this.report("unreadable", path, `Cannot read ${path}: ${errno}`);
    return null;
  }

  /** Text of a file without its last newline, at most a page; null with a problem. */
  text(path: string): string | null {
    try {
      return this.#files.attribute(path);
    } catch (error) {
      return this.#gap(path, error);
    }
  }

  /** As `text`, but a missing file is no problem, nor is any other errno that is named. */
  textIfThere(path: string, fine: readonly string[] = []): string | null {
    try {
      return this.#files.attribute(path);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      const isFine = errno === "ENOENT" || errno === "ENOTDIR" || fine.includes(errno);
      return isFine ? null : this.#gap(path, error);
    }
  }

  /** All of a file that may be longer than a page, as those of /proc are; null where it is missing
   * or refused with an errno that is named fine. */
  wholeText(path: string, fine: readonly string[] = []): string | null {
    try {
      return this.#files.whole(path);
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      return errno === "ENOENT" || fine.includes(errno) ? null : this.#gap(path, error);
    }
  }

  /** All of a plain file of at most so many bytes; null where there is none, with a problem where
   * it is longer or refused. */
  boundedText(path: string, bytesMax: number): string | null {
    try {
      const text = readPlainFile(path, bytesMax);
      if (text !== null) return text;
      this.report(
        "too-long",
        path,
        `Cannot use ${path}: wanted a file of ${bytesMax} bytes at most`,
      );
      return null;
    } catch (error) {
      const errno = errnoOf(error) ?? "";
      return errno === "ENOENT" || errno === "ENOTDIR" ? null : this.#gap(path, error);
    }
  }

  /** Decimal number of a file; null with a problem when there is none. */
  decimal(path: string): number | null {
    const text = this.text(path);
    if (text === null) return null;
    const value = parseDecimal(text);
    if (value !== null) return value;
    if (/^-[0-9]{1,15}$/.test(text)) return Number(text);
    return this.#garbage(path, text, "a decimal number");
  }

  /** Hexadecimal number, with or without 0x. */
  hexadecimal(path: string): number | null {
    const text = this.text(path);
    if (text === null) return null;
    if (/^(?:0x)?[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16);
    return this.#garbage(path, text, "a hexadecimal number");
  }

  #garbage(path: string, text: string, wanted: string): null {
    const shown = text === "" ? "nothing" : JSON.stringify(text.slice(0, 40));
    this.report("garbage", path, `Cannot use ${path}: it holds ${shown}, wanted ${wanted}`);
    return null;
  }

  /** Target of a link; null when there is none, with a problem unless it is simply missing. */
  link(path: string): string | null {
    try {
      return this.#files.link(path);
    } catch (error) {
      const errno = errnoOf(error);
      const isNoLink = errno === "ENOENT" || errno === "EINVAL" || errno === "ENOTDIR";
      return isNoLink ? null : this.#gap(path, error);
    }
  }

  /** Names in a folder; null with a problem when it cannot be listed. */
  names(path: string): string[] | null {
    try {
      return this.#files.names(path);
    } catch (error) {
      return this.#gap(path, error);
    }
  }

  /** As `names`, but a missing folder is an empty one. */
  namesIfThere(path: string): string[] {
    try {
      return this.#files.names(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== "ENOENT" && errno !== "ENOTDIR") this.#gap(path, error);
      return [];
    }
  }
}

function readAttribute(path: string): string {
  const fd = openSync(path, openFlags);
  try {
    const length = readSync(fd, buffer, 0, attributeBytesMax, null);
    const end = length > 0 && buffer[length - 1] === 0x0a ? length - 1 : length;
    return buffer.toString("latin1", 0, end);
  } finally {
    closeSync(fd);
  }
}

/** null for what is no plain file, or is longer. Files of /proc say that they have 0 bytes. */
function readPlainFile(path: string, bytesMax: number): string | null {
  const fd = openSync(path, openFlags);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > bytesMax) return null;
    const text = readFileSync(fd, "utf8");
    return text.length > bytesMax ? null : text;
  } finally {
    closeSync(fd);
  }
}

export const fileSystem: FileSource = {
  attribute: readAttribute,
  whole: (path) => readFileSync(path, { encoding: "latin1", flag: "r" }),
  link: (path) => readlinkSync(path),
  names: (path) => readdirSync(path),
};

/** Digits and nothing else, from `start`. Runs for every VF: a third of a regular expression. */
function parseDecimal(text: string, start = 0): number | null {
  const { length } = text;
  if (length === start || length - start > 15) return null;
  let value = 0;
  for (let at = start; at < length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value;
}

/** Number at the end of a path, as in `.../iommu_groups/14`; null without one. */
export const trailingNumber = (path: string): number | null =>
  parseDecimal(path, path.lastIndexOf("/") + 1);
