// Makes the steps of a path and takes them back. What takes a step back is in the note on disk before
// the step is made, so it may never have been: undoing looks first, and what is gone already is well.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../model/file-error.ts";
import type { ProgramStep, VfioStep } from "../path-table.ts";
import { decodeNote, noteFormat, type UndoNote, type UndoStep } from "../undo-step.ts";
import { bindBack, bindToVfio, type Perform } from "./rebind.ts";
import { runTool } from "./tool.ts";

const stepTimeoutMs = 30_000;

async function ip(
  ...args: readonly string[]
): Promise<{ ok: boolean; words: string; out: string }> {
  const { exitCode, stdout, stderr } = await runTool(["ip", ...args], { timeoutMs: stepTimeoutMs });
  const words = stderr.trim().split("\n")[0] ?? "";
  return { ok: exitCode === 0, words: words === "" ? `exit code ${exitCode}` : words, out: stdout };
}

const isThere = async (netns: string): Promise<boolean> =>
  new RegExp(`^${netns}\\b`, "m").test((await ip("netns", "list")).out);

async function dropNetns(netns: string): Promise<string | null> {
  if (!(await isThere(netns))) return null;
  const { out } = await ip("netns", "pids", netns);
  for (const pid of out.trim().split(/\s+/).filter(Boolean).map(Number)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  const { ok, words } = await ip("netns", "del", netns);
  return ok ? null : words;
}

/** It had been renamed, so it is known by being the only netdev in there that the host lent. */
async function returnNetdev(step: UndoStep & { kind: "return-netdev" }): Promise<string | null> {
  const { netns, name, mtu, isUp } = step;
  if (!(await isThere(netns))) return null;
  const there = async (device: string): Promise<boolean> =>
    (await ip("-n", netns, "link", "show", "dev", device)).ok;
  const device = (await there("bench0")) ? "bench0" : (await there(name)) ? name : null;
  if (device === null) return null;
  const rows: readonly (readonly string[])[] = [
    ["-n", netns, "link", "set", "dev", device, "down"],
    ["-n", netns, "address", "flush", "dev", device],
    ["-n", netns, "link", "set", "dev", device, "mtu", String(mtu)],
    ...(device === name ? [] : [["-n", netns, "link", "set", "dev", device, "name", name]]),
    // To where this process is, which is where it came from.
    ["-n", netns, "link", "set", "dev", name, "netns", String(process.pid)],
    ...(isUp ? [["link", "set", "dev", name, "up"]] : []),
  ];
  const failed: string[] = [];
  for (const args of rows) {
    const { ok, words } = await ip(...args);
    if (!ok) failed.push(`ip ${args.join(" ")}: ${words}`);
  }
  return failed.length === 0 ? null : failed.join("; ");
}

function undoOne(step: UndoStep, perform: Perform): Promise<string | null> {
  if (step.kind === "rebind") return bindBack(perform, step);
  return step.kind === "drop-netns" ? dropNetns(step.netns) : returnNetdev(step);
}

/** From proc(5): its 22nd field, when the process began. 0: it is gone. */
function startTicksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? 0);
  } catch {
    return 0;
  }
}

/** The note of a run that has ended without restoring; null: there is none. Throws what Node throws. */
export function readNote(path: string): UndoNote | null {
  try {
    return decodeNote(readFileSync(path, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}

export const isRunning = ({ pid, startTicks }: UndoNote): boolean =>
  startTicksOf(pid) === startTicks;

/** The steps of one run that are to be taken back, in memory and on disk. */
export class Undoing {
  readonly #path: string;
  readonly #startedAt: string;
  readonly #perform: Perform;
  #steps: readonly UndoStep[] = [];

  constructor(path: string, startedAt: string, perform: Perform) {
    this.#path = path;
    this.#startedAt = startedAt;
    this.#perform = perform;
  }

  #write(steps: readonly UndoStep[]): void {
    this.#steps = steps;
    if (steps.length === 0) {
      rmSync(this.#path, { force: true });
      return;
    }
    const note: UndoNote = {
      format: noteFormat,
      pid: process.pid,
      startTicks: startTicksOf(process.pid),
      startedAt: this.#startedAt,
      undo: steps,
    };
    mkdirSync(dirname(this.#path), { recursive: true });
    const beside = `${this.#path}.sriovctl-new`;
    writeFileSync(beside, JSON.stringify(note), { mode: 0o600 });
    renameSync(beside, this.#path);
  }

  /** Takes over what a run that is gone has left. */
  adopt({ undo }: UndoNote): void {
    this.#write(undo);
  }

  /** Words of what was refused; null: it is made. */
  async make(step: ProgramStep | VfioStep): Promise<string | null> {
    if (step.undo !== null) this.#write([...this.#steps, step.undo]);
    if ("vfio" in step) return bindToVfio(this.#perform, step.vfio);
    const { argv, mayFail } = step;
    const { exitCode, stderr } = await runTool(argv, { timeoutMs: stepTimeoutMs });
    if (exitCode === 0 || mayFail === true) return null;
    return `${argv.join(" ")}: ${stderr.trim().split("\n")[0] ?? ""}`;
  }

  /** Everything, from the end. What could not be taken back stays in the note, and is returned. */
  async takeBack(): Promise<string[]> {
    const failed: string[] = [];
    const kept: UndoStep[] = [];
    for (const step of this.#steps.toReversed()) {
      // A namespace that still has what was lent would take it along.
      const isHeld =
        step.kind === "drop-netns" &&
        kept.some((each) => each.kind === "return-netdev" && each.netns === step.netns);
      const words = isHeld ? null : await undoOne(step, this.#perform);
      if (isHeld || words !== null) kept.unshift(step);
      if (words !== null) failed.push(words);
    }
    this.#write(kept);
    return failed;
  }
}
