// Every spec of the configuration folder as one: what an unattended apply works from. Loads the
// YAML parser.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { SriovError } from "../model/errors.ts";
import { errnoOf, readErrorOf } from "../model/file-error.ts";
import { mergeSpecs, type MergedSpec } from "../model/spec-merge.ts";

export type DirectoryFile = {
  readonly path: string;
  /** Of its bytes, in hex; null: it could not be read. */
  readonly sha256: string | null;
};

export type SpecDirectory = {
  readonly files: readonly DirectoryFile[];
  readonly merged: MergedSpec;
};

/** In name order, by bytes: `10-nic.yaml` before `9-nic.yaml`. Hidden files are somebody's editor's. */
function specNames(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^[^.].*\.yaml$/.test(name))
      .toSorted();
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return [];
    const message = `Cannot read ${directory}: ${readErrorOf(cause)}`;
    const detail = { operation: "read folder", target: directory, errno: errnoOf(cause), cause };
    throw new SriovError("file-unreadable", message, detail);
  }
}

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function readBytes(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return null;
  }
}

/** Throws SriovError `file-unreadable` where the folder cannot be listed; a missing one is empty. */
export function readSpecDirectory(directory: string): SpecDirectory {
  const paths = specNames(directory).map((name) => join(directory, name));
  const files = paths
    .filter((path) => !isFolder(path))
    .map((path) => ({ path, bytes: readBytes(path) }));
  const specFiles = files.map(({ path, bytes }) => ({
    source: path,
    text: bytes?.toString("utf8") ?? null,
  }));
  return {
    files: files.map(({ path, bytes }) => ({
      path,
      sha256: bytes === null ? null : createHash("sha256").update(bytes).digest("hex"),
    })),
    merged: mergeSpecs(specFiles, directory),
  };
}
