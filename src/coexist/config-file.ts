// A file of another manager's configuration, and what every reader of such files gives back. A
// file is its path on the host and its text; nothing here opens one.

import { parseMac } from "../model/mac.ts";
import type { Claim } from "../model/claim.ts";
import type { Problem } from "../model/problem.ts";

export type ConfigFile = {
  /** On the host, whatever root it was read under: `/etc/systemd/network/10-p0.link`. */
  readonly path: string;
  readonly text: string;
};

export type ClaimReading = {
  readonly claims: readonly Claim[];
  readonly problems: readonly Problem[];
};

export type ReadClaims = (files: readonly ConfigFile[]) => ClaimReading;

export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** Collects problems of one manager's files, each with its place. */
export class Complaints {
  readonly problems: Problem[] = [];

  /** `where` is `file:line`; what is there, colon, what was wanted. */
  add(where: string, message: string): void {
    // A file of rubbish is one complaint too many already.
    if (this.problems.length < 100) this.problems.push({ code: "other-config", where, message });
  }
}

export const shown = (text: string): string => JSON.stringify(text.slice(0, 60));

/** Plain decimal digits within limits; null for everything else. */
export function parseCount(text: string, max: number): number | null {
  return /^[0-9]{1,9}$/.test(text) && Number(text) <= max ? Number(text) : null;
}

/** As systemd, GLib, YAML 1.1 and people write booleans; null for everything else. */
export function parseSwitch(text: string): boolean | null {
  const word = text.toLowerCase();
  if (["1", "yes", "y", "true", "t", "on"].includes(word)) return true;
  return ["0", "no", "n", "false", "f", "off"].includes(word) ? false : null;
}

/** As `parseMac`, also without separators or with dots, as systemd takes them. */
export function parseAnyMac(text: string): string | null {
  const digits = text.replaceAll(/[.:-]/g, "");
  if (!/^[0-9a-f]{12}$/i.test(digits)) return null;
  return parseMac(digits.replaceAll(/(..)(?!$)/g, "$1:"));
}

/** Files by name, the first folder in `folders` winning, in the order of their names. Files that
 * are in none of the folders stay, each by itself. */
export function withoutShadowed(
  files: readonly ConfigFile[],
  folders: readonly string[],
): ConfigFile[] {
  const rank = ({ path }: ConfigFile): number => {
    const at = folders.indexOf(folderOf(path));
    return at === -1 ? folders.length : at;
  };
  const byName = new Map<string, ConfigFile>();
  for (const file of files.toSorted((left, right) => rank(left) - rank(right))) {
    const isPlaced = rank(file) < folders.length;
    const name = isPlaced ? baseName(file.path) : file.path;
    if (!byName.has(name)) byName.set(name, file);
  }
  const order = ({ path }: ConfigFile): string => baseName(path);
  return [...byName.values()].sort((left, right) => {
    return order(left) < order(right) ? -1 : order(left) > order(right) ? 1 : 0;
  });
}
