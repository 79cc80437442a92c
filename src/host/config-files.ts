// Reads the configuration of other network managers under a root: every folder and file that
// coexist/claims.ts names, nothing else. Sizes and counts are bounded, nothing that is no plain
// file is waited for, and what cannot be read is a problem: somebody may own a PF there.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { isConfigName, managerList, readClaims } from "../coexist/claims.ts";
import type { ConfigFile } from "../coexist/config-file.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";

const fileBytesMax = 1 << 20;
const folderNamesMax = 4096;

const missing = new Set(["ENOENT", "ENOTDIR", "ENOTCONN"]);

/** What it means that a file cannot be read. */
type Loss = { readonly code: string; readonly words: string };

const setUpLoss: Loss = { code: "other-config", words: "which may set up VFs" };

export class ConfigReader {
  readonly problems: Problem[] = [];
  readonly files: ConfigFile[] = [];
  readonly #root: string;
  readonly #loss: Loss;
  readonly #seen = new Set<string>();

  constructor(root: string, loss: Loss) {
    this.#root = root;
    this.#loss = loss;
  }

  #report(path: string, why: string): void {
    const { code, words } = this.#loss;
    const message = `Cannot read ${path}, ${words}: ${why}`;
    this.problems.push({ code, where: path, message });
  }

  /** Under another root a link leads to where it would lead there. */
  #realPath(path: string): string {
    const plain = join(this.#root, path);
    if (this.#root === "/" || !lstatSync(plain).isSymbolicLink()) return plain;
    const target = readlinkSync(plain);
    return join(this.#root, resolve(join(path, ".."), target));
  }

  #attempt<Result>(path: string, read: () => Result): Result | null {
    try {
      return read();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      if (!missing.has(code)) this.#report(path, code);
      return null;
    }
  }

  #textOf(path: string): string | null {
    const target = this.#realPath(path);
    // The way to mask a file: no need to look into the device.
    if (target.endsWith("/dev/null")) return "";
    const fd = openSync(target, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) return stat.isCharacterDevice() ? "" : null;
      if (stat.size > fileBytesMax) {
        this.#report(path, `it has ${stat.size} bytes, at most ${fileBytesMax} are read`);
        return null;
      }
      const buffer = Buffer.alloc(stat.size);
      const length = readSync(fd, buffer, 0, stat.size, 0);
      return buffer.toString("utf8", 0, length);
    } finally {
      closeSync(fd);
    }
  }

  readFile(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    const text = this.#attempt(path, () => this.#textOf(path));
    if (text !== null) this.files.push({ path, text });
  }

  names(path: string): string[] {
    const names = this.#attempt(path, () => readdirSync(this.#realPath(path))) ?? [];
    if (names.length > folderNamesMax) {
      this.#report(path, `it has ${names.length} files, the first ${folderNamesMax} are read`);
    }
    return names.sort().slice(0, folderNamesMax);
  }
}

export type ConfigFiles = {
  readonly files: readonly ConfigFile[];
  readonly problems: readonly Problem[];
};

/** Files of other managers under `root`, with paths as they are on that host. */
export function readConfigFiles(root: string): ConfigFiles {
  const reader = new ConfigReader(resolve(root), setUpLoss);
  for (const [, { folders, names, dropIns, files }] of managerList) {
    for (const path of files) reader.readFile(path);
    for (const folder of folders) {
      for (const name of reader.names(folder)) {
        const path = `${folder}/${name}`;
        if (dropIns?.test(name) === true) {
          const parts = reader.names(path).filter((part) => isConfigName(part, names));
          for (const part of parts) reader.readFile(`${path}/${part}`);
        } else if (isConfigName(name, names)) reader.readFile(path);
      }
    }
  }
  return { files: reader.files, problems: reader.problems };
}

/** The inventory with what other managers claim in their files. */
export function withClaims(inventory: Inventory, { files, problems }: ConfigFiles): Inventory {
  const reading = readClaims(files);
  return {
    ...inventory,
    claims: reading.claims,
    problems: [...inventory.problems, ...problems, ...reading.problems],
  };
}
