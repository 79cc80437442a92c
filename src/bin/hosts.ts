// Which host a name means: the only place, besides tests, that chooses an implementation of Host.
// Each is imported when it is named, so that `--host linux` never loads the emulated machines.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import type { HostWish, Wiring } from "../cli/context.ts";
import { machinesDir, type Paths } from "../cli/paths.ts";
import { SpecProblems } from "../cli/spec-problems.ts";
import { ownCommand } from "../host/linux/own-command.ts";
import { SriovError } from "../model/errors.ts";
import { writeErrorOf } from "../model/file-error.ts";

const stateFileOf = (machine: string, paths: Paths): string =>
  join(machinesDir(paths), `${encodeURIComponent(machine)}.sqlite`);

/** Where one puts other managers' files for an emulated machine: `demo.root/etc/netplan/...`. */
const configRootOf = (machine: string, paths: Paths): string =>
  join(machinesDir(paths), `${encodeURIComponent(machine)}.root`);

async function openEmulated(machine: string, { paths, speed }: HostWish): Promise<Host> {
  const { openEmulatedHost } = await import("../host/emulated/emulated-host.ts");
  const { profileOf } = await import("../host/emulated/machine-list.ts");
  // A name that is no machine must not become a file.
  profileOf(machine);
  const configRoot = configRootOf(machine, paths);
  return openEmulatedHost({
    name: machine,
    statePath: stateFileOf(machine, paths),
    ...(existsSync(configRoot) ? { configRoot } : {}),
    ...(speed === null ? {} : { speed }),
  });
}

/** Why a captured tree cannot be there; null where it can. */
function noTreeReason(root: string): string | null {
  try {
    if (!statSync(root).isDirectory()) return "no such folder";
  } catch (error) {
    return writeErrorOf(error);
  }
  return existsSync(join(root, "sys")) ? null : "it has no sys/";
}

async function openLinux(root: string, { paths, writeDeadlineMs }: HostWish): Promise<Host> {
  const { LinuxHost } = await import("../host/linux/linux-host.ts");
  const reason = root === "/" ? null : noTreeReason(root);
  if (reason !== null) {
    const message = `Cannot open host linux:${root}: ${reason}`;
    const hint = "Name the folder that holds the captured tree's sys/";
    throw new SriovError("host-unknown", message, { operation: "open host", target: root, hint });
  }
  return new LinuxHost({ root, runDirectory: paths.systemRunDir, writeDeadlineMs });
}

async function openHost(hostName: string, wish: HostWish): Promise<Host> {
  const [kind = "", ...rest] = hostName.split(":");
  const name = rest.join(":");
  if (kind === "linux") return openLinux(name === "" ? "/" : name, wish);
  if (kind === "emulated" && name !== "") return openEmulated(name, wish);
  if (kind === "snapshot" && name !== "") {
    return (await import("./capturing.ts")).openSnapshot(name, wish.paths.systemRunDir);
  }
  throw new SriovError("host-unknown", `Cannot open host ${hostName}: there is no such kind`, {
    operation: "open host",
    target: hostName,
  });
}

const openConsumers: Wiring["openConsumers"] = async (hostName, host, paths) => {
  const [kind, machine = ""] = hostName.split(":");
  if (kind === "linux") {
    const { linuxConsumers } = await import("../vmm/consumers.ts");
    const { runCommand } = await import("../host/linux/command.ts");
    return linuxConsumers({ host, run: runCommand });
  }
  if (kind !== "emulated") return async () => null;
  const { emulatedConsumers } = await import("../host/emulated/consumers.ts");
  const { withStore } = await import("../host/emulated/store.ts");
  const statePath = stateFileOf(machine, paths);
  return emulatedConsumers((change) => withStore(statePath, (store) => store.transact(change)));
};

const setUpMachine: Wiring["setUpMachine"] = async (name, paths, change) => {
  const setUp = await import("../host/emulated/set-up.ts");
  const done = await setUp.setUpMachine({ name, statePath: stateFileOf(name, paths) }, change);
  if ("status" in done) return done.status;
  const { faultPlan } = change;
  const source = faultPlan === null || faultPlan === "none" ? "" : faultPlan.source;
  throw new SpecProblems(source, done.problems, "fault plan");
};

/** Opens the machine for one look at its state. */
const runTraffic: Wiring["runTraffic"] = async (name, paths, asked) => {
  const { openEmulatedHost } = await import("../host/emulated/emulated-host.ts");
  const host = await openEmulatedHost({ name, statePath: stateFileOf(name, paths) });
  try {
    if (asked.kind === "traffic") {
      const traffic = await import("../host/emulated/datapath/traffic.ts");
      return host.store.transact((machine) => traffic.runTraffic(machine, asked.wish));
    }
    const checks = await import("../host/emulated/datapath/policy-checks.ts");
    return host.store.transact((machine) => checks.runPolicyChecks(machine, asked.pf));
  } finally {
    await host.close();
  }
};

const openTwin: Wiring["openTwin"] = async (inventory, facts) => {
  const { twinOf } = await import("../host/emulated/twin.ts");
  const { openEmulatedHost } = await import("../host/emulated/emulated-host.ts");
  const { memoryStore } = await import("../host/emulated/store.ts");
  const { machine, strangers, doubts } = twinOf(inventory, facts);
  const store = memoryStore(machine);
  return {
    host: await openEmulatedHost({ name: "twin", statePath: null, store }),
    strangers,
    doubts,
  };
};

const captureHost: Wiring["captureHost"] = async (hostName, wish, stamp) => {
  const { captureOpened } = await import("./capturing.ts");
  const host = await openHost(hostName, wish);
  try {
    return await captureOpened(host, stamp);
  } finally {
    await host.close();
  }
};

export const hosts: Wiring = {
  openHost,
  openConsumers,
  captureHost,
  setUpMachine,
  runTraffic,
  openTwin,
  ownCommand: ownCommand(),
};
