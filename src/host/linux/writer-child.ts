// The disposable process that makes a write which may never return. It takes one request at a time
// from its parent, keeps a marker file while it works, and answers. When its parent is gone it
// finishes the write it is in and ends: the kernel does not take a write back, and the lock that it
// inherited tells everybody that the host is still being changed.

import type { HostRequest } from "../host.ts";
import { linuxPaths, type LinuxPaths } from "./paths.ts";
import { errnoOf } from "./tree-reader.ts";
import { pfOf, type SysfsRequest, writeOf, type WriteResult, writeSysfs } from "./sysfs-write.ts";
import { placeMarker, removeMarker, startTicksOf } from "./writers-in-flight.ts";

/** First command-line argument that turns the program into this child. */
export const writerArgument = "__perform";

type WriterOrder = { readonly id: number; readonly request: SysfsRequest };
export type WriterAnswer =
  | { readonly id: number; readonly result: WriteResult }
  /** Sent once: the child is up and waits for orders. */
  | { readonly id: "ready" };

const sysfsVerbs: ReadonlySet<HostRequest["verb"]> = new Set([
  "setNumVfs",
  "setDriversAutoprobe",
  "setDriverOverride",
  "unbind",
  "probe",
  "setMsixCount",
  "reset",
]);

export const isSysfsRequest = (request: HostRequest): request is SysfsRequest =>
  sysfsVerbs.has(request.verb);

function isOrder(message: unknown): message is WriterOrder {
  if (typeof message !== "object" || message === null) return false;
  const { id, request } = message as Partial<WriterOrder>;
  return typeof id === "number" && request !== undefined && sysfsVerbs.has(request.verb);
}

/** false when the run folder cannot be written: links then tell that the PF changes. */
function mark(paths: LinuxPaths, request: SysfsRequest): boolean {
  const startTicks = startTicksOf(paths.ownProc, process.pid) ?? "";
  try {
    placeMarker(paths.writers, {
      pf: pfOf(paths, request),
      pid: process.pid,
      startTicks,
      request,
    });
    return true;
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    return false;
  }
}

function carryOut(paths: LinuxPaths, request: SysfsRequest): WriteResult {
  const isMarked = mark(paths, request);
  try {
    return writeSysfs(writeOf(paths, request));
  } finally {
    if (isMarked) removeMarker(paths.writers, process.pid);
  }
}

/** Serves its parent until the channel closes. Arguments: root folder, run folder. */
export function runWriter(root: string, runDirectory: string): void {
  const paths = linuxPaths(root, runDirectory);
  const answer = (message: WriterAnswer): void => {
    // A parent that died meanwhile hears nothing; the disconnect below ends us.
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message) => {
    if (!isOrder(message)) return;
    answer({ id: message.id, result: carryOut(paths, message.request) });
  });
  answer({ id: "ready" });
}
