// The programs of this machine that the lab needs, and the failure that says the lab cannot run
// here at all: a reason to skip, not a test that failed.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

export class LabUnavailable extends Error {
  override readonly name = "LabUnavailable";
}

const neededCommands = [
  "qemu-system-x86_64",
  "busybox",
  "apt-cache",
  "dpkg",
  "modprobe",
  "depmod",
  "xz",
  "mkfifo",
  "lspci",
  "ip",
  "setpriv",
];

/** sbin is not in every user's PATH, but kmod and iproute2 live there. */
const searchPath = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];

function findCommand(command: string): string | undefined {
  return searchPath.map((directory) => join(directory, command)).find((path) => existsSync(path));
}

export function commandPath(command: string): string {
  const path = findCommand(command);
  if (path === undefined) throw new LabUnavailable(`${command} is not installed`);
  return path;
}

/** Why the lab cannot run here, as far as programs tell, or null. */
export function missingCommands(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `the kernel lab needs Linux on x86-64, this is ${process.platform} on ${process.arch}`;
  }
  const missing = neededCommands.filter((command) => findCommand(command) === undefined);
  if (missing.length === 0) return null;
  return `the kernel lab misses ${missing.join(", ")}: run node scripts/system-packages.ts as root`;
}
