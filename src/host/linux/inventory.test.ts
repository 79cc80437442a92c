// The inventory against trees that tests write and then break.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Pf } from "../../model/inventory.ts";
import { type FakePf, nicHost, writeFakeSysfs } from "../../../test/fake-sysfs.ts";
import { inventoryOfTree } from "../../../test/read-tree.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-inventory-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

let numTrees = 0;
function treeOf(pfs: readonly FakePf[]): string {
  const root = join(scratch, `tree${numTrees++}`);
  writeFakeSysfs(root, pfs);
  return root;
}

async function firstPf(root: string): Promise<{ pf: Pf; codes: string[] }> {
  const { physicalFunctions, problems } = await inventoryOfTree(root);
  const [pf] = physicalFunctions;
  assert.ok(pf !== undefined, "the tree has a PF");
  return { pf, codes: problems.map(({ code }) => code) };
}

const igb: FakePf = {
  address: "0000:01:00.0",
  bridge: "0000:00:05.0",
  numVfs: 3,
  totalVfs: 7,
  capabilityTotalVfs: 8,
  firstVfOffset: 0x80,
  vfStride: 2,
  vfDeviceId: 0x10ca,
  deviceId: 0x10c9,
  driver: "igb",
  vfDriver: "vfio-pci",
  netdev: "eth0",
  serial: [0xff000010, 0xb49691ff],
};

const folderOf = ({ bridge, address }: FakePf, root: string): string =>
  join(root, "sys/devices/pci0000:00", bridge ?? "", address);

test("a PF is read with its capability, its path and its VFs", async () => {
  const { pf, codes } = await firstPf(treeOf([igb]));
  assert.deepEqual(codes, ["captured-tree"]);
  assert.equal(pf.serial, "b4-96-91-ff-ff-00-00-10");
  assert.equal(pf.adapter, pf.serial);
  assert.deepEqual([pf.totalVfs, pf.capabilityTotalVfs, pf.numVfs], [7, 8, 3]);
  assert.deepEqual([pf.vendorId, pf.deviceId, pf.classCode], [0x8086, 0x10c9, 0x020000]);
  assert.deepEqual(pf.path, ["0000:00:05.0"]);
  assert.deepEqual(pf.link, { speed: "8.0 GT/s", width: 8, maxSpeed: "16.0 GT/s", maxWidth: 16 });
  assert.deepEqual(
    pf.netdevs.map(({ name, ifindex, mtu }) => [name, ifindex, mtu]),
    [["eth0", 2, 1500]],
  );
  assert.deepEqual([pf.numaNode, pf.msixCount, pf.isChanging], [0, 10, false]);
  assert.deepEqual([pf.iommuGroup, pf.iommuGroupType], [1, "DMA-FQ"]);
  assert.deepEqual(
    pf.virtualFunctions.map(({ address, driver, iommuGroup }) => [address, driver, iommuGroup]),
    [
      ["0000:01:10.0", "vfio-pci", 2],
      ["0000:01:10.2", "vfio-pci", 3],
      ["0000:01:10.4", "vfio-pci", 4],
    ],
  );
});

test("VFs are found on the next bus and in 32-bit domains", async () => {
  const carry = { ...igb, address: "10001:e1:00.0", firstVfOffset: 0x180, vfStride: 1 };
  const { bridge, ...onRootBus } = carry;
  assert.ok(bridge !== undefined);
  const { pf } = await firstPf(treeOf([onRootBus]));
  assert.deepEqual(
    pf.virtualFunctions.map(({ address }) => address),
    ["10001:e2:10.0", "10001:e2:10.1", "10001:e2:10.2"],
  );
});

test("VFs that are not where the arithmetic puts them are read by their links", async () => {
  const root = treeOf([igb]);
  writeFileSync(join(folderOf(igb, root), "sriov_stride"), "4\n");
  const { pf, codes } = await firstPf(root);
  assert.ok(codes.includes("vf-arithmetic"), codes.join());
  assert.deepEqual(
    pf.virtualFunctions.map(({ vfIndex, address }) => [vfIndex, address]),
    [
      [0, "0000:01:10.0"],
      [1, "0000:01:10.2"],
      [2, "0000:01:10.4"],
    ],
  );
});

test("a VF in mid-removal is shown without its links, and the PF as changing", async () => {
  const root = treeOf([igb]);
  unlinkSync(join(folderOf(igb, root), "virtfn0"));
  unlinkSync(join(folderOf(igb, root), "..", "0000:01:10.0", "physfn"));
  const { pf, codes } = await firstPf(root);
  assert.ok(codes.includes("vf-without-physfn"), codes.join());
  assert.equal(pf.isChanging, true);
  assert.equal(pf.numVfs, 2);
  assert.deepEqual(
    pf.virtualFunctions.map(({ vfIndex, address }) => [vfIndex, address]),
    [
      [0, "0000:01:10.0"],
      [1, "0000:01:10.2"],
      [2, "0000:01:10.4"],
    ],
  );
});

test("another PF at the place of a VF is not taken for one", async () => {
  const nvme = { ...igb, firstVfOffset: 1, vfStride: 1, numVfs: 0, vfDeviceId: igb.deviceId };
  const second = {
    ...nvme,
    address: "0000:01:00.1",
    bridge: "0000:00:06.0",
    netdev: "eth1",
  };
  const { physicalFunctions } = await inventoryOfTree(treeOf([nvme, second]));
  assert.deepEqual(
    physicalFunctions.map(({ address, virtualFunctions }) => [address, virtualFunctions.length]),
    [
      ["0000:01:00.0", 0],
      ["0000:01:00.1", 0],
    ],
  );
});

test("a PF that the kernel offers no files for is shown by its capability", async () => {
  const root = treeOf([{ ...igb, numVfs: 0, driver: null }]);
  const folder = folderOf(igb, root);
  for (const name of readdirSync(folder)) {
    if (name.startsWith("sriov_")) unlinkSync(join(folder, name));
  }
  const { pf, codes } = await firstPf(root);
  assert.ok(codes.includes("sriov-not-offered"), codes.join());
  assert.deepEqual([pf.totalVfs, pf.capabilityTotalVfs, pf.driver], [null, 8, null]);
  assert.deepEqual([pf.firstVfOffset, pf.vfStride, pf.vfDeviceId], [0x80, 2, 0x10ca]);
});

test("a function that sleeps without power is not woken to look for the capability", async () => {
  const root = treeOf([{ ...igb, numVfs: 0, driver: null }]);
  const folder = folderOf(igb, root);
  for (const name of readdirSync(folder)) {
    if (name.startsWith("sriov_")) unlinkSync(join(folder, name));
  }
  writeFileSync(join(folder, "power_state"), "D3cold\n");
  const { physicalFunctions } = await inventoryOfTree(root);
  assert.deepEqual(physicalFunctions, []);
});

test("64 bytes of config space mean that the capability is not known", async () => {
  const root = treeOf([igb]);
  truncateSync(join(folderOf(igb, root), "config"), 64);
  const { pf, codes } = await firstPf(root);
  assert.ok(codes.includes("config-truncated"), codes.join());
  assert.deepEqual([pf.capabilityTotalVfs, pf.totalVfs, pf.numVfs], [null, 7, 3]);
  assert.equal(pf.adapter, "0000:01:00");
});

test("driver overrides are read where they are asked for", async () => {
  const root = treeOf([igb]);
  writeFileSync(join(folderOf(igb, root), "..", "0000:01:10.2", "driver_override"), "vfio-pci\n");
  const { physicalFunctions } = await inventoryOfTree(root, [igb.address]);
  assert.deepEqual(
    physicalFunctions[0]?.virtualFunctions.map(({ driverOverride }) => driverOverride),
    [null, "vfio-pci", null],
  );
});

/** Ways to break a file or folder of a tree. */
const breakages: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => rmSync(path, { recursive: true }),
  empty: (path) => {
    rmSync(path, { recursive: true });
    writeFileSync(path, "");
  },
  garbage: (path) => {
    rmSync(path, { recursive: true });
    writeFileSync(path, Buffer.from([0xff, 0x00, 0x0a, 0x80, 0x31]));
  },
  folder: (path) => {
    rmSync(path, { recursive: true });
    mkdirSync(path);
  },
  loop: (path) => {
    rmSync(path, { recursive: true });
    symlinkSync(path, path);
  },
  fifo: (path) => {
    rmSync(path, { recursive: true });
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
  },
};

test("a broken file costs its own fact and nothing else", async () => {
  const files = ["modalias", "sriov_totalvfs", "sriov_offset", "sriov_stride", "sriov_vf_device"];
  const more = ["sriov_drivers_autoprobe", "numa_node", "config", "iommu_group", "virtfn1"];
  const links = ["max_link_speed", "current_link_width", "driver", "net/eth0/ifindex"];
  const healthy: FakePf = { ...igb, address: "0000:02:00.0", bridge: "0000:00:06.0" };
  const { netdev, ...other } = healthy;
  assert.ok(netdev !== undefined);
  for (const [way, destroy] of Object.entries(breakages)) {
    const root = treeOf([igb, other]);
    for (const name of [...files, ...more, ...links]) {
      const path = join(folderOf(igb, root), name);
      destroy(path);
    }
    const { physicalFunctions, problems } = await inventoryOfTree(root);
    assert.deepEqual(
      physicalFunctions.map(({ address }) => address),
      ["0000:01:00.0", "0000:02:00.0"],
      way,
    );
    assert.equal(physicalFunctions.at(-1)?.virtualFunctions.length, 3, way);
    assert.ok(problems.length > 0, way);
    for (const { message, where } of problems) assert.ok(message !== "" && where !== "", way);
  }
});

test("each folder of the tree may be missing or garbage", async () => {
  const folders = ["bus/pci/devices", "bus/pci/drivers", "class/net", "kernel/iommu_groups"];
  for (const folder of [...folders, "devices", "bus/pci", "."]) {
    for (const [way, destroy] of Object.entries(breakages)) {
      const root = treeOf([igb]);
      destroy(join(root, "sys", folder));
      const { problems } = await inventoryOfTree(root);
      assert.ok(problems.length > 0, `${folder} ${way}`);
    }
  }
});

test("a link that leads out of the tree is not followed", async () => {
  const root = treeOf([igb]);
  const link = join(root, "sys/bus/pci/devices", igb.address);
  unlinkSync(link);
  symlinkSync("/sys/devices", link);
  const { physicalFunctions, problems } = await inventoryOfTree(root);
  assert.deepEqual(physicalFunctions, []);
  assert.ok(problems.some(({ code }) => code === "outside-root"));
});

test("8 PFs of 16 VFs come with their netdevs", async () => {
  const { physicalFunctions, bridges } = await inventoryOfTree(treeOf(nicHost(8, 16)));
  assert.equal(bridges.length, 8);
  const vfs = physicalFunctions.flatMap(({ virtualFunctions }) => virtualFunctions);
  assert.equal(vfs.length, 128);
  assert.ok(vfs.every(({ netdevs, driver }) => netdevs.length === 1 && driver === "iavf"));
});

test("a VF's ifindex is read where it is asked for", async () => {
  const { physicalFunctions } = await inventoryOfTree(treeOf(nicHost(2, 16)), ["0000:10:00.0"]);
  const known = physicalFunctions.map(({ address, virtualFunctions }) => {
    const indexes = virtualFunctions.map(({ netdevs }) => netdevs[0]?.ifindex ?? null);
    return [address, new Set(indexes.filter((index) => index !== null)).size];
  });
  assert.deepEqual(known, [
    ["0000:10:00.0", 16],
    ["0000:12:00.0", 0],
  ]);
});
