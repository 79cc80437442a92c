// A consumer's network namespace as an open descriptor: by its name as ip-netns(8) keeps it, by a
// process, or by the first process of a container. Whatever happens to name or process afterwards, the
// descriptor stays the namespace that was looked at, so nothing is moved into another one.

import { closeSync, fstatSync, openSync, statfsSync, statSync } from "node:fs";
import type { AssignTarget } from "../../model/assign-target.ts";
import { refusalWords, type RunProgram } from "../program.ts";

export type Namespace = {
  readonly fd: number;
  /** `network namespace ci`, `the network namespace of process 812`. */
  readonly words: string;
};

/** A namespace that is not there, or that nothing may be moved into. */
export type NoNamespace = { readonly message: string; readonly hint: string | null };

export type NamespacePlaces = {
  readonly run: RunProgram;
  /** `/run/netns`. */
  readonly named: string;
  /** `/proc`. */
  readonly proc: string;
};

/** linux/magic.h NSFS_MAGIC: what a namespace's file is on. */
const nsfsMagic = 0x6e736673;
const inspectLimits = { deadlineMs: 10_000, bytesMax: 1 << 20 };

const errnoOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);

const no = (message: string, hint: string | null): NoNamespace => ({ message, hint });

const isPid = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 1;

function pidOf(stdout: string): number | null {
  try {
    const state: unknown = JSON.parse(stdout);
    if (typeof state !== "object" || state === null || !("Pid" in state)) return null;
    return isPid(state.Pid) ? state.Pid : null;
  } catch {
    return null; // no JSON: another program of that name
  }
}

/** `pct status` prints `pid: 812` of a container that runs. */
async function proxmoxProcess(run: RunProgram, name: string): Promise<number | NoNamespace> {
  const output = await run(["pct", "status", name, "--verbose"], inspectLimits);
  const refusal = refusalWords(output);
  if (refusal !== null) return no(`Cannot find container ${name}: pct says ${refusal}`, null);
  const pid = Number(/^pid: ([0-9]+)$/m.exec(output.stdout.toString("utf8"))?.[1]);
  if (isPid(pid)) return pid;
  return no(`Cannot enter container ${name}: it does not run`, `pct start ${name}`);
}

/** Docker and Podman have the same words for it. 0 is the process of a container that is stopped. */
async function containerProcess(
  run: RunProgram,
  { kind, name }: AssignTarget,
): Promise<number | NoNamespace> {
  const words = [kind, "inspect", "--type", "container", "--format", "{{json .State}}", name];
  const output = await run(words, inspectLimits);
  const refusal = refusalWords(output);
  if (refusal !== null) {
    return no(`Cannot find ${kind} container ${name}: ${kind} says ${refusal}`, null);
  }
  const pid = pidOf(output.stdout.toString("utf8"));
  if (pid !== null) return pid;
  return no(`Cannot enter ${kind} container ${name}: it does not run`, `${kind} start ${name}`);
}

async function processOf(run: RunProgram, to: AssignTarget): Promise<number | NoNamespace> {
  if (to.kind === "pid") return Number(to.name);
  return to.kind === "lxc" ? await proxmoxProcess(run, to.name) : await containerProcess(run, to);
}

type Place = { readonly path: string; readonly words: string; readonly hint: string | null };

async function placeOf(places: NamespacePlaces, to: AssignTarget): Promise<Place | NoNamespace> {
  const { kind, name } = to;
  if (kind === "netns") {
    const words = `network namespace ${name}`;
    return { path: `${places.named}/${name}`, words, hint: `Make it: ip netns add ${name}` };
  }
  const pid = await processOf(places.run, to);
  if (typeof pid !== "number") return pid;
  const whose = kind === "pid" ? `process ${pid}` : `${kind} container ${name} (process ${pid})`;
  const words = `the network namespace of ${whose}`;
  return { path: `${places.proc}/${pid}/ns/net`, words, hint: null };
}

function open(places: NamespacePlaces, { path, words, hint }: Place): Namespace | NoNamespace {
  let fd: number;
  try {
    if (statfsSync(path).type !== nsfsMagic) {
      return no(`Cannot enter ${words}: ${path} is no namespace`, `Remove it, and ${hint ?? ""}`);
    }
    fd = openSync(path, "r");
  } catch (error) {
    const errno = errnoOf(error);
    const why = errno === "ENOENT" ? "there is none" : errno;
    return no(`Cannot enter ${words}: ${why}`, errno === "ENOENT" ? hint : null);
  }
  if (fstatSync(fd).ino !== statSync(`${places.proc}/self/ns/net`).ino) return { fd, words };
  closeSync(fd);
  return no(
    `Cannot hand a VF to ${words}: it is the host's own`,
    "A container that shares the host's network has the VF already",
  );
}

/** Runs `use` with the namespace open; with the reason where it cannot be had. */
export async function withNamespace<Result>(
  places: NamespacePlaces,
  to: AssignTarget,
  use: (namespace: Namespace | NoNamespace) => Promise<Result>,
): Promise<Result> {
  const place = await placeOf(places, to);
  const namespace = "path" in place ? open(places, place) : place;
  try {
    return await use(namespace);
  } finally {
    if ("fd" in namespace) closeSync(namespace.fd);
  }
}
