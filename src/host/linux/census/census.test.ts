// The census on made-up /proc and /sys trees, and its parsers on the forms that tools write.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { CensusFunction } from "../inventory.ts";
import { linuxPaths } from "../paths.ts";
import { readClusterLinks } from "./cluster-links.ts";
import { isVfioDriver } from "./device-nodes.ts";
import { mountUsers, parseMountinfo } from "./mounts.ts";
import { makesNetdev } from "./network-namespaces.ts";
import { netdevUsers } from "./netdev-users.ts";
import { nodeHolders } from "./node-holders.ts";
import { guestNameOf, isVmm, readProcesses } from "./processes.ts";
import { parseSshConnection } from "./session.ts";
import { groupUsers } from "./user.ts";

const root = mkdtempSync(join(tmpdir(), "sriovctl-census-"));
after(() => rmSync(root, { recursive: true, force: true }));
const paths = linuxPaths(root, join(root, "run"));

function put(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

function link(path: string, target: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  symlinkSync(target, join(root, path));
}

const qemu = ["/usr/bin/qemu-system-x86_64", "-name", "guest=web1,debug-threads=on", "-m", "2G"];
const vf: CensusFunction = {
  address: "0000:01:10.0",
  driver: "vfio-pci",
  iommuGroup: 14,
  classCode: 0x020000,
  netdevs: [],
};

test("a vfio group that a QEMU holds belongs to its VM, by device number", () => {
  // /dev/kmsg stands for the group's node: 1:11 on every Linux (devices.txt).
  put("sys/class/vfio/14/dev", "1:11\n");
  put("proc/812/cmdline", `${qemu.join("\0")}\0`);
  link("proc/812/fd/31", "/dev/kmsg");
  link("proc/812/fd/32", "socket:[77]");
  put("proc/900/cmdline", "/usr/bin/dpdk-testpmd\0-a\x000000:01:10.2\0");
  link("proc/900/fd/7", "anon_inode:[vfio-device]");
  put("proc/900/fdinfo/7", "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:01:10.2\n");
  put("proc/901/cmdline", "");
  const other = { ...vf, address: "0000:01:10.2", iommuGroup: 15 };
  const free = { ...vf, address: "0000:01:10.4", iommuGroup: 16 };
  const owners = groupUsers(nodeHolders(paths, [vf, other, free], readProcesses(paths.proc)));
  assert.deepEqual(owners.get(vf.address), [
    {
      kind: "vm",
      name: "web1",
      pid: 812,
      evidence: `${paths.proc}/812/fd/31 -> /dev/kmsg`,
    },
  ]);
  assert.deepEqual(
    owners.get(other.address)?.map(({ kind, name, pid }) => [kind, name, pid]),
    [["process", "dpdk-testpmd", 900]],
  );
  assert.equal(owners.get(free.address), undefined);
});

const guests: readonly (readonly [words: readonly string[], name: string | null])[] = [
  [["-name", "guest=web1,debug-threads=on"], "web1"],
  [["-name", "db 2"], "db 2"],
  [["-name", "guest=a,,b,process=x"], "a,b"],
  [["-name"], null],
  [["-m", "1G"], null],
];

test("guestNameOf() reads -name as QEMU does", () => {
  for (const [words, name] of guests) {
    assert.equal(guestNameOf({ pid: 1, commandLine: ["qemu-kvm", ...words] }), name);
  }
});

test("VMMs and vfio drivers are told by name", () => {
  const vmms = ["qemu-system-aarch64", "/usr/libexec/qemu-kvm", "kvm", "cloud-hypervisor"];
  for (const name of vmms) assert.ok(isVmm({ pid: 1, commandLine: [name] }), name);
  for (const name of ["qemu-img", "virtqemud"]) {
    assert.ok(!isVmm({ pid: 1, commandLine: [name] }), name);
  }
  for (const name of ["vfio-pci", "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci"]) {
    assert.ok(isVfioDriver(name), name);
  }
  for (const name of ["igbvf", "pci-stub", null]) assert.ok(!isVfioDriver(name), String(name));
  assert.ok(makesNetdev({ ...vf, driver: "igbvf" }));
  assert.ok(!makesNetdev(vf));
  assert.ok(!makesNetdev({ ...vf, driver: "nvme", classCode: 0x010802 }));
});

test("mounts, swap and volumes lead to the controller below", () => {
  const nvme = "sys/devices/pci0000:00/0000:00:06.0/0000:02:00.0/nvme/nvme0/nvme0n1";
  put(`${nvme}/nvme0n1p1/dev`, "259:1\n");
  link("sys/dev/block/259:1", join(root, nvme, "nvme0n1p1"));
  link("sys/class/block/nvme0n1p1", join(root, nvme, "nvme0n1p1"));
  link("sys/dev/block/253:0/slaves/nvme0n1p1", join(root, nvme, "nvme0n1p1"));
  const head = "sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1";
  put(`${head}/dev`, "259:7\n");
  link("sys/dev/block/259:7", join(root, head));
  const controller = "sys/devices/pci0000:00/0000:00:07.0/0000:03:00.0/nvme/nvme1";
  put(`${controller}/state`, "live\n");
  link("sys/class/nvme-subsystem/nvme-subsys1/nvme1", join(root, controller));
  const lines = [
    "22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw",
    "30 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw",
    "31 1 0:44 /@home /home\\040of\\040all rw shared:2 - btrfs /dev/nvme0n1p1 rw",
    "32 1 259:7 / /srv rw - xfs /dev/nvme1n1 rw",
    "broken",
  ];
  put("proc/self/mountinfo", lines.join("\n"));
  put("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n");
  const wanted = new Set(["0000:02:00.0", "0000:03:00.0"]);
  const owners = groupUsers(mountUsers(paths, wanted, new Set()));
  const names = (address: string): string[] | undefined =>
    owners.get(address)?.map(({ kind, name }) => `${kind}:${name}`);
  assert.deepEqual(names("0000:02:00.0"), [
    "mount:/",
    "mount:/home of all",
    "mount:/dev/nvme0n1p1",
  ]);
  assert.deepEqual(names("0000:03:00.0"), ["mount:/srv"]);
  assert.deepEqual(parseMountinfo(paths, "1 2 3\n\0"), []);
});

test("addresses, routes and uppers are uses, being up is none", () => {
  put("sys/class/net/br0/lower_eth0", "");
  put("sys/class/net/br0/flags", "0x1003\n");
  put("sys/class/net/eth1/flags", "0x1003\n");
  const pf = { ...vf, address: "0000:01:00.0", netdevs: ["eth0"] };
  const idle = { ...vf, address: "0000:01:00.1", netdevs: ["eth1"] };
  const address = { family: "inet", prefixLength: 24, isLinkLocal: false } as const;
  const route = { family: "inet", gateway: "192.0.2.254", table: 254, isAutomatic: false } as const;
  const traffic = {
    addresses: [
      { ...address, ifindex: 2, address: "192.0.2.1" },
      { ...address, ifindex: 3, address: "fe80::1", isLinkLocal: true },
    ],
    routes: [
      { ...route, ifindexes: [2], destination: "0.0.0.0/0", isDefault: true },
      { ...route, ifindexes: [3], destination: "fe80::/64", isDefault: false, isAutomatic: true },
    ],
    problems: [],
  };
  const nameOf = new Map([
    [2, "eth0"],
    [3, "eth1"],
  ]);
  const owners = groupUsers(netdevUsers([pf, idle], { paths, traffic, nameOf, isUp: () => true }));
  assert.deepEqual(
    owners.get(pf.address)?.map(({ kind, name }) => `${kind}:${name}`),
    ["netdev:eth0", "route:default", "upper:br0"],
  );
  assert.equal(owners.get(idle.address), undefined);
});

test("the default route through a VLAN on a bridge is the PF's below", () => {
  put("sys/class/net/br7/lower_eth7", "");
  put("sys/class/net/br7.5/lower_br7", "");
  const pf = { ...vf, address: "0000:07:00.0", netdevs: ["eth7"] };
  const route = { family: "inet", gateway: "192.0.2.254", table: 254, isAutomatic: false } as const;
  const traffic = {
    addresses: [],
    routes: [
      { ...route, ifindexes: [9], destination: "0.0.0.0/0", isDefault: true },
      { ...route, ifindexes: [9], destination: "198.51.100.0/24", isDefault: false },
    ],
    problems: [],
  };
  const nameOf = new Map([[9, "br7.5"]]);
  const owners = groupUsers(netdevUsers([pf], { paths, traffic, nameOf, isUp: () => true }));
  assert.deepEqual(
    owners.get(pf.address)?.map(({ kind, name, evidence }) => [`${kind}:${name}`, evidence]),
    [
      ["route:default", "the default route goes through br7.5, on top of eth7"],
      ["upper:br7", "br7 is on top of eth7"],
    ],
  );
});

const corosync = `totem {
  version: 2
  cluster_name: pve
  interface {
    bindnetaddr: 198.51.100.0
  }
}
nodelist {
  node {
    name: a
    ring0_addr: node-a
    ring1_addr: 203.0.113.7
  }
}
`;

test("corosync's links are the PF's below, while it runs", async () => {
  put("etc/corosync/corosync.conf", corosync);
  put("etc/hosts", "127.0.0.1 localhost\n192.0.2.1 node-a.example node-a # me\n");
  put("sys/class/net/br8/lower_eth8", "");
  const address = { family: "inet", prefixLength: 24, isLinkLocal: false } as const;
  const traffic = {
    addresses: [
      { ...address, ifindex: 2, address: "192.0.2.1" },
      { ...address, ifindex: 3, address: "198.51.100.9" },
      { ...address, ifindex: 4, address: "203.0.113.8" },
    ],
    routes: [],
    problems: [],
  };
  const running = [{ pid: 5, commandLine: ["/usr/sbin/corosync", "-f"] }];
  const cluster = await readClusterLinks(paths, traffic, running);
  assert.deepEqual([...(cluster?.addresses ?? [])], ["192.0.2.1", "198.51.100.9"]);
  assert.equal(await readClusterLinks(paths, traffic, []), null);
  const pf = { ...vf, address: "0000:08:00.0", netdevs: ["eth8"] };
  const nameOf = new Map([[2, "br8"]]);
  const sources = { paths, traffic, nameOf, isUp: () => true, cluster };
  assert.deepEqual(
    netdevUsers([pf], sources).map(({ owner }) => [`${owner.kind}:${owner.name}`, owner.evidence]),
    [
      ["cluster:pve", "corosync of cluster pve talks over 192.0.2.1, by eth8"],
      ["upper:br8", "br8 is on top of eth8"],
    ],
  );
  for (const text of ["", "totem", "totem {\n".repeat(20_000), "}\n}\ntotem {\nx"]) {
    put("etc/corosync/corosync.conf", text);
    assert.ok(await readClusterLinks(paths, traffic, running).then(() => true), text.slice(0, 9));
  }
});

test("parseSshConnection() takes sshd's form and nothing shorter", () => {
  const origin = { clientAddress: "192.0.2.7", serverAddress: "192.0.2.1" };
  assert.deepEqual(parseSshConnection("192.0.2.7 50000 192.0.2.1 22"), origin);
  assert.equal(parseSshConnection("fe80::2%eth0 50000 fe80::1%eth0 22")?.serverAddress, "fe80::1");
  assert.equal(parseSshConnection("192.0.2.7 50000"), null);
});
