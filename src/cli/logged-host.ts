// A host that tells the log what is asked of it, for --debug: each request with its outcome and
// how long it took by the host's own clock, each inventory with its size.

import type { Host, HostRequest, PerformOptions } from "../host/host.ts";
import type { InventoryOptions } from "../host/host.ts";
import type { Logger } from "./logger.ts";

export function loggedHost(host: Host, log: Logger): Host {
  const timed = async <T>(words: string, work: Promise<T>, result: (value: T) => string) => {
    const startedAtMs = host.now();
    try {
      const value = await work;
      log.debug(`${words}: ${result(value)} (${Math.round(host.now() - startedAtMs)} ms)`);
      return value;
    } catch (error) {
      log.debug(`${words}: ${String(error)} (${Math.round(host.now() - startedAtMs)} ms)`);
      throw error;
    }
  };
  return {
    identity: host.identity,
    inventory: (options: InventoryOptions) =>
      timed("inventory", host.inventory(options), ({ physicalFunctions, problems }) => {
        return `${physicalFunctions.length} PFs, ${problems.length} problems`;
      }),
    facts: (inventory) =>
      timed("facts", host.facts(inventory), ({ functions, gaps }) => {
        return `${functions.length} functions, ${gaps.length} gaps`;
      }),
    owners: (addresses) =>
      timed(`owners of ${addresses.join(", ")}`, host.owners(addresses), (owners) => {
        const words = [...owners.values()].flat().map(({ kind, name }) => `${kind}:${name}`);
        return words.length === 0 ? "none" : words.join(", ");
      }),
    numaNodesOf: (place) =>
      timed(`NUMA nodes of ${JSON.stringify(place)}`, host.numaNodesOf(place), (nodes) =>
        nodes.length === 0 ? "not known" : nodes.join(", "),
      ),
    readConfig: (address) =>
      timed(`config of ${address}`, host.readConfig(address), ({ length }) => `${length} bytes`),
    perform: (request: HostRequest, options: PerformOptions) =>
      timed(JSON.stringify(request), host.perform(request, options), ({ status }) => status),
    awaitVfs: (pf, numVfs, timeoutMs) =>
      timed(`VFs of ${pf}`, host.awaitVfs(pf, numVfs, timeoutMs), (arrival) => {
        return `${arrival.numVfs} of ${numVfs}`;
      }),
    now: () => host.now(),
    sleep: (durationMs) => host.sleep(durationMs),
    close: () => host.close(),
  };
}
