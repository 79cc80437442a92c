// Why the lab cannot run here, as a sentence. A suite that needs the lab skips with it; with CI set
// it fails instead, so that a continuous run never passes by having run nothing.

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

function whatIsMissing(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `the kernel lab needs Linux on x86-64, this is ${process.platform} on ${process.arch}`;
  }
  const missing = neededCommands.filter((command) => findCommand(command) === undefined);
  if (missing.length === 0) return null;
  return `the kernel lab misses ${missing.join(", ")}: run node scripts/system-packages.ts as root`;
}

/** For node:test's `skip`: false when the lab can run. Throws instead when CI is set. */
export function labSkipReason(): string | false {
  const reason = whatIsMissing();
  if (reason === null) return false;
  if (process.env["CI"]) throw new LabUnavailable(reason);
  return reason;
}
