// `sriovctl enable` and `sriovctl disable`: whether the specs are applied at every boot. Both show
// what they would do, do only what is left to do, and say what they could not.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { applyUnitName } from "../../install/apply-units.ts";
import { installedFiles, type InstalledFile } from "../../install/installation.ts";
import { hookFile, type HookKind } from "../../install/guest-hooks.ts";
import { SriovError } from "../../model/errors.ts";
import type { Arguments, Context, RunCommand } from "../context.ts";
import {
  armUdev,
  changesToDrop,
  changesToHave,
  dropRuntimeFiles,
  isEnabled,
  makeChanges,
  reloads,
  runCommands,
  systemctl,
  type CommandResult,
  type FileChange,
  type Site,
} from "../installing.ts";

const enableFormat = "sriovctl-enable/1";

/** An image has its own folders, whoever makes it; only its root is ours to choose. */
function siteOf({ io, paths }: Context, args: Arguments, operation: string): Site {
  const root = resolve(args.text("root") ?? "/");
  if (!existsSync(root)) {
    const message = `Cannot ${operation} below ${root}: no such folder`;
    throw new SriovError("file-unreadable", message, { operation, target: root });
  }
  if (root === "/" && !io.isRoot && !args.isSet("dry-run")) {
    const message = `Cannot ${operation}: this is not root`;
    throw new SriovError("permission", message, { operation, target: root });
  }
  return { root, runDir: paths.systemRunDir };
}

const packagedProgram = "/usr/bin/sriovctl";

const programOf = ({ wiring }: Context, { root }: Site): readonly string[] =>
  existsSync(join(root, packagedProgram)) ? [packagedProgram] : wiring.ownCommand;

/** What the files of an image start has to be in the image. */
function warnOfProgram(context: Context, site: Site): void {
  const { root } = site;
  const [program = ""] = programOf(context, site);
  if (root === "/" || existsSync(join(root, program))) return;
  const hint = "Install the package there, then enable again";
  context.log.warn(`There is no ${program} below ${root}: what is enabled will not start`, hint);
}

function filesFor(context: Context, site: Site): readonly InstalledFile[] {
  const { runDir } = site;
  const command = programOf(context, site);
  const folders = { configDir: "/etc/sriovctl", stateDir: "/var/lib/sriovctl" };
  return installedFiles({ command, ...folders }, runDir);
}

type Outcome = {
  readonly site: Site;
  readonly changes: readonly FileChange[];
  readonly commands: readonly CommandResult[];
  readonly isDone: boolean;
};

function printPlan(
  { print }: Context,
  changes: readonly FileChange[],
  commands: readonly (readonly string[])[],
): void {
  for (const { path, change, because, purpose } of changes) {
    print(
      change === "none" ? `  keep ${path}: ${because}` : `  ${change} ${path}, which ${purpose}`,
    );
  }
  for (const command of commands) print(`  run ${command.join(" ")}`);
}

function finish({ printJson, log }: Context, outcome: Outcome): number {
  const { site, changes, commands, isDone } = outcome;
  const failed = commands.filter(({ notDone }) => notDone !== null);
  printJson({
    format: enableFormat,
    root: site.root,
    isDone: isDone && failed.length === 0,
    files: changes.map(({ path, change, because }) => ({ path, change, because })),
    commands,
  });
  for (const { command, notDone } of failed) {
    log.error(`Not done: ${command.join(" ")}: ${notDone}`, "Run it by hand");
  }
  return failed.length === 0 ? 0 : 1;
}

const planned = (commands: readonly (readonly string[])[]): CommandResult[] =>
  commands.map((command) => ({ command, notDone: null }));

const hookOptions: readonly (readonly [option: string, kind: HookKind, words: string])[] = [
  [
    "libvirt-hook",
    "libvirt",
    "Restart libvirtd (or virtqemud) once: it looks for hooks as it starts",
  ],
  [
    "pve-hookscript",
    "pve",
    "Then for each guest: qm set VMID --hookscript local:snippets/sriovctl",
  ],
];

/** Hooks alone: whether anything is applied at boot is another question. */
function enableHooks(context: Context, args: Arguments, site: Site): number {
  const wanted = hookOptions.filter(([option]) => args.isSet(option));
  const hook = { command: programOf(context, site), isStrict: args.isSet("strict") };
  const files = wanted.map(([, kind]) => hookFile(kind, hook));
  const changes = changesToHave(site, files);
  warnOfProgram(context, site);
  printPlan(context, changes, []);
  const isDone = !args.isSet("dry-run");
  if (isDone) makeChanges(site, changes, files);
  if (isDone) for (const [, , words] of wanted) context.print(words);
  return finish(context, { site, changes, commands: [], isDone });
}

/** Those that are there: most hosts have none. */
function presentHooks(context: Context, site: Site): readonly InstalledFile[] {
  const hook = { command: programOf(context, site), isStrict: false };
  return hookOptions
    .map(([, kind]) => hookFile(kind, hook))
    .filter((file) => changesToDrop(site, [file]).some(({ change }) => change === "remove"));
}

export const enable: RunCommand = async (context, args) => {
  const site = siteOf(context, args, "enable");
  if (hookOptions.some(([option]) => args.isSet(option))) return enableHooks(context, args, site);
  if (args.isSet("strict")) {
    const message = "Cannot enable with --strict: it is about --libvirt-hook and --pve-hookscript";
    throw new SriovError("usage", message, { operation: "enable", target: "--strict" });
  }
  const files = filesFor(context, site);
  const changes = changesToHave(site, files);
  const isChanged = changes.some(({ change }) => change !== "none");
  // A link to our own copy leads nowhere once the package's takes its place.
  const isLinked = isEnabled(site) && !changes.some(({ change }) => change === "remove");
  const linking = isLinked ? [] : [systemctl(site, "enable")];
  const commands = [...(isChanged ? reloads(site) : []), ...linking];
  warnOfProgram(context, site);
  printPlan(context, changes, commands);
  if (args.isSet("dry-run")) {
    return finish(context, { site, changes, commands: planned(commands), isDone: false });
  }
  makeChanges(site, changes, files);
  const results = runCommands(commands);
  armUdev(site);
  const exitCode = finish(context, { site, changes, commands: results, isDone: true });
  if (exitCode === 0) context.print(...enabledWords(site, isChanged || linking.length > 0));
  return exitCode;
};

const enabledWords = ({ root }: Site, isNew: boolean): string[] => {
  if (!isNew) return ["Enabled already: nothing was changed"];
  const words = "Enabled: each boot applies the specs in /etc/sriovctl";
  return root === "/" ? [words, `To apply them now: systemctl start ${applyUnitName}`] : [words];
};

export const disable: RunCommand = async (context, args) => {
  const site = siteOf(context, args, "disable");
  const files = [...filesFor(context, site), ...presentHooks(context, site)];
  const changes = changesToDrop(site, files);
  const isChanged = changes.some(({ change }) => change !== "none");
  const unlinking = isEnabled(site) ? [systemctl(site, "disable")] : [];
  const reloading = isChanged ? reloads(site) : [];
  printPlan(context, changes, [...unlinking, ...reloading]);
  if (args.isSet("dry-run")) {
    const commands = planned([...unlinking, ...reloading]);
    return finish(context, { site, changes, commands, isDone: false });
  }
  // systemctl reads the unit to find its links, so it comes before the unit goes.
  const unlinked = runCommands(unlinking);
  makeChanges(site, changes, files);
  dropRuntimeFiles(site);
  const commands = [...unlinked, ...runCommands(reloading)];
  const exitCode = finish(context, { site, changes, commands, isDone: true });
  if (exitCode === 0) context.print("Disabled: nothing is applied at boot; VFs stay as they are");
  return exitCode;
};
