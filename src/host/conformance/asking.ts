// How the cases of the conformance suite ask a host: a machine like the lab's, requests under short
// names, answers compared all at once, and what is there read back.

import assert from "node:assert/strict";
import { SriovError } from "../../model/errors.ts";
import type { Address } from "../../model/bdf.ts";
import type { Inventory, Pf, Vf } from "../../model/inventory.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import type { Host, HostRequest } from "../host.ts";
import { fullInventory } from "../host.ts";

/** A VM of QEMU with VFs in ports from which they can be unplugged. */
type ConformanceVm = {
  /** Resolves once the VM says that it has the VF no more. */
  readonly letGo: (vf: Address) => Promise<void>;
  readonly end: () => Promise<void>;
};

export type StartVm = (name: "web1", vfs: readonly Address[]) => Promise<ConformanceVm>;

/** A machine like the lab's: PFs as after boot, with 0 VFs, autoprobe on and netdevs down. */
export type ConformanceSubject = {
  readonly host: Host;
  /** Two Intel 82576 ports below root ports with ACS, of which nothing else makes use. */
  readonly igb: Address;
  readonly otherIgb: Address;
  /** An 82576 port below a root port without ACS, and that port. */
  readonly igbWithoutAcs: Address;
  readonly portWithoutAcs: Address;
  /** An NVMe controller with at least 3 VFs. */
  readonly nvme: Address;
  /** With VFs that are on vfio-pci. */
  readonly startVm: StartVm;
  readonly close: () => Promise<void>;
};

export type Case = (subject: ConformanceSubject) => Promise<void>;

export const patience = { deadlineMs: 120_000, lockFd: null };

export type Answer = "done" | "stuck" | string;

/** "done", "stuck", or the errno of the refusal. */
export async function answerOf(host: Host, request: HostRequest): Promise<Answer> {
  try {
    return (await host.perform(request, patience)).status;
  } catch (error) {
    assert(error instanceof SriovError, `${JSON.stringify(request)}: ${String(error)}`);
    return error.errno ?? error.code;
  }
}

type Row = readonly [request: HostRequest, answer: Answer];

/** Performs the requests in order and compares all answers at once. */
export async function expectAnswers(host: Host, rows: readonly Row[]): Promise<void> {
  const found: string[] = [];
  for (const [request] of rows) {
    found.push(`${JSON.stringify(request)} -> ${await answerOf(host, request)}`);
  }
  assert.deepEqual(
    found,
    rows.map(([request, answer]) => `${JSON.stringify(request)} -> ${answer}`),
  );
}

export const expectDone = (host: Host, ...requests: readonly HostRequest[]): Promise<void> =>
  expectAnswers(
    host,
    requests.map((request) => [request, "done"]),
  );

export const numVfs = (pf: Address, count: number): HostRequest => ({
  verb: "setNumVfs",
  pf,
  numVfs: count,
});
export const autoprobe = (pf: Address, isOn: boolean): HostRequest => ({
  verb: "setDriversAutoprobe",
  pf,
  isOn,
});
export const override = (address: Address, driver: string | null): HostRequest => ({
  verb: "setDriverOverride",
  address,
  driver,
});
export const probe = (address: Address): HostRequest => ({ verb: "probe", address });
export const unbind = (address: Address): HostRequest => ({ verb: "unbind", address });
export const loadModule = (module: string): HostRequest => ({ verb: "loadModule", module });
export const adminState = (pf: Address, isUp: boolean): HostRequest => ({
  verb: "setAdminState",
  pf,
  isUp,
});
export const msix = (address: Address, msixCount: number): HostRequest => ({
  verb: "setMsixCount",
  address,
  msixCount,
});

export const reset = (address: Address): HostRequest => ({ verb: "reset", address });

export const inventoryOf = (host: Host, pf: Address): Promise<Inventory> =>
  host.inventory({ ...fullInventory, census: false, detailOf: [pf] });

export async function pfOf(host: Host, address: Address): Promise<Pf> {
  const { physicalFunctions } = await inventoryOf(host, address);
  const pf = physicalFunctions.find((each) => each.address === address);
  assert(pf !== undefined, `${address} is in the inventory`);
  return pf;
}

export async function vfsOf(host: Host, address: Address): Promise<readonly Vf[]> {
  return (await pfOf(host, address)).virtualFunctions;
}

export async function vfOf(host: Host, address: Address, vfIndex: number): Promise<Vf> {
  const vf = (await vfsOf(host, address))[vfIndex];
  assert(vf !== undefined, `VF ${vfIndex} of ${address} is there`);
  return vf;
}

/** VFs without drivers, and their addresses. */
export async function makeBareVfs(host: Host, pf: Address, count: number): Promise<Address[]> {
  await expectDone(host, autoprobe(pf, false), numVfs(pf, count));
  const { numVfs: arrived } = await host.awaitVfs(pf, count, 10_000);
  assert.equal(arrived, count);
  return (await vfsOf(host, pf)).map(({ address }) => address);
}

export async function waitForLink(host: Host, pf: Address): Promise<void> {
  const untilMs = host.now() + 20_000;
  while ((await pfOf(host, pf)).netdevs[0]?.hasLink !== true) {
    assert(host.now() < untilMs, `${pf} gets a link`);
    await host.sleep(200);
  }
}

export const zeroMac = "00:00:00:00:00:00";
export const freshIgbPolicy: VfPolicy = {
  mac: zeroMac,
  vlan: { id: 0, qos: 0, protocol: "802.1q" },
  txRateMinMbps: 0,
  txRateMaxMbps: 0,
  spoofCheck: true,
  trust: false,
  linkState: "auto",
  rssQuery: null,
  nodeGuid: null,
  portGuid: null,
};
