// The rules between keys, one text a rule: names, references, matches, VF sets, policies and
// assignments, each problem at its marked place.

import { test } from "node:test";
import { assertProblems } from "../../../test/marked-text.ts";
import { parseSpec } from "../spec-text.ts";

const check = (text: string, expected: readonly string[]): void =>
  assertProblems(parseSpec, `apiVersion: sriovctl/v1\n${text}`, expected);

const adapters = (pfs: string): string => `adapters: [{ physicalFunctions: [${pfs}] }]\n`;
const p0 = adapters("{ name: p0, match: { address: 3b:00.0 }, numVfs: 8 }");

test("parseSpec() finds names that are given twice", () => {
  check(
    adapters(
      "{ name: §p0, match: { address: 3b:00.0 } }, { name: ¦p0, match: { address: 3b:00.1 } }",
    ),
    ["duplicate-name: PF p0 is named twice: first at §"],
  );
  check(`${p0}pools: [{ name: §a, vfs: p0/1 }, { name: ¦a, vfs: p0/2 }]`, [
    "duplicate-name: Pool a is named twice: first at §",
  ]);
  check(`${p0}assign: [{ to: §"dpdk:b", vf: p0/1 }, { to: ¦"dpdk:b", vf: p0/2 }]`, [
    "duplicate-name: Consumer dpdk:b is assigned twice: first at §",
  ]);
});

test("parseSpec() finds references that lead nowhere, and names the nearest", () => {
  check(`${p0}pools: [{ name: a, vfs: ¦q0/1 }]\nassign: [{ to: "dpdk:x", pool: ¦b }]`, [
    "unknown-name: No PF is named q0: wanted p0",
    "unknown-name: No pool is named b: wanted a",
  ]);
  check(`${p0}pools: [{ name: a, vfs: p0/1, profile: ¦constructor }]`, [
    "unknown-name: No profile is named constructor: " +
      "wanted a profile of this spec, which has none",
  ]);
});

test("parseSpec() does not miss names in what it has refused", () => {
  const use = "virtualFunctions: [{ vfs: p0/1, profile: a }]";
  check(`${p0}profiles: { a: ¦3 }\n${use}`, ["wrong-value: a is 3: wanted a mapping"]);
  check(`${p0}profiles: ¦[]\n${use}`, ["wrong-value: profiles is a list: wanted a mapping"]);
  check(`adapters: ¦none\n${use.replace(", profile: a", "")}`, [
    "wrong-value: adapters is none: wanted a list",
  ]);
  check(`adapters: [{ physicalFunctions: [¦p0] }]\n${use.replace(", profile: a", "")}`, [
    "wrong-value: physicalFunctions[0] is p0: wanted a mapping",
  ]);
  check(
    `${p0}pools: [{ name: a, vfs: [p0/1, ¦2] }]\nassign: [{ to: "dpdk:a", pool: a }, { to: "dpdk:b", pool: a }]`,
    ["wrong-value: vfs[1] is 2: wanted VFs of one PF, like p0/0-7,9"],
  );
});

test("parseSpec() refuses a PF that nothing strong identifies", () => {
  const wanted = "wanted match with permanentMac, serial or address";
  check(adapters("¦{ name: p0, addressHint: 3b:00.0 }"), [
    `weak-match: PF p0 has no strong key: ${wanted}`,
  ]);
  check(adapters("¦{ name: p0, match: {} }"), [`weak-match: PF p0 has no strong key: ${wanted}`]);
  check(adapters("{ name: p0, match: { port: ¦p0 } }"), [
    "weak-match: PF p0 matches by port without a serial: wanted a serial here or on the adapter",
  ]);
  check("adapters: [{ match: { serial: 1 }, physicalFunctions: [{ name: p0 }] }]", []);
});

test("parseSpec() refuses one match for two PFs", () => {
  const [first, second] = ["{ address: §3b:00.0 }", "{ address: ¦0000:3B:00.0 }"];
  check(adapters(`{ name: p0, match: ${first} }, { name: p1, match: ${second} }`), [
    "duplicate-match: address 0000:3b:00.0 matches two PFs: wanted one, first at §",
  ]);
});

test("parseSpec() keeps VF sets disjoint and names both places", () => {
  check(`${p0}virtualFunctions:\n- vfs: [§"p0/0-3,6", ¦p0/3-6]`, [
    "vf-overlap: p0/3,6 is in two sets: wanted in one, first at §",
  ]);
  check(`${p0}pools: [{ name: a, vfs: §p0/0-7 }]\nassign: [{ to: "dpdk:x", vf: ¦p0/7 }]`, [
    "vf-overlap: p0/7 is in two sets: wanted in one, first at §",
  ]);
});

test("parseSpec() refuses VFs at or beyond numVfs", () => {
  check(`${p0}virtualFunctions: [{ vfs: [p0/7, ¦p0/8-9] }]`, [
    "vf-out-of-range: p0/8-9 names VF 9 but numVfs is 8: wanted VF 0 to 7",
  ]);
  check(`${p0.replace("8 }", "0 }")}virtualFunctions: [{ vfs: ¦p0/0 }]`, [
    "vf-out-of-range: p0/0 names VF 0 but numVfs is 0: wanted a numVfs above 0",
  ]);
});

test("parseSpec() refuses policies that contradict themselves", () => {
  check("profiles: { a: { vlan: { id: ¦0 } } }", [
    "wrong-value: id is 0 without a qos: wanted vlan: none, or an ID from 1 to 4094",
  ]);
  check("profiles: { a: { rate: { min: ¦2Gbit, max: 1999 } } }", [
    "rate-order: min of 2000 Mbit/s is above max of 1999 Mbit/s: wanted at most max",
  ]);
  check("profiles: { a: { rate: { min: 2Gbit, max: 0 }, vlan: { id: 0, qos: 3 } } }", []);
});

test("parseSpec() gives an address that is written out to one VF only", () => {
  const profiles = 'profiles: { a: { mac: ¦"02:00:00:00:00:01" } }\n';
  check(`${p0}${profiles}virtualFunctions: [{ vfs: p0/0-1, profile: a }]`, [
    "shared-address: mac 02:00:00:00:00:01 is for 2 VFs of p0: wanted one VF, or auto",
  ]);
  const sound = profiles.replace("¦", "");
  check(`${p0}${sound}virtualFunctions: [{ vfs: p0/0-1, profile: a, mac: auto }]`, []);
  check(`${p0}${sound}virtualFunctions: [{ vfs: p0/0, profile: a }]`, []);
});

test("parseSpec() wants one source of one VF for an assignment", () => {
  const assign = (keys: string): string => `${p0}assign:\n- ¦{ to: "dpdk:a"${keys} }`;
  check(assign(""), [
    "assign-source: The assignment has neither a pool nor a vf: wanted one of them",
  ]);
  check(`${p0}assign:\n- { to: "dpdk:a", vf: ¦p0/1-2 }`, [
    "assign-source: vf is p0/1-2, 2 VFs: wanted one",
  ]);
  check(`${p0}pools: [{ name: a, vfs: p0/1 }]\nassign: [{ to: "dpdk:a", pool: a, vf: ¦p0/2 }]`, [
    "assign-source: The assignment has both a pool and a vf: wanted one of them",
  ]);
});

test("parseSpec() wants a driver, a user and a name that fit the kind of consumer", () => {
  const to = (text: string): string => `${p0}assign: [{ to: ${text} }]`;
  check(to('"netns:a/eth0", vf: p0/1, driver: ¦vfio-pci, user: ¦u'), [
    "assign-driver: driver is vfio-pci, but netns takes a network interface: wanted kernel",
    "assign-user: user is given for netns: wanted for dpdk and qemu only",
  ]);
  check(to('¦"netns:a/an-interface-name", vf: p0/1'), [
    'wrong-value: to is "netns:a/an-interface-name": wanted netns:NAME/INTERFACE',
  ]);
  check(to('¦"jail:a/eth0", vf: p0/1'), [
    'wrong-value: to is "jail:a/eth0": wanted KIND:NAME/DEVICE with one of the kinds ' +
      "libvirt, qemu, pve, dpdk, netns, pid, docker, podman, lxc",
  ]);
});

test("parseSpec() refuses more assignments than the pool has VFs", () => {
  const one = `${p0}pools: [{ name: a, vfs: p0/1 }]\n`;
  check(`${one}assign: [{ to: "dpdk:a", pool: a }, { to: "dpdk:b", pool: ¦a }]`, [
    "pool-too-small: Pool a has 1 VFs for 2 assignments: wanted more VFs",
  ]);
});
