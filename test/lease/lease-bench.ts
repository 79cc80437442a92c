// An emulated machine of one PF with three VFs in a pool, leases on it, and short names for what the
// tests of leasing do and look at.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { HolderProof } from "../../src/apply/lease-release.ts";
import { acquireVfs, lookAtVfs, type Leasing } from "../../src/apply/leasing.ts";
import { openEmulatedHost, type EmulatedHost } from "../../src/host/emulated/emulated-host.ts";
import type { Fault } from "../../src/host/emulated/faults.ts";
import { fullInventory, type HostRequest } from "../../src/host/host.ts";
import { targetOf, type Lease } from "../../src/lease/lease.ts";
import { SriovError } from "../../src/model/errors.ts";
import type { Vf } from "../../src/model/inventory.ts";
import { temporaryDirectory } from "../run-program.ts";
import { machineProfile, pfAddress, type MachinePlan } from "../sim/machines.ts";
import { leasingOn, poolSpec, wishFor } from "./pool-bench.ts";

export const pf = pfAddress(0);
const machine: MachinePlan = {
  pfs: [{ card: "intel-82576", numVfs: 3 }],
  guests: [{ name: "web1", holds: [] }],
};

export type Bench = { readonly host: EmulatedHost; readonly leasing: Leasing };

export async function openPool(
  context: TestContext,
  faults: readonly Fault[] = [],
  plan: MachinePlan = machine,
): Promise<Bench> {
  const host = await openEmulatedHost({ name: machineProfile(plan), statePath: null, faults });
  const path = join(temporaryDirectory(context), "leases.sqlite");
  const leasing = leasingOn(host, poolSpec([pf], 2), path);
  context.after(() => leasing.store.close());
  return { host, leasing };
}

export const perform = (host: EmulatedHost, request: HostRequest) =>
  host.perform(request, { deadlineMs: 600_000, lockFd: null });

export async function vfsOf(host: EmulatedHost): Promise<readonly Vf[]> {
  const { physicalFunctions } = await host.inventory({ ...fullInventory, detailOf: [pf] });
  return physicalFunctions[0]?.virtualFunctions ?? [];
}

/** What the last owner left. */
export async function soil(host: EmulatedHost, vfIndex: number): Promise<void> {
  const attributes = [
    { name: "mac", mac: "02:00:00:00:00:66" },
    { name: "vlan", vlan: { id: 66, qos: 1, protocol: "802.1q" } },
    { name: "trust", isOn: true },
    { name: "spoofCheck", isOn: false },
  ] as const;
  for (const attribute of attributes) {
    await perform(host, { verb: "setVf", pf, vfIndex, attribute });
  }
}

export const vfWords = ({ driver, driverOverride, policy }: Vf): string =>
  `${driver} ${driverOverride} ${policy?.mac} vlan ${policy?.vlan?.id} trust ${policy?.trust} spoof ${policy?.spoofCheck}`;

export const clean = "vfio-pci vfio-pci 00:00:00:00:00:00 vlan 0 trust false spoof true";

export const words = ({ leasing }: Bench): string[] =>
  leasing.store
    .leases()
    .map(({ vf, state, generation, holder }: Lease) =>
      [targetOf(vf), state, generation, holder?.name].join(" ").trim(),
    );

export const terms = (name: string) => ({
  holder: { name, pid: null },
  expiresAtMs: null,
  reason: "test",
});

export const proofOf = (holder: string | null, generation: number | null = null): HolderProof => ({
  holder,
  generation,
});

export async function acquire(
  { leasing }: Bench,
  name: string,
  part = {},
): Promise<readonly Lease[]> {
  const acquired = await acquireVfs(leasing, wishFor(name, part), terms(name));
  return acquired.kind === "granted" ? acquired.granted.map(({ lease }) => lease) : [];
}

export async function place({ leasing }: Bench, vfIndex = 0) {
  const found = (await lookAtVfs(leasing)).candidates[vfIndex];
  assert(found !== undefined);
  return found.vf;
}

export const codeOf = async (work: Promise<unknown> | (() => unknown)): Promise<string> => {
  try {
    await (typeof work === "function" ? work() : work);
    return "nothing thrown";
  } catch (error) {
    if (!(error instanceof SriovError)) throw error;
    return `${error.code}: ${error.message}`;
  }
};
