// The facts of the version that have to be looked up: whether this is the single executable, and in
// a checkout what git says.

import { spawnSync } from "node:child_process";
import { isSingleExecutable } from "../host/linux/own-command.ts";
import { builtFacts, type BuildFacts, type VersionFacts } from "./version.ts";

/** What `git` prints in `directory`; null without git or outside of a repository. */
function git(directory: string, ...words: readonly string[]): string | null {
  const { status, stdout } = spawnSync("git", ["-C", directory, ...words], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/** Of the commit that is checked out in `directory`, whose files may have been changed since. */
export function factsOfCheckout(directory: string): BuildFacts {
  const [commit, date] = git(directory, "log", "-1", "--format=%H %cs")?.split(" ") ?? [];
  if (commit === undefined || date === undefined) return { commit: null, date: null };
  const isClean = git(directory, "status", "--porcelain", "--untracked-files=no") === "";
  return { commit: isClean ? commit : `${commit}+`, date };
}

export const versionFacts = (): VersionFacts => ({
  ...(builtFacts ?? factsOfCheckout(import.meta.dirname)),
  kind: builtFacts === null ? "checkout" : isSingleExecutable() ? "executable" : "package",
  platform: `${process.platform}-${process.arch}`,
  node: process.versions.node,
});
