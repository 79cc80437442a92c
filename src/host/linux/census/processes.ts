// Processes of the host, as far as a census looks at them: what they were started as, which VM
// they run, and what they hold open. Processes come and go while they are listed: one that is
// gone is no gap, one that may not be looked into is.

import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf, TreeReader } from "../tree-reader.ts";

export type Process = {
  readonly pid: number;
  /** Command and arguments; empty for kernel threads. */
  readonly commandLine: readonly string[];
};

export type OpenFile = { readonly path: string; readonly target: string };

type OpenFiles = {
  readonly files: readonly OpenFile[];
  /** We may not look into this process. */
  readonly isHidden: boolean;
};

/** All processes but this one. Kernel threads are left out. */
export function readProcesses(proc: string): Process[] {
  const reader = new TreeReader();
  return reader.namesIfThere(proc).flatMap((name) => {
    const pid = /^[0-9]{1,9}$/.test(name) ? Number(name) : null;
    if (pid === null || pid === process.pid) return [];
    const text = reader.wholeText(`${proc}/${pid}/cmdline`, ["ESRCH", "EACCES"]);
    if (text === null || text === "") return [];
    return [{ pid, commandLine: text.replace(/\0$/, "").split("\0") }];
  });
}

export function readOpenFiles(proc: string, pid: number): OpenFiles {
  const reader = new TreeReader();
  const folder = `${proc}/${pid}/fd`;
  const names = reader.namesIfThere(folder);
  const isHidden = reader.problems.some(({ message }) => /EACCES|EPERM/.test(message));
  const files = names.flatMap((name) => {
    const path = `${folder}/${name}`;
    try {
      return [{ path, target: readlinkSync(path) }];
    } catch (error) {
      if (errnoOf(error) === null) throw error;
      return []; // closed, or the process ended, since the folder was listed
    }
  });
  return { files, isHidden };
}

export const commandOf = ({ commandLine }: Process): string => basename(commandLine[0] ?? "");

export const isQemu = (process: Process): boolean =>
  /^(?:qemu-system-|qemu-kvm|kvm$)/.test(commandOf(process));

export const isVmm = (process: Process): boolean =>
  isQemu(process) || /^(?:cloud-hypervisor|crosvm|firecracker)/.test(commandOf(process));

/** Name of a QEMU guest: `-name guest=web1,debug-threads=on` or `-name web1`; null without one. */
export function guestNameOf({ commandLine }: Process): string | null {
  const at = commandLine.findIndex((word) => word === "-name" || word === "--name");
  const value = at === -1 ? undefined : commandLine[at + 1];
  if (value === undefined) return null;
  // QEMU writes a comma inside a value twice.
  const options = value.replaceAll(",,", "\0").split(",");
  const guest = options.find((option) => option.startsWith("guest="));
  const name = (guest?.slice("guest=".length) ?? options[0] ?? "").replaceAll("\0", ",");
  return name === "" ? null : name;
}

/** Proxmox VE starts its guests with `-id 103`, which is no option of QEMU's own. */
export function guestNumberOf({ commandLine }: Process): string | null {
  const at = commandLine.indexOf("-id");
  const value = at === -1 ? undefined : commandLine[at + 1];
  return value !== undefined && /^[1-9][0-9]{2,8}$/.test(value) ? value : null;
}
