// Whoever has a function's node open, and what stands on its namespaces, on made-up /proc and /sys
// trees: names of containers, DPDK, RDMA, volumes, and state files that are damaged or hostile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { CensusFunction } from "../inventory.ts";
import { linuxPaths } from "../paths.ts";
import { containerOf } from "./containers.ts";
import { nodeHolders } from "./node-holders.ts";
import { readProcesses } from "./processes.ts";
import { groupUsers } from "./user.ts";
import { volumeUsers } from "./volumes.ts";

const root = mkdtempSync(join(tmpdir(), "sriovctl-holders-"));
after(() => rmSync(root, { recursive: true, force: true }));
const paths = linuxPaths(root, join(root, "run-own"));

function put(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

function link(path: string, target: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  symlinkSync(target, join(root, path));
}

const vf: CensusFunction = {
  address: "0000:01:10.0",
  driver: "igb_uio",
  iommuGroup: null,
  classCode: 0x020000,
  netdevs: [],
};

const id = "0123456789abcdef".repeat(4);

// Device numbers of every Linux (devices.txt): 1:11 kmsg, 1:7 full is never looked at.
test("a uio device that DPDK in a container has open is the container's", () => {
  put("sys/bus/pci/devices/0000:01:10.0/uio/uio0/dev", "1:11\n");
  put("proc/70/cmdline", "dpdk-testpmd\0");
  put("proc/70/cgroup", `0::/system.slice/docker-${id}.scope\n`);
  put(`var/lib/docker/containers/${id}/config.v2.json`, '{"Name":"/upf"}');
  link("proc/70/fd/5", "/dev/kmsg");
  link("proc/70/fd/6", "/run/dpdk/upf0/config");
  const users = nodeHolders(paths, [vf], readProcesses(paths.proc));
  assert.deepEqual(groupUsers(users).get(vf.address), [
    {
      kind: "container",
      name: "upf",
      pid: 70,
      evidence: `${paths.proc}/70/fd/5 -> /dev/kmsg`,
      moreEvidence: [
        "process 70 is in docker container upf and runs dpdk-testpmd",
        `it runs DPDK with file prefix upf0: ${paths.proc}/70/fd/6 -> /run/dpdk/upf0/config`,
      ],
    },
  ]);
});

test("open verbs of an RDMA device are a use of its function", () => {
  put("sys/class/infiniband_verbs/uverbs0/dev", "1:11\n");
  link("sys/class/infiniband_verbs/uverbs0/device", "../../../0000:02:00.1");
  put("sys/class/infiniband_verbs/abi_version", "6\n");
  put("proc/71/cmdline", "ib_write_bw\0");
  link("proc/71/fd/3", "/dev/kmsg");
  const pf = { ...vf, address: "0000:02:00.1", driver: "mlx5_core", netdevs: ["ens2"] };
  const users = nodeHolders(paths, [pf], readProcesses(paths.proc));
  const words = users.map(({ owner }) => `${owner.kind}:${owner.name}`);
  assert.deepEqual(words.sort(), ["container:upf", "process:ib_write_bw"]);
});

const cgroups: readonly (readonly [cgroup: string, container: string | null])[] = [
  [`0::/system.slice/docker-${id}.scope`, "docker upf"],
  [`12:pids:/docker/${id}\n0::/`, "docker upf"],
  [`0::/machine.slice/libpod-${id}.scope/container`, "podman edge"],
  [`0::/kubepods.slice/pod1.slice/cri-containerd-${id}.scope`, "containerd upf-0/dataplane"],
  [`0::/kubepods.slice/crio-${id}.scope`, "cri-o 0123456789ab"],
  ["0::/lxc.payload.web1/system.slice/nginx.service", "lxc web1"],
  ["0::/lxc/101/ns/init.scope", "lxc 101"],
  [`0::/lxc.payload.c1/system.slice/docker-${id}.scope`, "lxc c1"],
  ["0::/machine.slice/machine-build\\x2d1.scope", "nspawn build-1"],
  ["0::/machine.slice/systemd-nspawn@build.service/payload", "nspawn build"],
  ["0::/machine.slice/machine-qemu\\x2d1\\x2dweb1.scope", null],
  ["0::/user.slice/user-0.slice", null],
  ["", null],
  ["\0\0:::", null],
];

test("a container is told by its cgroup and named by its runtime's state", () => {
  const podman = "var/lib/containers/storage/overlay-containers";
  put(`${podman}/containers.json`, `[{"id":"x"},7,{"id":"${id}","names":["edge"]}]`);
  put(
    `run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/config.json`,
    JSON.stringify({
      annotations: {
        "io.kubernetes.cri.sandbox-name": "upf-0",
        "io.kubernetes.cri.container-name": "dataplane",
      },
    }),
  );
  for (const [cgroup, expected] of cgroups) {
    put("proc/72/cgroup", cgroup);
    const container = containerOf(paths, 72);
    const found = container === null ? null : `${container.runtime} ${container.name}`;
    assert.equal(found, expected, cgroup);
  }
});

test("a state file that is damaged, huge or no file leaves the container its number", () => {
  put("proc/73/cgroup", `0::/docker/${id}\n`);
  const state = join(root, "var/lib/docker/containers", id, "config.v2.json");
  const damages = ['{"Name":', '{"Name":7}', "null", "[]", "x".repeat((1 << 20) + 1)];
  for (const text of damages) {
    writeFileSync(state, text);
    assert.equal(containerOf(paths, 73)?.name, "0123456789ab", text.slice(0, 20));
  }
  rmSync(state);
  assert.equal(spawnSync("mkfifo", [state]).status, 0);
  assert.equal(containerOf(paths, 73)?.name, "0123456789ab", "a fifo");
  rmSync(state);
  symlinkSync(state, state);
  assert.equal(containerOf(paths, 73)?.name, "0123456789ab", "a link to itself");
});

test("what stands on a namespace and is not mounted is a volume", () => {
  const address = "0000:03:00.0";
  const controller = `sys/bus/pci/devices/${address}/nvme/nvme0`;
  put(`${controller}/nvme0n1/dev`, "259:0\n");
  put(`${controller}/nvme0n1/holders/dm-0`, "");
  put(`${controller}/nvme0n1/nvme0n1p1/dev`, "259:1\n");
  put(`${controller}/nvme0n1/nvme0n1p1/holders/md127`, "");
  put(`${controller}/nvme0n1/nvme0n1p1/holders/dm-9`, "");
  put(`${controller}/nvme0n1/nvme0n1p2/dev`, "259:2\n");
  put("sys/class/block/dm-0/dm/name", "vg0-data\n");
  put("sys/class/block/dm-0/dm/uuid", "LVM-abc\n");
  put("sys/class/block/md127/md/level", "raid1\n");
  put("run/udev/data/b259:2", "S:disk/by-id/x\nE:ID_FS_LABEL=tank\nE:ID_FS_TYPE=zfs_member\n");
  put("proc/spl/kstat/zfs/tank/state", "ONLINE\n");
  const users = volumeUsers(paths, new Set([address]), new Set(["dm-9"]));
  assert.deepEqual(
    users.map(({ owner }) => [owner.name, owner.evidence]),
    [
      ["vg0-data", "LVM volume vg0-data (dm-0) stands on nvme0n1"],
      ["md127", "md array (raid1) md127 (md127) stands on nvme0n1p1"],
      ["tank", "ZFS pool tank is imported and has nvme0n1p2"],
    ],
  );
  const process = { pid: 74, commandLine: ["qemu-system-x86_64", "-name", "db1"] };
  link("proc/74/fd/9", "/dev/kmsg");
  put(`${controller}/ng0n1/dev`, "1:11\n");
  const nvme = { ...vf, address, driver: "nvme", classCode: 0x010802 };
  assert.deepEqual(
    nodeHolders(paths, [nvme], [process]).map(({ owner }) => `${owner.kind}:${owner.name}`),
    ["vm:db1"],
  );
});
