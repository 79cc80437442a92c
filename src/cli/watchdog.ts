// Starts the process that undoes an unconfirmed apply, where nothing that can happen to us reaches
// it: a transient service of systemd where root has one (logind may kill everything that a session
// has started), else a child in a session of its own. It has answered, by a file with its process
// id, before the first action is begun.

import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../apply/lock.ts";
import { SriovError } from "../model/errors.ts";
import type { Context } from "./context.ts";
import type { HostPaths } from "./paths.ts";

type Presence = { readonly journal: string; readonly pid: number };

/** null: nobody watches, or the file is being written. */
function readPresence({ watchdogFile }: HostPaths): Presence | null {
  try {
    const value: unknown = JSON.parse(readFileSync(watchdogFile, "utf8"));
    if (typeof value !== "object" || value === null) return null;
    const { journal, pid } = value as Record<string, unknown>;
    return typeof journal === "string" && typeof pid === "number" ? { journal, pid } : null;
  } catch {
    return null;
  }
}

/** By its pid: a recycled one is believed, and the deadline then passes without effect. */
export function isWatched(paths: HostPaths, journal: string): boolean {
  const presence = readPresence(paths);
  return presence?.journal === journal && isAlive(presence.pid);
}

/** What it must know of our surroundings. Not whose session started it: that may be gone by then. */
function surroundings({ io, paths }: Context): Record<string, string> {
  const kept = ["PATH", "HOME", "LANG", "TZ", "SRIOVCTL_WRITE_DEADLINE"];
  const inherited = kept.flatMap((name) => {
    const value = io.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    SRIOVCTL_RUN_DIR: paths.runDir,
    SRIOVCTL_STATE_DIR: paths.stateDir,
    SRIOVCTL_CONFIG_DIR: paths.configDir,
  };
}

export const unitOf = (hostName: string, journal: string): string =>
  `sriovctl-confirm-${hostName}-${journal}`.replaceAll(/[^A-Za-z0-9_.-]/g, "_");

type UnitWish = {
  readonly unit: string;
  readonly description: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly command: readonly string[];
};

/** Arguments of systemd-run for a service of the system manager: it is nobody's session. */
export const systemdRunArguments = ({ unit, description, environment, command }: UnitWish) => [
  "--quiet",
  "--collect",
  `--unit=${unit}`,
  `--description=${description}`,
  "--property=Type=exec",
  // What has not ended its work is started again; a limit ends what can never work.
  "--property=Restart=on-failure",
  "--property=RestartSec=2",
  "--property=StartLimitIntervalSec=3600",
  "--property=StartLimitBurst=20",
  "--property=OOMScoreAdjust=-900",
  ...Object.entries(environment).map(([name, value]) => `--setenv=${name}=${value}`),
  "--",
  // systemd puts variables in, as in every ExecStart= (systemd.service(5)).
  ...command.map((word) => word.replaceAll("$", "$$$$")),
];

const systemdRunMs = 10_000;

/** A sentence when it did not come about. */
function startUnit(wish: UnitWish): string | null {
  const { status, error, stderr } = spawnSync("systemd-run", systemdRunArguments(wish), {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    timeout: systemdRunMs,
  });
  if (status === 0) return null;
  return error?.message ?? stderr.trim();
}

/** Of the log; then it begins anew. */
const logBytesMax = 1 << 20;

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const isFull = existsSync(path) && statSync(path).size > logBytesMax;
  return openSync(path, isFull ? "w" : "a", 0o600);
}

/** `detached` is setsid(2); no descriptor of ours goes along, least of all the apply lock. */
function startChild({ environment, command }: UnitWish, logFile: string): void {
  const [program = "", ...rest] = command;
  const log = openLog(logFile);
  try {
    const child = spawn(program, rest, {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
      env: environment,
    });
    // That it does not answer says the same.
    child.on("error", () => {});
    child.unref();
  } finally {
    closeSync(log);
  }
}

const answerMs = 15_000;
const pollMs = 10;

async function awaitAnswer({ hostPaths }: Context, journal: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < answerMs; waitedMs += pollMs) {
    if (isWatched(hostPaths, journal)) return;
    await sleep(pollMs);
  }
  const message = "Cannot arm the watchdog: it did not answer, so nothing was begun";
  const hint = `See ${hostPaths.watchdogLog}, or apply with --confirm-within off`;
  const target = hostPaths.watchdogFile;
  throw new SriovError("watchdog-failed", message, { operation: "arm watchdog", target, hint });
}

const hasSystemd = ({ io }: Context): boolean => io.isRoot && existsSync("/run/systemd/system");

/** Resolves when something watches over this journal; throws `watchdog-failed`. */
export async function armWatchdog(context: Context, journal: string): Promise<void> {
  const { wiring, hostName, hostPaths, speed, log, commandLine } = context;
  const own = [...wiring.ownCommand, "__watchdog", hostName, journal];
  const wish: UnitWish = {
    unit: unitOf(hostName, journal),
    description: `Undoes unless confirmed: ${commandLine}`,
    environment: surroundings(context),
    command: speed === null ? own : [...own, `${speed}`],
  };
  const reason = hasSystemd(context) ? startUnit(wish) : "";
  if (reason === null) log.verbose(`The watchdog is ${wish.unit}.service`);
  else {
    if (reason !== "") {
      const sentence = `The watchdog is no service of systemd, and may end with this session: ${reason}`;
      log.warn(sentence, "Stay logged in until it is confirmed");
    }
    startChild(wish, hostPaths.watchdogLog);
  }
  await awaitAnswer(context, journal);
}
