// What `enable` and `disable` do to files and to systemd: looked at first as a plan, then done.
// Only files that carry our first line are replaced or removed; below another root nothing of the
// running system is touched.

import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { applyUnitName } from "../install/apply-units.ts";
import { leaveAloneRulesPath, type InstalledFile } from "../install/installation.ts";
import { isOwnText } from "../install/own-file.ts";
import { bootMark } from "../install/udev-rules.ts";
import { SriovError } from "../model/errors.ts";
import { errnoOf, readErrorOf, writeErrorOf } from "../model/file-error.ts";
import { runSystemCommand } from "./system-command.ts";
import { writeFileWhole } from "./write-file.ts";

export type FileChange = {
  readonly path: string;
  readonly purpose: string;
  readonly change: "create" | "replace" | "remove" | "none";
  /** Why nothing is done, or what it was. */
  readonly because: string;
};

export type Site = {
  /** `/`, or the folder that an image is in. */
  readonly root: string;
  readonly runDir: string;
};

const at = ({ root }: Site, path: string): string => join(root, path);

/** null: there is nothing. Throws SriovError where somebody else's is in the way. */
function ownTextAt(site: Site, path: string): string | null {
  const place = at(site, path);
  const foreign = (what: string): SriovError =>
    new SriovError("foreign-file", `Cannot use ${place}: it is ${what}, wanted none or our own`, {
      operation: "enable",
      target: place,
    });
  try {
    const stats = lstatSync(place);
    if (stats.isSymbolicLink()) throw foreign(`a link to ${readlinkSync(place)}`);
    if (!stats.isFile()) throw foreign("no plain file");
    const text = readFileSync(place, "utf8");
    if (!isOwnText(text)) throw foreign("not a file of sriovctl's");
    return text;
  } catch (error) {
    if (error instanceof SriovError) throw error;
    if (errnoOf(error) === "ENOENT") return null;
    const message = `Cannot read ${place}: ${readErrorOf(error)}`;
    throw new SriovError("file-unreadable", message, { operation: "enable", target: place });
  }
}

const isPackaged = (site: Site, { packagedPath }: InstalledFile): boolean =>
  packagedPath !== null && existsSync(at(site, packagedPath));

function changeToHave(site: Site, file: InstalledFile): FileChange {
  const { path, purpose, text, packagedPath } = file;
  const present = ownTextAt(site, path);
  const change = (what: FileChange["change"], because: string): FileChange => {
    return { path, purpose, change: what, because };
  };
  if (isPackaged(site, file)) {
    const words = `the package has ${packagedPath}`;
    return present === null ? change("none", words) : change("remove", words);
  }
  if (present === null) return change("create", "it is not there");
  return present === text ? change("none", "it is there") : change("replace", "its text differs");
}

/** All of them. Throws SriovError `foreign-file` where one is somebody else's. */
export const changesToHave = (site: Site, files: readonly InstalledFile[]): FileChange[] =>
  files.map((file) => changeToHave(site, file));

/** Files that are not ours stay, and say so. */
export function changesToDrop(site: Site, files: readonly InstalledFile[]): FileChange[] {
  return files.map(({ path, purpose }): FileChange => {
    try {
      const isThere = ownTextAt(site, path) !== null;
      const because = isThere ? "it is ours" : "it is not there";
      return { path, purpose, change: isThere ? "remove" : "none", because };
    } catch (error) {
      if (!(error instanceof SriovError)) throw error;
      return { path, purpose, change: "none", because: error.message };
    }
  });
}

export function makeChanges(
  site: Site,
  changes: readonly FileChange[],
  files: readonly InstalledFile[],
): void {
  const byPath = new Map(files.map((file) => [file.path, file]));
  for (const { path, change } of changes) {
    const place = at(site, path);
    try {
      if (change === "remove") rmSync(place, { force: true });
      else if (change !== "none") {
        const { text = "", isProgram = false } = byPath.get(path) ?? {};
        writeFileWhole(place, text, isProgram ? 0o755 : 0o644);
      }
    } catch (error) {
      const message = `Cannot ${change} ${place}: ${writeErrorOf(error)}`;
      const detail = { operation: "enable", target: place, errno: errnoOf(error), cause: error };
      throw new SriovError("file-unwritable", message, detail);
    }
  }
}

/** Of the running system only: what a boot's apply leaves for udev. */
export function dropRuntimeFiles(site: Site): void {
  if (site.root !== "/") return;
  for (const path of [bootMark(site.runDir), leaveAloneRulesPath]) rmSync(path, { force: true });
}

export function armUdev(site: Site): void {
  if (isSystemdRunning(site)) writeFileWhole(bootMark(site.runDir), "");
}

/** sd_booted(3): systemd is the init of this system. */
const isSystemdRunning = ({ root }: Site): boolean =>
  root === "/" && existsSync("/run/systemd/system");

/** Where `systemctl enable` puts the link of WantedBy=multi-user.target. */
export function isEnabled(site: Site): boolean {
  const link = at(site, `/etc/systemd/system/multi-user.target.wants/${applyUnitName}`);
  return lstatSync(link, { throwIfNoEntry: false }) !== undefined;
}

/** systemctl works on an image too; what talks to running daemons is left out there. */
export function systemctl(site: Site, verb: "enable" | "disable"): string[] {
  const where = site.root === "/" ? [] : [`--root=${site.root}`];
  const force = verb === "enable" ? ["--force"] : [];
  return ["systemctl", ...where, "--quiet", ...force, verb, applyUnitName];
}

export const reloads = (site: Site): string[][] =>
  isSystemdRunning(site)
    ? [
        ["systemctl", "daemon-reload"],
        ["udevadm", "control", "--reload"],
      ]
    : [];

export type CommandResult = {
  readonly command: readonly string[];
  /** null: done. */
  readonly notDone: string | null;
};

export const runCommands = (commands: readonly (readonly string[])[]): CommandResult[] =>
  commands.map((command) => {
    const outcome = runSystemCommand(command);
    if (outcome.status === "done") return { command, notDone: null };
    const words = outcome.status === "missing" ? `there is no ${command[0]}` : outcome.words;
    return { command, notDone: words };
  });
