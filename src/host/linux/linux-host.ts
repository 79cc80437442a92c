// The Host of a real machine, or of a captured tree under another root, which can only be read.
// This file only distributes: reads to the inventory and the census, requests that can block to
// the writer children, network requests to netlink.

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { HostIdentity, Inventory, Owner } from "../../model/inventory.ts";
import type {
  Host,
  HostRequest,
  InventoryOptions,
  PerformOptions,
  RequestOutcome,
  VfArrival,
} from "../host.ts";
import { awaitVfs, lookAtVfs } from "./await-vfs.ts";
import { noOwners, takeCensus } from "./census/census.ts";
import { runCommand } from "./command.ts";
import { configBytesMax, readConfigs } from "./config-reader.ts";
import { driverByLink } from "./drivers.ts";
import { type CensusFunction, type OwnersByAddress, readInventory } from "./inventory.ts";
import { wordsOf } from "./kernel-refusal.ts";
import type { LinkName, Links } from "./links.ts";
import { readNetdevNames } from "./netdevs.ts";
import { ownCommand } from "./own-command.ts";
import { functionFile, type LinuxPaths, linuxPaths } from "./paths.ts";
import { iommuGroupOf, readFunction } from "./pci-function.ts";
import { readGuardedConfigs } from "./pf-config.ts";
import { TreeReader } from "./tree-reader.ts";
import { isSysfsRequest, writerArgument } from "./writer-child.ts";
import type { WriterCommand, Writers } from "./writers.ts";

type LinuxHostOptions = {
  /** `/` for the running machine; any other folder is a captured tree and read-only. */
  readonly root: string;
  /** Where writers in flight leave their markers: `/run/sriovctl`. */
  readonly runDirectory: string;
  /** No request is waited for longer than this, whatever its own deadline; null: no limit. */
  readonly writeDeadlineMs?: number | null;
};

/** A checkout starts the child's own small program, a bundle starts itself. */
function writerCommand(root: string, runDirectory: string): WriterCommand {
  const isCheckout = import.meta.filename.endsWith(".ts");
  const command: WriterCommand = isCheckout
    ? [process.execPath, join(import.meta.dirname, "writer-main.ts")]
    : ownCommand();
  return [...command, writerArgument, root, runDirectory];
}

function readIdentity(paths: LinuxPaths, root: string): HostIdentity {
  const reader = new TreeReader();
  const text = (path: string): string | null => reader.textIfThere(path, ["EACCES"]) || null;
  return {
    name: paths.isLive ? "linux" : `linux:${root}`,
    isWritable: paths.isLive,
    machineId: text(paths.machineId),
    bootId: text(paths.bootId),
    kernelRelease: text(paths.kernelRelease),
  };
}

const configDeadlineMs = 2000;
/** A program that only tells something needs some 10 ms. */
const commandLimits = { deadlineMs: 3000, bytesMax: 1 << 24 };
/** Without uevents: how often sysfs is looked at. */
const pollIntervalMs = 10;
/** With uevents: the longest time without a look, should one be lost. */
const eventIntervalMs = 250;

export class LinuxHost implements Host {
  readonly identity: HostIdentity;
  readonly #paths: LinuxPaths;
  readonly #writerCommand: WriterCommand;
  #writers: Promise<Writers> | null = null;
  readonly #writeDeadlineMs: number;
  #links: Promise<Links> | null = null;

  constructor({ root, runDirectory, writeDeadlineMs = null }: LinuxHostOptions) {
    this.#writeDeadlineMs = writeDeadlineMs ?? Number.POSITIVE_INFINITY;
    this.#paths = linuxPaths(root, runDirectory);
    this.identity = readIdentity(this.#paths, root);
    this.#writerCommand = writerCommand(root, runDirectory);
  }

  /** Netlink is opened at its first use: many commands never need it. */
  #openLinks(): Promise<Links> {
    this.#links ??= import("./links.ts").then(({ openLinks }) => openLinks());
    return this.#links;
  }

  async inventory(options: InventoryOptions): Promise<Inventory> {
    const readLinks = async (reader: TreeReader, steadyPfs: readonly Address[]) => {
      const [links, { readLinkFacts }] = await Promise.all([
        this.#openLinks(),
        import("./link-facts.ts"),
      ]);
      return readLinkFacts({ links, paths: this.#paths, steadyPfs }, reader);
    };
    const inventory = await readInventory(
      {
        paths: this.#paths,
        identity: this.identity,
        readLinks: this.#paths.isLive ? readLinks : null,
        census: (functions) => this.#census(functions),
      },
      options,
    );
    if (options.claims !== true) return inventory;
    const { withClaims } = await import("../config-files.ts");
    return withClaims(inventory, this.#paths.isLive ? "/" : this.#paths.prefix);
  }

  async facts(inventory: Inventory): Promise<HostFacts> {
    const { readFacts } = await import("./facts/read-facts.ts");
    const { isLive } = this.#paths;
    return readFacts(
      {
        paths: this.#paths,
        reader: new TreeReader(),
        readConfigs: (files) => readGuardedConfigs(files, isLive),
        run: isLive ? (words) => runCommand(words, commandLimits) : null,
      },
      inventory,
    );
  }

  /** What starts children is loaded at the first write: reading needs none. */
  #openWriters(): Promise<Writers> {
    this.#writers ??= import("./writers.ts").then(
      ({ Writers }) => new Writers(this.#writerCommand),
    );
    return this.#writers;
  }

  async #census(functions: readonly CensusFunction[]): Promise<OwnersByAddress> {
    const links = this.#paths.isLive ? await this.#openLinks() : null;
    const readNetwork =
      links === null ? null : () => ({ ...links.readLinks(), ...links.readTraffic() });
    return takeCensus(functions, { paths: this.#paths, readNetwork });
  }

  async owners(addresses: readonly Address[]): Promise<ReadonlyMap<Address, readonly Owner[]>> {
    const reader = new TreeReader();
    const netdevNames = readNetdevNames(this.#paths, reader);
    const functions = addresses.flatMap((address) => {
      const fn = readFunction(this.#paths, address, reader);
      if (fn === null) return [];
      const { folder, classCode } = fn;
      const driver = driverByLink(folder, reader);
      const iommuGroup = iommuGroupOf(folder, reader);
      return [{ address, driver, iommuGroup, classCode, netdevs: netdevNames.get(address) ?? [] }];
    });
    const owners = await this.#census(functions);
    return new Map(addresses.map((address) => [address, owners.get(address) ?? noOwners]));
  }

  async readConfig(address: Address): Promise<Uint8Array> {
    const path = functionFile(this.#paths, address, "config");
    const [config] = await readConfigs([path], configDeadlineMs);
    if (config?.status === "read") return config.bytes;
    const why =
      config?.status === "failed"
        ? `the kernel says ${config.errno}`
        : `no answer in ${configDeadlineMs} ms, somebody is changing the function`;
    const errno = config?.status === "failed" ? config.errno : null;
    const code = errno === "ENOENT" ? "not-found" : errno === null ? "stuck" : "kernel-refused";
    const message = `Cannot read config space of ${address}, up to ${configBytesMax} bytes: ${why}`;
    throw new SriovError(code, message, { operation: "read config", target: address, errno });
  }

  async perform(request: HostRequest, wish: PerformOptions): Promise<RequestOutcome> {
    const deadlineMs = Math.min(wish.deadlineMs, this.#writeDeadlineMs);
    const options = { ...wish, deadlineMs };
    if (!this.#paths.isLive) {
      const { operation, target, action } = wordsOf(request);
      const message = `${action}: ${this.identity.name} is a captured tree, wanted a live host`;
      throw new SriovError("host-read-only", message, { operation, target });
    }
    if (isSysfsRequest(request)) {
      return await (await this.#openWriters()).perform(request, options);
    }
    switch (request.verb) {
      case "loadModule": {
        const { loadModule } = await import("./load-module.ts");
        return await loadModule(request.module, options.deadlineMs);
      }
      case "setVf": {
        const { pf, vfIndex, attribute } = request;
        (await this.#openLinks()).setVf(this.#netdevOf(request, pf), vfIndex, attribute);
        return { status: "done" };
      }
      case "setMtu":
        (await this.#openLinks()).setMtu(this.#netdevOf(request, request.pf), request.mtu);
        return { status: "done" };
      case "setAdminState":
        (await this.#openLinks()).setAdminState(this.#netdevOf(request, request.pf), request.isUp);
        return { status: "done" };
      case "setAltName": {
        const { address, altName, isPresent } = request;
        const link = this.#netdevOf(request, address);
        (await this.#openLinks()).setAltName(link, altName, isPresent);
        return { status: "done" };
      }
      case "setEswitchMode": {
        const { setEswitchMode } = await import("./devlink-modes.ts");
        setEswitchMode({ bus: "pci", name: request.pf }, request.mode);
        return { status: "done" };
      }
    }
  }

  /** The PF's own netdev: representors of VFs hang below the PF too, and have port names. */
  #netdevOf(request: HostRequest, pf: Address): LinkName {
    const reader = new TreeReader();
    const folder = functionFile(this.#paths, pf, "net");
    const names = reader.namesIfThere(folder).sort();
    const portNameOf = (name: string): string =>
      reader.textIfThere(`${folder}/${name}/phys_port_name`, ["EOPNOTSUPP"]) ?? "";
    const isRepresentor = (name: string): boolean => /^(?:c\d+)?pf\d+/.test(portNameOf(name));
    const name = names.length > 1 ? names.find((each) => !isRepresentor(each)) : names[0];
    const ifindex = name === undefined ? null : reader.decimal(`${folder}/${name}/ifindex`);
    if (name !== undefined && ifindex !== null) return { name, ifindex };
    const { operation, target, action } = wordsOf(request);
    const message = `${action}: it has no netdev in this network namespace`;
    throw new SriovError("not-found", message, { operation, target, errno: "ENODEV" });
  }

  async awaitVfs(pf: Address, numVfs: number, timeoutMs: number): Promise<VfArrival> {
    const { UeventSocket } = await import("./netlink-socket.ts");
    const events = this.#paths.isLive ? UeventSocket.open() : null;
    const wait = async (leftMs: number): Promise<void> => {
      if (events === null) await delay(Math.min(pollIntervalMs, leftMs));
      else await events.awaitUevents(Math.min(eventIntervalMs, leftMs));
    };
    try {
      return await awaitVfs(() => lookAtVfs(this.#paths, pf, numVfs), wait, timeoutMs);
    } finally {
      events?.close();
    }
  }

  now(): number {
    return performance.now();
  }

  async sleep(durationMs: number): Promise<void> {
    await delay(durationMs);
  }

  async close(): Promise<void> {
    if (this.#writers !== null) await (await this.#writers).close();
    const links = this.#links;
    this.#links = null;
    if (links !== null) (await links).close();
  }
}
