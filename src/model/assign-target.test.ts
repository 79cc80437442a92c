// Consumers as text: each kind takes its form and nothing that its system could not be given.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formOfTarget, isOfTarget, parseAssignTarget } from "./assign-target.ts";

test("parseAssignTarget() takes each kind apart", () => {
  const rows: readonly (readonly [
    text: string,
    kind: string,
    name: string,
    device: string | null,
  ])[] = [
    ["libvirt:web1/net1", "libvirt", "web1", "net1"],
    ["libvirt:web.example:2/ua-net_1", "libvirt", "web.example:2", "ua-net_1"],
    ["qemu:vm1/nic0", "qemu", "vm1", "nic0"],
    ["pve:103/hostpci15", "pve", "103", "hostpci15"],
    ["dpdk:upf", "dpdk", "upf", null],
    ["netns:ci/eth1.100", "netns", "ci", "eth1.100"],
    ["pid:812/eth0", "pid", "812", "eth0"],
    ["docker:web_1/eth1", "docker", "web_1", "eth1"],
    ["podman:web/net-tenant0", "podman", "web", "net-tenant0"],
    ["lxc:101/net2", "lxc", "101", "net2"],
  ];
  for (const [text, kind, name, device] of rows) {
    assert.deepEqual(parseAssignTarget(text), { kind, name, device }, text);
  }
});

test("parseAssignTarget() refuses other kinds and forms", () => {
  const texts = [
    "",
    ":",
    "lxc:a/eth0",
    "libvirt:web1",
    "libvirt:/net1",
    "libvirt:a/b/c",
    "libvirt:a b/net1",
    "pve:99/hostpci0",
    "pve:103/hostpci16",
    "pve:103/net0",
    "dpdk:a/b",
    "netns:ci/an-interface--16",
    "netns:ci/a:b",
    "netns:ci/eth%d",
    "netns:ci/..",
    "netns:ci/.",
    "netns:../eth0",
    "pid:0/eth0",
    "pid:x/eth0",
    "docker:-a/eth0",
    "constructor:a/b",
    "netns:-x/eth0",
    "libvirt:a\n/net1",
  ];
  for (const text of texts) assert.equal(parseAssignTarget(text), null, JSON.stringify(text));
});

test("formOfTarget() knows the form that was meant by its kind", () => {
  assert.equal(formOfTarget("pve:1"), "pve:VMID/hostpciN");
  assert.equal(formOfTarget("jail:1"), null);
});

test("isOfTarget() knows a process's namespace by the process", () => {
  const target = { kind: "pid", name: "812", device: "eth0" } as const;
  assert.deepEqual(
    ["sleep-812", "sleep-8812", "812", "ci"].map((name) => isOfTarget(target, { name })),
    [true, false, true, false],
  );
});

test("isOfTarget() knows a guest of Proxmox VE by its number", () => {
  const target = { kind: "pve", name: "103", device: "hostpci0" } as const;
  assert.equal(isOfTarget(target, { name: "web1", number: "103" }), true);
  assert.equal(isOfTarget(target, { name: "web1", number: "104" }), false);
});
