// Everything that a LinuxHost reads from beside plain files, as one value: config space, attributes
// behind locks, netlink, the census, programs, the kernel's log. The running machine, a captured
// tree and a capture file each have their own; the code that reads does not know which it has.

import type { Address } from "../../model/bdf.ts";
import type { KernelLog } from "../../model/host-facts.ts";
import type { HostWishes } from "../../model/reservation.ts";
import type { HostRequest, ReservationDepth } from "../host.ts";
import type { ConfigFiles } from "../config-files.ts";
import type { CommandOutput } from "./command.ts";
import { runCommand } from "./command.ts";
import { type ConfigRead, hidesSriov, readPlainFile } from "./config-reader.ts";
import type { LinkFacts } from "./link-facts.ts";
import { readLocked } from "./locked-reader.ts";
import type { LinuxPaths } from "./paths.ts";
import { type ConfigFile, readGuardedConfigs } from "./pf-config.ts";
import { fileSystem, type FileSource, TreeReader } from "./tree-reader.ts";
import { writersInFlight } from "./writers-in-flight.ts";
import type { CensusFunction, OwnersByAddress } from "./inventory.ts";

type ReadLinks = (reader: TreeReader, steadyPfs: readonly Address[]) => Promise<LinkFacts>;
type RunProgram = (words: readonly string[]) => Promise<CommandOutput>;

export type HostSources = {
  readonly files: FileSource;
  /** In order. */
  readonly readConfigs: (
    files: readonly ConfigFile[],
    deadlineMs: number,
  ) => Promise<readonly ConfigRead[]>;
  /** Whether a function has the SR-IOV capability although the kernel offers no VFs. */
  readonly hidesSriov: (configFile: string) => boolean;
  /** First lines of files that may wait for a lock; those that came before the deadline. */
  readonly readLocked: (
    files: readonly string[],
    deadlineMs: number,
  ) => Promise<ReadonlyMap<string, string>>;
  /** PFs whose VFs somebody is making or removing. */
  readonly changingPfs: () => readonly Address[];
  /** null: there is no netlink to ask. */
  readonly readLinks: ReadLinks | null;
  readonly census: (functions: readonly CensusFunction[]) => Promise<OwnersByAddress>;
  /** null: there are no programs to ask. */
  readonly run: RunProgram | null;
  /** The log, or why there is none. */
  readonly readKernelLog: () => Promise<KernelLog | string>;
  /** Files of other managers; null where they were not looked for. */
  readonly configFiles: () => Promise<ConfigFiles | null>;
  /** What others' configuration reserves; null where it was not looked for. */
  readonly readWishes: (depth: ReservationDepth) => Promise<HostWishes | null>;
};

type NetworkSources = Pick<HostSources, "census"> & { readonly readLinks: ReadLinks };

/** Requests that change how many VFs a PF has: unbinding the PF may take them along. */
const changesCount = (request: HostRequest): boolean =>
  request.verb === "setNumVfs" || request.verb === "unbind";

/** A program that only tells something needs some 10 ms. */
const programLimits = { deadlineMs: 3000, bytesMax: 1 << 24 };

/** Their readers know every manager's formats: loaded only when somebody asks. */
const configFilesUnder = async (root: string): Promise<ConfigFiles> =>
  (await import("../config-files.ts")).readConfigFiles(root);

const wishesUnder =
  (root: string, hasProcesses: boolean): HostSources["readWishes"] =>
  async (depth) =>
    (await import("../reservation-files.ts")).readReservations({ root, depth, hasProcesses });

export const liveSources = (paths: LinuxPaths, network: NetworkSources): HostSources => ({
  ...network,
  files: fileSystem,
  readConfigs: readGuardedConfigs,
  hidesSriov,
  readLocked,
  changingPfs: () =>
    writersInFlight(paths.writers, paths.ownProc)
      .filter(({ request }) => changesCount(request))
      .map(({ pf }) => pf),
  run: (words) => runCommand(words, programLimits),
  readKernelLog: async () => (await import("./kernel-log.ts")).readRunningKernelLog(),
  configFiles: () => configFilesUnder("/"),
  readWishes: wishesUnder("/", true),
});

/** A sysfs tree somebody copied: files that answer at once, and nothing else. */
export const treeSources = (
  paths: LinuxPaths,
  { census }: Pick<HostSources, "census">,
): HostSources => ({
  files: fileSystem,
  readConfigs: async (files) => files.map(({ file }) => readPlainFile(file)),
  hidesSriov,
  readLocked: async (files) => readTexts(files),
  changingPfs: () => [],
  readLinks: null,
  census,
  run: null,
  readKernelLog: async () =>
    (await import("./kernel-log.ts")).readKernelLogFile(paths, new TreeReader()),
  configFiles: () => configFilesUnder(paths.prefix),
  readWishes: wishesUnder(paths.prefix, false),
});

function readTexts(files: readonly string[]): ReadonlyMap<string, string> {
  const reader = new TreeReader();
  const texts = new Map<string, string>();
  for (const file of files) {
    const text = reader.textIfThere(file);
    if (text !== null) texts.set(file, text);
  }
  return texts;
}
