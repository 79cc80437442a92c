// A machine with VFs, a pool of all of them in a spec, a store in a folder of its own, and a way to
// kill whoever works on it at a chosen request to the host.

import assert from "node:assert/strict";
import { awayMarks } from "../../src/apply/away-marks.ts";
import type { Leasing } from "../../src/apply/leasing.ts";
import type { Host } from "../../src/host/host.ts";
import { openLeases } from "../../src/lease/store.ts";
import type { Wish } from "../../src/lease/select.ts";
import { parseSpec } from "../../src/model/spec-text.ts";
import type { Spec } from "../../src/model/spec.ts";
import { machineProfile, pfAddress } from "../sim/machines.ts";

/** A pool `tenants` of VFs `0-last` of every PF, at their addresses. */
export function poolSpec(pfs: readonly string[], last: number, keys: object = {}): Spec {
  const document = {
    apiVersion: "sriovctl/v1",
    adapters: pfs.map((address, index) => ({
      name: `nic${index}`,
      physicalFunctions: [{ name: `p${index}`, match: { address } }],
    })),
    pools: [
      {
        name: "tenants",
        vfs: pfs.map((_, index) => `p${index}/0-${last}`),
        driver: "vfio-pci",
        ...keys,
      },
    ],
  };
  const { spec, problems } = parseSpec(JSON.stringify(document), "pools.json");
  assert.deepEqual(problems, []);
  assert(spec !== null);
  return spec;
}

/** Two PFs with 32 VFs each, all for guests. */
export const poolMachine = machineProfile({
  pfs: [0, 1].map(() => ({
    card: "intel-e810-100",
    numVfs: 32,
    vfDrivers: Object.fromEntries(Array.from({ length: 32 }, (_, index) => [index, "vfio-pci"])),
  })),
  isVfioLoaded: true,
});

export const poolOf64 = (): Spec => poolSpec([pfAddress(0), pfAddress(1)], 31);

export const wishFor = (holder: string, part: Partial<Wish> = {}): Wish => ({
  holder,
  count: 1,
  pool: "tenants",
  pfs: [],
  vfs: [],
  numa: null,
  isAloneInGroup: false,
  placement: "pack",
  apart: null,
  ...part,
});

export function leasingOn(host: Host, spec: Spec, storePath: string): Leasing {
  let nowMs = Date.UTC(2026, 0, 1);
  return {
    host,
    lockFd: null,
    store: openLeases(storePath),
    away: awayMarks(`${storePath}-away`),
    spec,
    nowMs: () => (nowMs += 1000),
    worker: process.pid,
  };
}

/** What a process that is killed leaves: request number `at`, from 0, reaches the kernel or not, and
 * nothing after it. */
export class Killed extends Error {}

export function killedAt(host: Host, at: number, arrives: boolean): Host {
  let requests = 0;
  const dies = (): void => {
    if (requests > at) throw new Killed();
  };
  return {
    identity: host.identity,
    inventory: async (options) => (dies(), await host.inventory(options)),
    facts: async (inventory) => (dies(), await host.facts(inventory)),
    owners: async (addresses) => (dies(), await host.owners(addresses)),
    numaNodesOf: async (place) => (dies(), await host.numaNodesOf(place)),
    readConfig: async (address) => (dies(), await host.readConfig(address)),
    perform: async (request, options) => {
      dies();
      if (requests++ < at) return await host.perform(request, options);
      if (arrives) await host.perform(request, options);
      throw new Killed();
    },
    awaitVfs: async (pf, numVfs, ms) => (dies(), await host.awaitVfs(pf, numVfs, ms)),
    now: () => host.now(),
    sleep: async (ms) => await host.sleep(ms),
    close: async () => {},
  };
}
