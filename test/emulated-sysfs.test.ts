// Two readers of one machine: the emulated host's own inventory, and host/linux reading the sysfs
// tree that the machine shows. What sysfs can tell must be the same in both; what needs netlink or
// a census is left out, as host/linux leaves it out for a tree on disk.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import type { EmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { openEmulatedHost } from "../src/host/emulated/emulated-host.ts";
import { sysfsTree } from "../src/host/emulated/sysfs-tree.ts";
import { fullInventory, type Host, type HostRequest } from "../src/host/host.ts";
import { LinuxHost } from "../src/host/linux/linux-host.ts";
import type { Netdev, Pf, Vf } from "../src/model/inventory.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-emulated-sysfs-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

let treeCount = 0;

function writeTree(host: EmulatedHost): string {
  const root = join(scratch, `tree${treeCount++}`);
  const tree = host.store.transact(sysfsTree);
  for (const [path, entry] of tree) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (entry.kind === "link") symlinkSync(relative(dirname(place), join(root, entry.to)), place);
    else if (entry.kind === "bytes") writeFileSync(place, entry.bytes());
    else writeFileSync(place, entry.text ?? "");
  }
  return root;
}

const pfNetdev = ({ name, mac, mtu, isUp, ifindex }: Netdev) => ({
  name,
  mac,
  mtu,
  isUp,
  ifindex,
});

/** Of a VF's netdev no more than its name is read from sysfs, and its index where it is asked for. */
const vfFacts = (vf: Vf, isDetailed: boolean) => ({
  ...vf,
  netdevs: vf.netdevs.map(({ name, ifindex }) => ({ name, ifindex: isDetailed ? ifindex : null })),
  policy: null,
  owners: [],
});

const pfFacts = (pf: Pf, isDetailed: boolean) => ({
  ...pf,
  netdevs: pf.netdevs.map(pfNetdev),
  permanentMac: null,
  eswitchMode: null,
  owners: [],
  virtualFunctions: pf.virtualFunctions.map((vf) => vfFacts(vf, isDetailed)),
});

async function factsOf(host: Host, detailOf: readonly string[]) {
  const options = { census: false, netdevAttributes: true, detailOf, only: null };
  const { physicalFunctions, bridges, loadedDrivers } = await host.inventory(options);
  return {
    physicalFunctions: physicalFunctions.map((pf) => pfFacts(pf, detailOf.includes(pf.address))),
    bridges: bridges.toSorted((left, right) => (left.address < right.address ? -1 : 1)),
    loadedDrivers,
  };
}

/** All but what a tree on disk has no programs for, guests, whom only processes tell of, and the words
 * of the gaps. */
async function doctorFactsOf(host: Host) {
  const facts = await host.facts(await host.inventory(fullInventory));
  return { ...facts, nics: null, guests: null, gaps: null };
}

async function compare(host: EmulatedHost, detailOf: readonly string[]): Promise<void> {
  const root = writeTree(host);
  const linux = new LinuxHost({ root, runDirectory: join(root, "run") });
  assert.deepEqual(await factsOf(linux, detailOf), await factsOf(host, detailOf));
  assert.deepEqual(await doctorFactsOf(linux), await doctorFactsOf(host));
  await linux.close();
}

const patience = { deadlineMs: 600_000, lockFd: null };

test("the demo machine reads the same through sysfs, new and with VFs everywhere", async () => {
  const host = await openEmulatedHost({ name: "demo", statePath: null });
  const pfs = ["0000:3b:00.0", "0000:3b:00.1", "0000:87:00.0", "0000:01:00.0", "0000:41:00.0"];
  await compare(host, []);
  const requests: HostRequest[] = [
    { verb: "setDriversAutoprobe", pf: "0000:3b:00.1", isOn: false },
    ...pfs.map((pf) => ({ verb: "setNumVfs", pf, numVfs: 3 }) as const),
    { verb: "setNumVfs", pf: "0000:3b:00.1", numVfs: 0 },
    { verb: "setNumVfs", pf: "0000:3b:00.1", numVfs: 128 },
    { verb: "setMtu", pf: "0000:3b:00.0", mtu: 9000 },
    { verb: "setAdminState", pf: "0000:87:00.0", isUp: false },
    { verb: "loadModule", module: "vfio-pci" },
    { verb: "setDriverOverride", address: "0000:3b:11.0", driver: "vfio-pci" },
    { verb: "probe", address: "0000:3b:11.0" },
    { verb: "setMsixCount", address: "0000:3b:11.1", msixCount: 4 },
    { verb: "unbind", address: "0000:41:00.0" },
  ];
  for (const request of requests) await host.perform(request, patience);
  await compare(host, ["0000:3b:00.1", "0000:41:00.0"]);
});

test("the lab's machine reads the same through sysfs, on the root bus and behind a switch", async () => {
  const host = await openEmulatedHost({ name: "igb-lab", statePath: null });
  for (const pf of ["0000:00:06.0", "0000:07:00.0", "0000:09:00.1"]) {
    await host.perform({ verb: "setNumVfs", pf, numVfs: 2 }, patience);
  }
  await compare(host, ["0000:09:00.1"]);
});

test("a VF in mid-removal reads the same", async () => {
  const host = await openEmulatedHost({ name: "demo", statePath: null });
  const request: HostRequest = { verb: "setNumVfs", pf: "0000:5e:00.0", numVfs: 0 };
  await host.perform(request, { deadlineMs: 1000, lockFd: null });
  await compare(host, []);
});
