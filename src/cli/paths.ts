// The one place that knows where sriovctl keeps things. System folders for root, XDG folders for
// everybody else, each overridable: SRIOVCTL_RUN_DIR, SRIOVCTL_STATE_DIR, SRIOVCTL_CONFIG_DIR.
// Every host has its own folders, so that an emulated machine never shares a lock or a journal
// with the real one.

import { isAbsolute, join, resolve } from "node:path";
import { SriovError } from "../model/errors.ts";

export type Paths = {
  /** Locks; empty after a boot. */
  readonly runDir: string;
  /** Journals, history, emulated machines. */
  readonly stateDir: string;
  readonly configDir: string;
  /** Where root's writers in flight leave their marks; everybody looks there. */
  readonly systemRunDir: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset, as in the XDG Base Directory Specification. */
const variable = (env: Environment, name: string): string | null => env[name] || null;

/** A folder by its whole path: the watchdog does not start where we stand. Throws SriovError
 * `usage` for one that nobody can make: Node's recursive mkdir() never returns from it. */
function folder(env: Environment, name: string): string | null {
  const path = variable(env, name);
  if (path === null) return null;
  const whole = resolve(path);
  const [, top = ""] = whole.split("/");
  if (top !== "proc" && top !== "sys") return whole;
  const message = `Cannot use ${name}=${path}: the kernel makes what is in /${top}, wanted a folder of a disk or of /run`;
  throw new SriovError("usage", message, { operation: "find folders", target: whole });
}

/** The XDG specification has relative paths ignored. */
function xdgFolder(env: Environment, name: string): string | null {
  const path = variable(env, name);
  return path !== null && isAbsolute(path) ? path : null;
}

export function pathsFor(env: Environment, isRoot: boolean): Paths {
  const standard = isRoot ? systemPaths : userPaths(env);
  const runDir = folder(env, "SRIOVCTL_RUN_DIR");
  return {
    runDir: runDir ?? standard.runDir,
    systemRunDir: runDir ?? systemPaths.runDir,
    stateDir: folder(env, "SRIOVCTL_STATE_DIR") ?? standard.stateDir,
    configDir: folder(env, "SRIOVCTL_CONFIG_DIR") ?? standard.configDir,
  };
}

type Folders = Omit<Paths, "systemRunDir">;

const systemPaths: Folders = {
  runDir: "/run/sriovctl",
  stateDir: "/var/lib/sriovctl",
  configDir: "/etc/sriovctl",
};

function userPaths(env: Environment): Folders {
  const home = resolve(variable(env, "HOME") ?? "/");
  const state = join(xdgFolder(env, "XDG_STATE_HOME") ?? join(home, ".local/state"), "sriovctl");
  const runtime = xdgFolder(env, "XDG_RUNTIME_DIR");
  return {
    // Without a session there is no runtime folder; then locks live beside the state.
    runDir: runtime === null ? join(state, "run") : join(runtime, "sriovctl"),
    stateDir: state,
    configDir: join(xdgFolder(env, "XDG_CONFIG_HOME") ?? join(home, ".config"), "sriovctl"),
  };
}

export type HostPaths = {
  /** Of the lock that makes applies wait for each other. */
  readonly lockFile: string;
  /** One file an apply. */
  readonly journalDir: string;
  /** What the last unattended apply came to. */
  readonly unattendedFile: string;
  /** Who has which VF. */
  readonly leaseFile: string;
  /** Says which process watches over which unconfirmed apply. */
  readonly watchdogFile: string;
  /** Its words, where systemd does not keep them. */
  readonly watchdogLog: string;
  /** Which VFs guests that run were given, for the hook after their end. */
  readonly guestsDir: string;
  /** One empty file a VF that is in another network namespace. */
  readonly awayDir: string;
  /** What a measurement of data paths is to take back. */
  readonly benchNote: string;
  /** The guest of a measurement, as it is kept between two. */
  readonly benchGuestDir: string;
};

/** `linux` -> `linux/`; `emulated:demo` -> `emulated/demo/`; names cannot leave the folder. */
export function hostPaths(paths: Paths, hostName: string): HostPaths {
  const [kind = "", ...rest] = hostName.split(":");
  const name = encodeURIComponent(rest.join(":")).replace(/^\./, "%2E");
  const inside = name === "" ? encodeURIComponent(kind) : join(encodeURIComponent(kind), name);
  return {
    lockFile: join(paths.runDir, inside, "apply.lock"),
    journalDir: join(paths.stateDir, inside, "journal"),
    unattendedFile: join(paths.stateDir, inside, "unattended.json"),
    leaseFile: join(paths.stateDir, inside, "leases.sqlite"),
    watchdogFile: join(paths.runDir, inside, "watchdog.json"),
    watchdogLog: join(paths.stateDir, inside, "watchdog.log"),
    guestsDir: join(paths.runDir, inside, "guests"),
    awayDir: join(paths.runDir, inside, "away"),
    benchNote: join(paths.runDir, inside, "bench-note.json"),
    benchGuestDir: join(paths.stateDir, inside, "bench-guest"),
  };
}

/** Folder of the emulated machines' state files. */
export const machinesDir = ({ stateDir }: Paths): string => join(stateDir, "emulated");
