// What every command gets: the host it was told to work on, where to print, and the flags that
// all commands share. A command is a function from that to an exit code.

import type { TrafficAsked, TrafficFound } from "../host/emulated/datapath/traffic-report.ts";
import type { MachineStatus } from "../host/emulated/machine-status.ts";
import type { MachineChange } from "../host/emulated/set-up.ts";
import type { Host } from "../host/host.ts";
import type { CaptureResult } from "../host/linux/capture/capture-host.ts";
import type { Address } from "../model/bdf.ts";
import type { HostFacts } from "../model/host-facts.ts";
import type { Inventory } from "../model/inventory.ts";
import type { Consumers } from "../vmm/consumer.ts";
import type { Io } from "./io.ts";
import type { Logger } from "./logger.ts";
import type { HostPaths, Paths } from "./paths.ts";
import type { Style } from "./style.ts";

export type HostWish = {
  readonly paths: Paths;
  /** Machine milliseconds in a real one, on an emulated host; null: no real time passes. */
  readonly speed: number | null;
  /** After so long a kernel write of a real host counts as stuck; null: as apply/ says. */
  readonly writeDeadlineMs: number | null;
};

/** A machine in memory that is as a host is, to try things on. */
export type TwinHost = {
  readonly host: Host;
  /** PFs of which nobody can say what their driver does. */
  readonly strangers: readonly { readonly pf: Address; readonly driver: string | null }[];
  /** What could not be read of the host, in words. */
  readonly doubts: readonly string[];
};

/** Which program made a capture, and when. */
export type CaptureStamp = { readonly madeBy: string; readonly at: string };

/** Chosen by bin/ and by tests, never inside cli/. */
export type Wiring = {
  /** Throws SriovError `host-unknown` for a name that is no host. */
  openHost(hostName: string, wish: HostWish): Promise<Host>;
  /** Who takes VFs on this host. */
  openConsumers(hostName: string, host: Host, paths: Paths): Promise<Consumers>;
  /** All that is read of a host, and what could not be. Throws as openHost() does. */
  captureHost(hostName: string, wish: HostWish, stamp: CaptureStamp): Promise<CaptureResult>;
  /** Changes an emulated machine from outside and says how it then is. Throws SriovError
   * `host-unknown`, and SpecProblems for a fault plan. */
  setUpMachine(machineName: string, paths: Paths, change: MachineChange): Promise<MachineStatus>;
  /** Sends frames on a copy of an emulated machine, or tries its VFs' policies. Throws SriovError
   * `host-unknown`, and `usage` where nobody can send. */
  runTraffic(machineName: string, paths: Paths, asked: TrafficAsked): Promise<TrafficFound>;
  openTwin(inventory: Inventory, facts: HostFacts): Promise<TwinHost>;
  /** Starts this very program, from whatever folder: command and first arguments. */
  readonly ownCommand: readonly string[];
};

export type Context = {
  readonly io: Io;
  readonly log: Logger;
  /** Colours of standard output. */
  readonly style: Style;
  readonly paths: Paths;
  readonly wiring: Wiring;
  /** As named on the command line: `linux`, `emulated:demo`. */
  readonly hostName: string;
  readonly hostPaths: HostPaths;
  readonly speed: number | null;
  readonly writeDeadlineMs: number | null;
  readonly isJson: boolean;
  /** `--no-color` was given. */
  readonly isColorForbidden: boolean;
  /** As typed, for the journal and for whoever finds the host locked. */
  readonly commandLine: string;
  /** Lines for people on standard output; nothing with --json. */
  print(...lines: readonly string[]): void;
  /** The one JSON document of a run with --json. */
  printJson(document: unknown): void;
  /** After a crash every command says so; at most once a run. */
  warnOfUnfinished(host: Host): Promise<void>;
  hasLookedForUnfinished(): boolean;
  /** Runs another command line of this program, with the same hosts. */
  runProgram(argv: readonly string[], io: Io): Promise<number>;
};

/** Operands and options of one command, as the program's table declares them. */
export type Arguments = {
  readonly operands: readonly string[];
  isSet(option: string): boolean;
  text(option: string): string | null;
  texts(option: string): readonly string[];
};

export type RunCommand = (context: Context, args: Arguments) => Promise<number>;

/** Opens the host for the length of one piece of work. */
export async function withHost<T>(context: Context, work: (host: Host) => Promise<T>): Promise<T> {
  const { log } = context;
  const opened = await context.wiring.openHost(context.hostName, context);
  const host =
    log.level === "debug" ? (await import("./logged-host.ts")).loggedHost(opened, log) : opened;
  try {
    await context.warnOfUnfinished(host);
    return await work(host);
  } finally {
    await host.close();
  }
}
