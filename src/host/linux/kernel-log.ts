// The kernel's log of this boot: the ring buffer record by record without waiting, the journal
// where the buffer is closed to us or has lost the beginning, or a file in a captured tree.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { KernelLog } from "../../model/host-facts.ts";
import { runCommand } from "./command.ts";
import type { LinuxPaths } from "./paths.ts";
import { errnoOf, type TreeReader } from "./tree-reader.ts";

const ringBuffer = "/dev/kmsg";
/** drivers/char/mem.c: major 1, minor 11; a container may have a console or nothing there. */
const ringBufferDevice = (1 << 8) | 11;
const recordBytesMax = 8192;
const linesMax = 40_000;

/** The first line of a boot, but for one or two that an architecture prints before it. */
const isBeginning = (lines: readonly string[]): boolean =>
  lines.slice(0, 8).some((line) => /^(?:Linux version|Booting Linux) /.test(line));

/** `6,339,5140900,-;text`, then lines of properties that begin with a blank. Control characters
 * are written as \xNN already (kernel/printk/printk.c msg_add_ext_text()). */
const textOfRecord = (record: string): string =>
  record.slice(record.indexOf(";") + 1).split("\n")[0] ?? "";

function readRecords(fd: number): string[] {
  const lines: string[] = [];
  const buffer = Buffer.allocUnsafe(recordBytesMax);
  // Each record is read at most once, and new ones that keep coming are not waited for.
  for (let reads = 0; reads < linesMax; reads++) {
    try {
      const length = readSync(fd, buffer, 0, recordBytesMax, null);
      if (length === 0) break;
      lines.push(textOfRecord(buffer.toString("latin1", 0, length)));
    } catch (error) {
      // EPIPE: records were overwritten while we read; the next read goes on behind them.
      if (errnoOf(error) !== "EPIPE") break;
    }
  }
  return lines;
}

/** What the ring buffer holds, or the errno that keeps us out. */
function readRingBuffer(): { readonly lines: readonly string[] } | string {
  try {
    const fd = openSync(ringBuffer, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const { rdev } = fstatSync(fd);
      return rdev === ringBufferDevice ? { lines: readRecords(fd) } : "it is something else here";
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

/** Text of a log file without time stamps and levels. */
export const linesOfLog = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .slice(0, linesMax)
    .map((line) => line.replace(/^(?:<[0-9]{1,3}>)?(?:\[[^\]]{1,40}\] ?)?/, ""));

const logOf = (lines: readonly string[]): KernelLog => ({ lines, isWhole: isBeginning(lines) });

/** The log in a captured tree, or why there is none. */
export function readKernelLogFile(paths: LinuxPaths, reader: TreeReader): KernelLog | string {
  for (const path of paths.kernelLogs) {
    const text = reader.wholeText(path);
    if (text !== null) return logOf(linesOfLog(text));
  }
  return `there is no ${paths.kernelLogs.join(" and no ")}`;
}

const journalWords = ["journalctl", "-k", "-b", "-o", "cat", "--no-pager", "-n", `${linesMax}`];
const journalLimits = { deadlineMs: 5000, bytesMax: 1 << 24 };

async function readJournal(): Promise<KernelLog | null> {
  const { end, stdout } = await runCommand(journalWords, journalLimits);
  const lines = linesOfLog(stdout.toString("latin1"));
  const isUsable = end.status === "exited" && end.exitCode === 0 && lines.length > 0;
  return isUsable ? logOf(lines) : null;
}

/** The log of the running kernel, or why there is none. */
export async function readRunningKernelLog(): Promise<KernelLog | string> {
  const ring = readRingBuffer();
  const log = typeof ring === "string" ? null : logOf(ring.lines);
  if (log?.isWhole === true) return log;
  const journal = await readJournal();
  if (journal !== null && (log === null || journal.isWhole)) return journal;
  return log ?? `${ringBuffer}: ${String(ring)}; the journal has none`;
}
