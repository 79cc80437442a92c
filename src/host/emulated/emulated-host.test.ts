// The emulated host through its own interface: what it shows when new, that requests overlap or
// wait as the lock model says, that a held VF blocks, and that faults come when they are told to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SriovError } from "../../model/errors.ts";
import type { Pf, Vf } from "../../model/inventory.ts";
import { decodeFunction } from "../../pci/decode-function.ts";
import type { HostRequest } from "../host.ts";
import { fullInventory } from "../host.ts";
import type { EmulatedHost } from "./emulated-host.ts";
import type { EmulatedHostOptions } from "./emulated-host-options.ts";
import { openEmulatedHost } from "./emulated-host.ts";
import { machines } from "./machine-list.ts";

const open = (name: string, options: Partial<EmulatedHostOptions> = {}): Promise<EmulatedHost> =>
  openEmulatedHost({ name, statePath: null, ...options });

const perform = (host: EmulatedHost, request: HostRequest, deadlineMs = 600_000) =>
  host.perform(request, { deadlineMs, lockFd: null });

const setNumVfs = (pf: string, numVfs: number): HostRequest => ({ verb: "setNumVfs", pf, numVfs });

async function pfOf(host: EmulatedHost, address: string): Promise<Pf> {
  const { physicalFunctions } = await host.inventory({ ...fullInventory, detailOf: [address] });
  const pf = physicalFunctions.find((each) => each.address === address);
  assert(pf !== undefined, `${address} is in the inventory`);
  return pf;
}

async function vfOf(host: EmulatedHost, address: string, vfIndex: number): Promise<Vf> {
  const vf = (await pfOf(host, address)).virtualFunctions[vfIndex];
  assert(vf !== undefined, `VF ${vfIndex} of ${address} is there`);
  return vf;
}

const errnoOf = async (promise: Promise<unknown>): Promise<string | null> => {
  try {
    await promise;
    return null;
  } catch (error) {
    assert(error instanceof SriovError, String(error));
    return error.errno;
  }
};

const [port0, port1, crossing, switched] = [
  "0000:3b:00.0",
  "0000:3b:00.1",
  "0000:5e:00.0",
  "0000:87:00.0",
] as const;

test("every machine opens, and its config space decodes without a problem", async () => {
  for (const { name } of machines) {
    const host = await open(name);
    const { physicalFunctions, bridges } = await host.inventory(fullInventory);
    assert(physicalFunctions.length > 0, name);
    const vfs = physicalFunctions.flatMap((pf) => pf.virtualFunctions.slice(0, 1));
    for (const { address } of [...physicalFunctions, ...bridges, ...vfs]) {
      const config = decodeFunction(await host.readConfig(address));
      assert.deepEqual(config.problems, [], `${name} ${address}`);
    }
    await host.close();
  }
});

test("VFs appear at the addresses that the registers give, across a bus too", async () => {
  const host = await open("demo");
  await perform(host, setNumVfs(port1, 128));
  const { virtualFunctions } = await pfOf(host, port1);
  assert.deepEqual(
    [0, 119, 120, 127].map((vfIndex) => virtualFunctions[vfIndex]?.address),
    ["0000:3b:11.0", "0000:3b:1f.7", "0000:3c:00.0", "0000:3c:00.7"],
  );
  const config = decodeFunction(await host.readConfig(port1));
  const sriov = config.extendedCapabilities.find(({ body }) => body?.kind === "sriov")?.body;
  assert.partialDeepStrictEqual(sriov, {
    numVfs: 128,
    vfEnable: true,
    firstVfOffset: 135,
    totalVfs: 128,
  });
});

test("enabling takes the kernel's 100 ms and the driver's time, without real time", async () => {
  const host = await open("demo");
  await perform(host, { verb: "setDriversAutoprobe", pf: port0, isOn: false });
  const startedAtMs = host.now();
  await perform(host, setNumVfs(port0, 8));
  assert.equal(host.now() - startedAtMs, 100 + 300 + 8 * 15);
  assert.deepEqual(await host.awaitVfs(port0, 8, 1000), { numVfs: 8, withoutNetdev: [] });
});

for (const [lockModel, factor] of [
  ["global", 2],
  ["per-pf", 1],
] as const) {
  test(`two PFs enabled at once take ${factor} times as long with a ${lockModel} lock`, async () => {
    const alone = await open("demo");
    await perform(alone, setNumVfs(port0, 16));
    const host = await open("demo", { lockModel });
    await Promise.all([port0, port1].map((pf) => perform(host, setNumVfs(pf, 16))));
    assert.equal(host.now(), alone.now() * factor);
  });
}

test("a VF that a guest has open blocks a disable until the guest closes it", async () => {
  const host = await open("demo");
  const { address } = await vfOf(host, crossing, 0);
  assert.deepEqual((await host.owners([address])).get(address)?.[0]?.name, "web1");
  const outcome = await perform(host, setNumVfs(crossing, 0), 5000);
  assert.deepEqual(outcome, { status: "stuck", pid: null });
  assert.equal((await pfOf(host, crossing)).isChanging, true);
  // The global lock keeps every other PF from changing.
  assert.equal((await perform(host, setNumVfs(port0, 4), 5000)).status, "stuck");
  host.happen({ event: "guest-closes", guest: "web1", vf: address });
  await host.sleep(60_000);
  assert.equal((await pfOf(host, crossing)).numVfs, 0);
  assert.equal((await pfOf(host, port0)).numVfs, 4);
  assert.doesNotMatch(host.print(), /in flight/);
});

test("a VF that a guest has open is not taken from vfio-pci until the guest closes it", async () => {
  const host = await open("demo");
  const { address } = await vfOf(host, crossing, 0);
  const outcome = await perform(host, { verb: "unbind", address }, 5000);
  assert.deepEqual(outcome, { status: "stuck", pid: null });
  assert.equal((await vfOf(host, crossing, 0)).driver, "vfio-pci");
  host.happen({ event: "guest-closes", guest: "web1", vf: address });
  await host.sleep(60_000);
  assert.equal((await vfOf(host, crossing, 0)).driver, null);
});

test("a VF's netdev has the MAC that was set, and else one that nobody set", async () => {
  const host = await open("demo");
  await perform(host, { verb: "setDriversAutoprobe", pf: port0, isOn: false });
  await perform(host, setNumVfs(port0, 2));
  const mac = "02:00:5e:10:00:07";
  const attribute = { name: "mac", mac } as const;
  await perform(host, { verb: "setVf", pf: port0, vfIndex: 0, attribute });
  await perform(host, { verb: "setDriversAutoprobe", pf: port0, isOn: true });
  const macs: (string | null | undefined)[] = [];
  for (const vfIndex of [0, 1]) {
    const { address } = await vfOf(host, port0, vfIndex);
    await perform(host, { verb: "probe", address });
    macs.push((await vfOf(host, port0, vfIndex)).netdevs[0]?.mac);
  }
  assert.equal(macs[0], mac);
  assert.match(macs[1] ?? "", /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
  assert.ok(macs[1] !== mac && macs[1] !== "00:00:00:00:00:00", macs[1] ?? "none");
});

test("an operation whose manager was killed goes on for the next one", async () => {
  const host = await open("demo");
  void perform(host, setNumVfs(port0, 4));
  host.abandon();
  const next = await open("demo", { store: host.store });
  assert.equal((await pfOf(next, port0)).numVfs, 4);
});

test("a driver that is loaded takes what waits for it, and autoprobe off does not hinder", async () => {
  const host = await open("igb-lab");
  const pf = "0000:01:00.0";
  await perform(host, { verb: "setDriversAutoprobe", pf, isOn: false });
  await perform(host, setNumVfs(pf, 2));
  const { address } = await vfOf(host, pf, 0);
  await perform(host, { verb: "setDriverOverride", address, driver: "vfio-pci" });
  await perform(host, { verb: "probe", address });
  assert.equal((await vfOf(host, pf, 0)).driver, null, "the module is not loaded");
  await perform(host, { verb: "loadModule", module: "vfio_pci" });
  assert.equal((await vfOf(host, pf, 0)).driver, "vfio-pci");
  assert.equal((await vfOf(host, pf, 1)).driver, null);
});

test("behind a switch without ACS everything is in one group, so vfio is refused", async () => {
  const host = await open("demo");
  await perform(host, setNumVfs(switched, 2));
  const pf = await pfOf(host, switched);
  assert.deepEqual(
    pf.virtualFunctions.map(({ iommuGroup }) => iommuGroup),
    [pf.iommuGroup, pf.iommuGroup],
  );
  const p0 = await pfOf(host, port0);
  const p1 = await pfOf(host, port1);
  assert.notEqual(p0.iommuGroup, p1.iommuGroup);
});

test("faults come at the request they are for", async () => {
  const host = await open("demo", {
    faults: [
      { on: { verb: "setNumVfs", target: port0 }, effect: { kind: "short-count", numVfs: 3 } },
      { on: { verb: "setNumVfs", target: port1 }, effect: { kind: "hang" } },
      {
        on: { verb: "setVf", target: port0, vfIndex: 1, attribute: "trust" },
        effect: { kind: "refuse", errno: "EOPNOTSUPP" },
      },
      { on: { verb: "vfList", target: port0 }, effect: { kind: "truncated-list", numVfs: 1 } },
      {
        on: { verb: "setMtu", target: port0 },
        effect: { kind: "event", event: { event: "pf-vanishes", pf: switched } },
      },
    ],
    lockModel: "per-pf",
  });
  await perform(host, setNumVfs(port0, 8));
  assert.deepEqual(await host.awaitVfs(port0, 8, 100), { numVfs: 3, withoutNetdev: [] });
  assert.equal((await perform(host, setNumVfs(port1, 2), 1000)).status, "stuck");
  const { problems, physicalFunctions } = await host.inventory(fullInventory);
  assert.deepEqual(
    problems.map(({ code, where }) => `${code} ${where}`),
    ["vf-list-incomplete ens1f0np0"],
  );
  const policies = physicalFunctions.find(({ address }) => address === port0)?.virtualFunctions;
  assert.deepEqual(
    policies?.map(({ policy }) => policy === null),
    [false, true, true],
  );
  const trust = (vfIndex: number): HostRequest => ({
    verb: "setVf",
    pf: port0,
    vfIndex,
    attribute: { name: "trust", isOn: true },
  });
  assert.equal(await errnoOf(perform(host, trust(1))), "EOPNOTSUPP");
  assert.equal(await errnoOf(perform(host, trust(1))), null);
  assert.equal((await vfOf(host, port0, 1)).policy?.trust, true);
  await perform(host, { verb: "setMtu", pf: port0, mtu: 9000 });
  const after = await host.inventory(fullInventory);
  assert(after.physicalFunctions.every(({ address }) => address !== switched));
});

test("probes can be slow, fail, or leave a VF without its netdev", async () => {
  const on = { verb: "setNumVfs", target: port0 } as const;
  const plain = await open("demo");
  await perform(plain, setNumVfs(port0, 4));
  const host = await open("demo", {
    faults: [
      { on, effect: { kind: "slow-probe", vfIndexes: [0], delayMs: 4000 } },
      { on, effect: { kind: "probe-fails", vfIndexes: [1] } },
      { on, effect: { kind: "no-netdev", vfIndexes: [2] } },
    ],
  });
  await perform(host, setNumVfs(port0, 4));
  assert.equal(host.now(), plain.now() + 4000);
  assert.deepEqual(await host.awaitVfs(port0, 4, 500), { numVfs: 4, withoutNetdev: [2] });
  const { virtualFunctions } = await pfOf(host, port0);
  assert.deepEqual(
    virtualFunctions.map(({ driver, netdevs }) => [driver, netdevs.length]),
    [
      ["iavf", 1],
      [null, 0],
      ["iavf", 0],
      ["iavf", 1],
    ],
  );
});

test("a guest that opens a VF right before a write is in its way", async () => {
  const vf = "0000:5e:18.1";
  const host = await open("demo", {
    faults: [
      {
        on: { verb: "setNumVfs", target: crossing },
        effect: { kind: "event", event: { event: "guest-opens", guest: "web2", vf } },
      },
    ],
  });
  host.happen({ event: "guest-ends", guest: "web1" });
  await perform(host, { verb: "unbind", address: vf });
  await perform(host, { verb: "setDriverOverride", address: vf, driver: "vfio-pci" });
  await perform(host, { verb: "probe", address: vf });
  assert.deepEqual((await host.owners([vf])).get(vf), []);
  assert.equal((await perform(host, setNumVfs(crossing, 0), 5000)).status, "stuck");
  assert.deepEqual((await host.owners([vf])).get(vf)?.[0]?.name, "web2");
});

test("a PF whose netdev was renamed is still the PF", async () => {
  const host = await open("demo");
  host.happen({ event: "netdev-renamed", pf: port0, name: "tenants0" });
  await perform(host, { verb: "setMtu", pf: port0, mtu: 9000 });
  assert.partialDeepStrictEqual(await pfOf(host, port0), {
    netdevs: [{ name: "tenants0", mtu: 9000 }],
    permanentMac: "b4:96:91:00:00:10",
  });
});

test("with a speed, time is taken from people", async () => {
  const host = await open("demo", { speed: 100 });
  const startedAtRealMs = performance.now();
  await host.sleep(2000);
  const tookMs = performance.now() - startedAtRealMs;
  assert(tookMs >= 20, `2 s at a hundredfold took ${tookMs} ms`);
  assert(host.now() >= 2000);
});

test("a host that does not exist is named with those that do", async () => {
  await assert.rejects(open("nonesuch"), { code: "host-unknown" });
});
