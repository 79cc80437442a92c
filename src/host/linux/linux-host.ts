// The Host of a real machine, or of a captured tree under another root, which can only be read.
// This file only distributes: reads to the inventory and the census, requests that can block to
// the writer children, network requests to netlink.

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { CaptureHeader } from "../../capture/evidence.ts";
import type { Address } from "../../model/bdf.ts";
import { SriovError } from "../../model/errors.ts";
import type { HostFacts } from "../../model/host-facts.ts";
import type { HostIdentity, Inventory, Owner } from "../../model/inventory.ts";
import type { Problem } from "../../model/problem.ts";
import type {
  Host,
  HostRequest,
  InventoryOptions,
  NumaPlace,
  PerformOptions,
  RequestOutcome,
  VfArrival,
} from "../host.ts";
import { awaitVfs, lookAtVfs } from "./await-vfs.ts";
import type { CaptureResult } from "./capture/capture-host.ts";
import { noOwners, takeCensus } from "./census/census.ts";
import { configBytesMax } from "./config-reader.ts";
import { driverByLink } from "./drivers.ts";
import { readIdentity } from "./identity.ts";
import { type CensusFunction, type OwnersByAddress, readInventory } from "./inventory.ts";
import { wordsOf } from "./kernel-refusal.ts";
import type { LinkName, Links } from "./links.ts";
import { readNetdevNames } from "./netdevs.ts";
import { ownCommand } from "./own-command.ts";
import { functionFile, type LinuxPaths, linuxPaths } from "./paths.ts";
import { iommuGroupOf, readFunction } from "./pci-function.ts";
import { type HostSources, liveSources, treeSources } from "./sources.ts";
import { TreeReader } from "./tree-reader.ts";
import { isSysfsRequest, writerArgument } from "./writer-child.ts";
import type { WriterCommand, Writers } from "./writers.ts";

type OpenCapture = {
  readonly name: string;
  readonly header: CaptureHeader;
  readonly sources: HostSources;
  /** What of the file could not be used. */
  readonly problems: readonly Problem[];
};

type LinuxHostOptions = {
  /** `/` for the running machine; any other folder is a captured tree and read-only. */
  readonly root: string;
  /** Where writers in flight leave their markers: `/run/sriovctl`. */
  readonly runDirectory: string;
  /** No request is waited for longer than this, whatever its own deadline; null: no limit. */
  readonly writeDeadlineMs?: number | null;
  /** A capture to read instead of the machine; `root` is `/` then. */
  readonly capture?: OpenCapture | null;
};

/** A checkout starts the child's own small program, a bundle starts itself. */
function writerCommand(root: string, runDirectory: string): WriterCommand {
  const isCheckout = import.meta.filename.endsWith(".ts");
  const command: WriterCommand = isCheckout
    ? [process.execPath, join(import.meta.dirname, "writer-main.ts")]
    : ownCommand();
  return [...command, writerArgument, root, runDirectory];
}

const configDeadlineMs = 2000;
/** Without uevents: how often sysfs is looked at. */
const pollIntervalMs = 10;
/** With uevents: the longest time without a look, should one be lost. */
const eventIntervalMs = 250;

export class LinuxHost implements Host {
  readonly identity: HostIdentity;
  readonly #paths: LinuxPaths;
  readonly #writerCommand: WriterCommand;
  #writers: Promise<Writers> | null = null;
  readonly #sources: HostSources;
  readonly #capture: OpenCapture | null;
  readonly #writeDeadlineMs: number;
  #links: Promise<Links> | null = null;

  constructor({ root, runDirectory, writeDeadlineMs = null, capture = null }: LinuxHostOptions) {
    this.#writeDeadlineMs = writeDeadlineMs ?? Number.POSITIVE_INFINITY;
    this.#paths = linuxPaths(root, runDirectory, capture !== null);
    this.#capture = capture;
    const { isLive } = this.#paths;
    const open = isLive ? liveSources : treeSources;
    this.#sources = capture?.sources ?? open(this.#paths, this.#networkSources());
    const name = capture?.name ?? (isLive ? "linux" : `linux:${root}`);
    this.identity = readIdentity(this.#paths, name, this.#sources.files);
    this.#writerCommand = writerCommand(root, runDirectory);
  }

  /** Netlink is opened at its first use: many commands never need it. */
  #openLinks(): Promise<Links> {
    this.#links ??= import("./links.ts").then(({ openLinks }) => openLinks());
    return this.#links;
  }

  #networkSources(): Parameters<typeof liveSources>[1] {
    return {
      census: (functions) => this.#census(functions),
      readLinks: async (reader, steadyPfs) => {
        const [links, { readLinkFacts }] = await Promise.all([
          this.#openLinks(),
          import("./link-facts.ts"),
        ]);
        return readLinkFacts({ links, paths: this.#paths, steadyPfs }, reader);
      },
    };
  }

  async inventory(options: InventoryOptions): Promise<Inventory> {
    const sources = this.#sources;
    const question = { paths: this.#paths, identity: this.identity, sources };
    const read = await readInventory(question, options);
    const damage = this.#capture?.problems ?? [];
    const known = await this.#withFirmware(read, options.firmwareOf ?? []);
    const inventory =
      damage.length === 0 ? known : { ...known, problems: [...damage, ...known.problems] };
    if (options.claims !== true && options.reservations === undefined) return inventory;
    const { withOtherManagers } = await import("../other-managers.ts");
    const { configFiles: readFiles, readWishes } = sources;
    return await withOtherManagers(inventory, options, { readWishes, readFiles });
  }

  async #withFirmware(inventory: Inventory, addresses: readonly Address[]): Promise<Inventory> {
    if (addresses.length === 0) return inventory;
    const { withFirmwareVfs } = await import("./facts/firmware-vfs.ts");
    return await withFirmwareVfs(inventory, addresses, this.#sources);
  }

  async facts(inventory: Inventory): Promise<HostFacts> {
    const { readFacts } = await import("./facts/read-facts.ts");
    const sources = this.#sources;
    const reader = new TreeReader(sources.files);
    return readFacts({ ...sources, paths: this.#paths, reader }, inventory);
  }

  /** All that an inventory and its facts read, to be looked at elsewhere. */
  async capture(madeBy: string, at: string): Promise<CaptureResult> {
    const { captureHost } = await import("./capture/capture-host.ts");
    const user = process.geteuid?.() === 0 ? "root" : "other";
    const fresh = { madeBy, at, identifiers: "raw", user, isCut: false } as const;
    const header = this.#capture?.header ?? fresh;
    return captureHost({ paths: this.#paths, sources: this.#sources, header });
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
    const reader = new TreeReader(this.#sources.files);
    const netdevNames = readNetdevNames(this.#paths, reader);
    const functions = addresses.flatMap((address) => {
      const fn = readFunction(this.#paths, address, reader);
      if (fn === null) return [];
      const { folder, classCode } = fn;
      const driver = driverByLink(folder, reader);
      const iommuGroup = iommuGroupOf(folder, reader);
      return [{ address, driver, iommuGroup, classCode, netdevs: netdevNames.get(address) ?? [] }];
    });
    const owners = await this.#sources.census(functions);
    return new Map(addresses.map((address) => [address, owners.get(address) ?? noOwners]));
  }

  async numaNodesOf(place: NumaPlace): Promise<readonly number[]> {
    const { readNumaNodes } = await import("./numa-nodes.ts");
    return readNumaNodes(this.#paths, place);
  }

  async readConfig(address: Address): Promise<Uint8Array> {
    const path = functionFile(this.#paths, address, "config");
    const file = { file: path, mayWait: false };
    const [config] = await this.#sources.readConfigs([file], configDeadlineMs);
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
      const message = `${action}: ${this.identity.name} is a capture, wanted a live host`;
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
    if (this.#capture !== null) {
      const message = `Cannot wait for VFs of ${pf}: nothing happens in ${this.identity.name}`;
      const detail = { operation: "wait for VFs", target: pf };
      throw new SriovError("host-read-only", message, detail);
    }
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
