// Which PFs somebody is writing to right now. Each child that performs a blocking request keeps a
// marker file while it does; a marker counts as long as its process lives, told by process id and
// start time, so a killed writer leaves no lie behind and a stuck one stays visible for everybody.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Address } from "../../model/bdf.ts";
import type { HostRequest } from "../host.ts";
import { TreeReader } from "./tree-reader.ts";

type WriterMarker = {
  readonly pf: Address;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: start time in clock ticks since boot. */
  readonly startTicks: string;
  readonly request: HostRequest;
};

/** Start time of a process, as the kernel counts it; null when there is no such process. */
export function startTicksOf(proc: string, pid: number): string | null {
  const stat = new TreeReader().textIfThere(`${proc}/${pid}/stat`);
  // The command name, field 2, may hold spaces and brackets: count from its last bracket.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[19] ?? null;
}

const markerFile = (folder: string, pid: number): string => `${folder}/${pid}.json`;

export function placeMarker(folder: string, marker: WriterMarker): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const file = markerFile(folder, marker.pid);
  // Renamed into place, so that a reader never sees half a marker.
  writeFileSync(`${file}.new`, JSON.stringify(marker));
  renameSync(`${file}.new`, file);
}

export const removeMarker = (folder: string, pid: number): void =>
  rmSync(markerFile(folder, pid), { force: true });

function parseMarker(text: string): WriterMarker | null {
  try {
    const marker: unknown = JSON.parse(text);
    if (typeof marker !== "object" || marker === null) return null;
    const { pf, pid, startTicks, request } = marker as Partial<WriterMarker>;
    const isWhole =
      typeof pf === "string" &&
      typeof pid === "number" &&
      typeof startTicks === "string" &&
      typeof request?.verb === "string";
    return isWhole ? { pf, pid, startTicks, request } : null;
  } catch {
    return null; // half a marker or somebody else's file: it names no writer
  }
}

/** Markers of writers that live. Reads only; a stale marker is left for its folder's owner. */
export function writersInFlight(folder: string, proc: string): WriterMarker[] {
  const reader = new TreeReader();
  return reader.namesIfThere(folder).flatMap((name) => {
    if (!name.endsWith(".json")) return [];
    const text = reader.textIfThere(`${folder}/${name}`);
    const marker = text === null ? null : parseMarker(text);
    if (marker === null || startTicksOf(proc, marker.pid) !== marker.startTicks) return [];
    return [marker];
  });
}
