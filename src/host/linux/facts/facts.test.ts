// What the facts make of other programs' words and of files, well-formed, odd and missing. Long because
// it goes through all of them.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { fullInventory } from "../../host.ts";
import { linesOfLog } from "../kernel-log.ts";
import { inventoryOf, netdevOf, pfOf, vmOwner } from "../../../../test/inventory-of.ts";
import { linuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";
import { LinuxHost } from "../linux-host.ts";
import { parseResources } from "./functions.ts";
import {
  parseBridgeGuests,
  parseBridgeLink,
  parseDevlinkFirmware,
  parsePrivateFlags,
  parseSelfFdb,
  readNics,
} from "./nics.ts";
import type { FactSources } from "./fact-reader.ts";
import { parseLockedBytes, parseLockLimit, parseRanges, readGuests, readNodes } from "./guests.ts";
import { parseStat } from "./vfio-nodes.ts";
import { parseDevlinkParams, parseMstconfig } from "./firmware-vfs.ts";

const scratch = mkdtempSync(join(tmpdir(), "sriovctl-facts-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

function rootOf(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(scratch, "root-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const factSources = (root: string): FactSources => ({
  paths: linuxPaths(root, scratch),
  reader: new TreeReader(),
  readConfigs: async () => [],
  run: null,
  readKernelLog: async () => "no log",
  report: () => undefined,
});

async function factsOfFiles(files: Readonly<Record<string, string>>) {
  const root = rootOf({ "sys/bus/pci/devices/.keep": "", ...files });
  const host = new LinuxHost({ root, runDirectory: join(root, "run") });
  const facts = await host.facts(await host.inventory(fullInventory));
  const whyOf = (end: string) => facts.gaps.find(({ source }) => source.endsWith(end))?.why ?? null;
  await host.close();
  return { facts, whyOf };
}

test("an empty tree knows nothing and says so for each source", async () => {
  const { facts, whyOf } = await factsOfFiles({});
  const { distribution, kernel, iommu, iommuGroups, kernelLog, memory, software } = facts;
  assert.deepEqual(
    [distribution, iommuGroups, kernelLog, memory, ...Object.values(kernel)],
    [null, null, null, null, null, null, null, null],
  );
  assert.deepEqual(Object.values(iommu), [null, null, null, null, null]);
  assert.deepEqual(new Set(Object.values(software)), new Set([null]));
  for (const source of ["/proc/cmdline", "/sys/firmware", "iommu_groups", "kernel log", "iommu"]) {
    assert.notEqual(whyOf(source), null, source);
  }
});

test("a kernel's files are read as it writes them", async () => {
  const { facts } = await factsOfFiles({
    "usr/lib/os-release": 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "proc/cmdline": 'root=/dev/sda1 "dyndbg=file a.c +p" intel_iommu=on iommu="pt"\n',
    "proc/meminfo": "MemTotal:       65536000 kB\nMemFree: 1 kB\n",
    "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "8\n",
    "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "3\n",
    "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c":
      "\x06\x00\x00\x00\x01",
    "sys/firmware/acpi/tables/IVRS": "",
    "sys/firmware/acpi/tables/IORT1": "",
    "sys/class/iommu/ivhd0/uevent": "",
    "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts": "N\n",
    "sys/module/iommufd/parameters/allow_unsafe_interrupts": "Y\n",
    "sys/kernel/iommu_groups/7/type": "DMA\n",
    "sys/kernel/iommu_groups/7/name": "vfio-noiommu\n",
    "sys/kernel/iommu_groups/7/devices/0000:01:00.0/x": "",
    "sys/kernel/iommu_groups/7/devices/ARMH0011:00/x": "",
    "dmesg.txt": "[    0.000000] Linux version 6.12\n<6>[Sat Nov 21 09:00:00 2026] DMAR: x\n",
  });
  assert.deepEqual(facts.distribution, ["rocky", "rhel", "centos", "fedora"]);
  assert.deepEqual(facts.kernel, {
    commandLine: ["root=/dev/sda1", '"dyndbg=file a.c +p"', "intel_iommu=on", 'iommu="pt"'],
    architecture: null,
    lockdown: "integrity",
    isSecureBoot: true,
  });
  assert.deepEqual(facts.iommu, {
    instances: ["ivhd0"],
    acpiTables: ["IORT", "IVRS"],
    allowsUnsafeInterrupts: true,
    isNoIommuMode: null,
    interruptChip: null,
  });
  assert.deepEqual(facts.memory, {
    totalBytes: 65536000 * 1024,
    hugepages: [{ sizeBytes: 2 ** 30, total: 8, free: 3 }],
  });
  assert.deepEqual(facts.iommuGroups, [
    { number: 7, type: "DMA", name: "vfio-noiommu", members: ["0000:01:00.0"] },
  ]);
  assert.deepEqual(facts.kernelLog, { lines: ["Linux version 6.12", "DMAR: x"], isWhole: true });
});

test("an interrupt tells of remapping, and a card that could have SR-IOV is named", async () => {
  const card = "sys/bus/pci/devices/0000:81:00.0";
  const pf = "sys/bus/pci/devices/0000:03:00.0";
  const files = {
    [`${pf}/sriov_totalvfs`]: "8\n",
    [`${pf}/class`]: "0x020000\n",
    [`${pf}/vendor`]: "0x8086\n",
    [`${pf}/device`]: "0x1592\n",
    [`${pf}/msi_irqs/131`]: "msix\n",
    [`${pf}/msi_irqs/42`]: "msix\n",
    "sys/kernel/irq/42/chip_name": "IR-PCI-MSIX-0000:03:00.0\n",
    [`${card}/class`]: "0x020000\n",
    [`${card}/vendor`]: "0x15b3\n",
    [`${card}/device`]: "0x101d\n",
    [`${card}/net/ens3/mtu`]: "1500\n",
    // The number of a VF in a guest, a card without SR-IOV, a disk, and nonsense.
    "sys/bus/pci/devices/0000:82:00.0/class": "0x020000\n",
    "sys/bus/pci/devices/0000:82:00.0/vendor": "0x15b3\n",
    "sys/bus/pci/devices/0000:82:00.0/device": "0x101e\n",
    "sys/bus/pci/devices/0000:83:00.0/class": "0x010802\n",
    "sys/bus/pci/devices/0000:83:00.0/vendor": "0x15b3\n",
    "sys/bus/pci/devices/0000:83:00.0/device": "0x101d\n",
    "sys/bus/pci/devices/0000:84:00.0/class": "network\n",
  };
  const { facts } = await factsOfFiles(files);
  assert.deepEqual(facts.iommu.interruptChip, { irq: 42, chip: "IR-PCI-MSIX-0000:03:00.0" });
  assert.deepEqual(facts.cardsWithoutSriov, [
    { address: "0000:81:00.0", vendorId: 0x15b3, deviceId: 0x101d, driver: null, netdev: "ens3" },
  ]);
  const other = { ...files, "sys/kernel/irq/42/chip_name": "ITS-PCI-MSIX-0000:03:00.0\n" };
  assert.equal((await factsOfFiles(other)).facts.iommu.interruptChip, null);
});

test("what is there but says nonsense is a gap, not a fact", async () => {
  const { facts, whyOf } = await factsOfFiles({
    "proc/meminfo": "MemTotal: many kB\n",
    "sys/kernel/security/lockdown": "[strange]\n",
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06",
    "usr/lib/os-release": "PRETTY_NAME=x\n",
    "dmesg.txt": "[   12.000000] something later\n",
  });
  assert.equal(facts.kernel.lockdown, null);
  assert.equal(facts.kernel.isSecureBoot, null);
  assert.equal(facts.memory, null);
  assert.equal(facts.distribution, null);
  assert.equal(facts.kernelLog?.isWhole, false);
  assert.match(whyOf("lockdown") ?? "", /no level/);
});

test("programs' output becomes facts", () => {
  const flags =
    "Private flags for eth0:\nlink-down-on-close     : off\nvf-true-promisc-support: on\n";
  assert.deepEqual(parsePrivateFlags(flags), {
    "link-down-on-close": false,
    "vf-true-promisc-support": true,
  });
  const fdb =
    '[{"mac":"33:33:00:00:00:01","flags":["self"],"state":"permanent"},' +
    '{"mac":"02:00:00:00:00:01","vlan":1,"flags":[],"master":"br0"}]';
  assert.deepEqual(parseSelfFdb(fdb), ["33:33:00:00:00:01"]);
  const info =
    '{"info":{"pci/0000:3b:00.0":{"driver":"ice","versions":{"running":{"fw.mgmt":"7.3.4"}}}}}';
  assert.equal(parseDevlinkFirmware(info, "pci/0000:3b:00.0"), "7.3.4");
  assert.equal(parseDevlinkFirmware(info, "pci/0000:3b:00.1"), null);
  const query =
    "Configurations:                Default         Current         Next Boot\n" +
    "*        NUM_OF_VFS             8               16              32\n";
  assert.deepEqual(parseMstconfig(query), { now: 16, nextBoot: 32 });
  const both = `${query}*        SRIOV_EN               False(0)        False(0)        True(1)\n`;
  assert.deepEqual(parseMstconfig(both), { now: 0, nextBoot: 32 });
});

test("permanent devlink parameters tell what the next start of the card brings", () => {
  const handle = "pci/0000:3b:00.0";
  const param = (name: string, cmode: string, value: unknown) => ({
    name,
    type: "generic",
    values: [
      { cmode: "runtime", value: true },
      { cmode, value },
    ],
  });
  const nextBootOf = (...params: unknown[]): number | null =>
    parseDevlinkParams(JSON.stringify({ param: { [handle]: params } }), handle).nextBoot;
  const isOn = param("enable_sriov", "permanent", true);
  assert.equal(nextBootOf(isOn, param("total_vfs", "permanent", 32)), 32);
  assert.equal(nextBootOf(param("enable_sriov", "permanent", false)), 0);
  assert.equal(nextBootOf(isOn), null);
  assert.equal(nextBootOf(param("total_vfs", "driverinit", 32)), null);
  assert.equal(nextBootOf(null, "x", { name: "total_vfs", values: [null, 7] }), null);
});

test("locked memory is read as the kernel prints it", () => {
  const status = "Name:\tqemu\nVmPeak:\t 9 kB\nVmLck:\t 4194304 kB\nVmPin:\t 0 kB\n";
  assert.equal(parseLockedBytes(status), 4 * 2 ** 30);
  assert.equal(parseLockedBytes("VmLck:\t 0 kB\nVmPin:\t 1024 kB\n"), 2 ** 20);
  assert.equal(parseLockedBytes("VmLck:\tmany kB\n"), null);
  const limits = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units\nMax locked memory         ${soft}           8388608              bytes\n`;
  assert.equal(parseLockLimit(limits("8388608")), 8388608);
  assert.equal(parseLockLimit(limits("unlimited")), "unlimited");
  assert.equal(parseLockLimit(limits("-1")), null);
});

test("where a guest runs is where its processors may", () => {
  assert.deepEqual(parseRanges("0-3,8,10-11\n"), [
    [0, 3],
    [8, 8],
    [10, 11],
  ]);
  assert.deepEqual(parseRanges("all"), []);
  const proc = {
    "status": "Name:\tqemu\nVmLck:\t 4 kB\n",
    // Threads of input and output run anywhere; the processors are pinned.
    "task/812/comm": "qemu-system-x86\n",
    "task/812/status": "Cpus_allowed_list:\t0-7\n",
    "task/820/comm": "CPU 0/KVM\n",
    "task/820/status": "Name:\tCPU 0/KVM\nCpus_allowed_list:\t4-5\n",
  };
  const files = Object.entries(proc).map(([name, text]) => [`proc/812/${name}`, text] as const);
  const nodes = {
    "sys/devices/system/node/node0/cpulist": "0-3\n",
    "sys/devices/system/node/node1/cpulist": "4-7\n",
    // Memory without processors.
    "sys/devices/system/node/node2/cpulist": "\n",
    "sys/devices/system/node/has_cpu": "0-1\n",
  };
  const root = rootOf({ ...Object.fromEntries(files), ...nodes });
  const owners = [{ ...vmOwner("web1"), pid: 812 }];
  const sources = factSources(root);
  const known = readNodes(sources);
  assert.deepEqual([...known.keys()], [0, 1]);
  const [guest] = readGuests(sources, inventoryOf([pfOf("0000:01:00.0", 0, { owners })]), known);
  assert.deepEqual([guest?.nodes, guest?.lockedBytes], [[1], 4096]);
});

test("modes of VFIO nodes are read as stat prints them", () => {
  const said = "600 0:0 /dev/vfio/41\n666 64055:108 /dev/vfio/noiommu-2\n888 a:b /x\n";
  assert.deepEqual(parseStat(said), [
    { path: "/dev/vfio/41", mode: 0o600, owner: "0:0" },
    { path: "/dev/vfio/noiommu-2", mode: 0o666, owner: "64055:108" },
  ]);
});

test("a resource file is its windows or nothing", () => {
  const line = "0x0000010000000000 0x00000100001fffff 0x000000000014220c";
  const zero = `0x${"0".repeat(16)} 0x${"0".repeat(16)} 0x${"0".repeat(16)}`;
  assert.deepEqual(parseResources(`${line}\n${zero}`), [
    { start: 0x100_0000_0000n, end: 0x100_001f_ffffn, flags: 0x14220cn },
    { start: 0n, end: 0n, flags: 0n },
  ]);
  assert.equal(parseResources(`${line}\ngarbage`), null);
});

test("no text makes a parser throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) => {
      parsePrivateFlags(text);
      parseSelfFdb(text);
      parseDevlinkFirmware(text, "pci/0000:00:00.0");
      parseMstconfig(text);
      parseDevlinkParams(text, "pci/0000:00:00.0");
      parseResources(text);
      linesOfLog(text);
    }),
    { numRuns: 300 },
  );
});

test("a bridge tells its name, the card's mode, and who is behind its other ports", () => {
  const link = [
    { ifindex: 2, ifname: "ens1f0", flags: ["UP"], mtu: 1500, master: "br0", state: "forwarding" },
    { ifindex: 2, ifname: "ens1f0", flags: ["UP"], mtu: 1500, hwmode: "VEB" },
  ];
  assert.deepEqual(parseBridgeLink(JSON.stringify(link)), { master: "br0", mode: "veb" });
  assert.deepEqual(parseBridgeLink("[]"), { master: null, mode: null });
  assert.deepEqual(parseBridgeLink('[null,{"master":"-x","hwmode":7}]'), {
    master: null,
    mode: null,
  });
  const fdb = [
    { mac: "52:54:00:00:00:07", ifname: "vnet3", flags: [], master: "br0", state: "" },
    { mac: "fe:54:00:00:00:07", ifname: "vnet3", flags: [], master: "br0", state: "permanent" },
    { mac: "52:54:00:00:00:08", ifname: "ens1f0", flags: [], master: "br0", state: "" },
    { mac: "33:33:00:00:00:01", ifname: "br0", flags: ["self"], state: "permanent" },
    { mac: 7, ifname: "vnet4", master: "br0" },
    null,
  ];
  assert.deepEqual(parseBridgeGuests(JSON.stringify(fdb), "ens1f0"), [
    { mac: "52:54:00:00:00:07", port: "vnet3" },
  ]);
  assert.deepEqual(parseBridgeGuests("not json", "ens1f0"), []);
});

test("netdevs are not asked for ever when programs about others do not answer", async () => {
  const asked: string[] = [];
  const gaps: string[] = [];
  const pfs = [1, 2, 3].map((index) =>
    pfOf(`0000:0${index}:00.0`, 0, { netdevs: [netdevOf({ name: `eth${index}` })] }),
  );
  const none = Buffer.alloc(0);
  const cut = { status: "cut", why: "no answer in 3000 ms" } as const;
  const paths = linuxPaths(scratch, scratch);
  const nics = await readNics(
    {
      paths,
      reader: new TreeReader(),
      readConfigs: async () => [],
      readKernelLog: async () => "none",
      run: async (words) => {
        asked.push(words.join(" "));
        return { stdout: none, stderr: none, end: cut };
      },
      report: (source) => gaps.push(source),
    },
    inventoryOf(pfs),
  );
  assert.deepEqual(
    nics.map(({ netdev, driverVersion }) => [netdev, driverVersion]),
    [["eth1", null]],
  );
  assert.ok(
    asked.length > 4 && asked.every((words) => words.includes("eth1") || words.includes("0000:01")),
  );
  assert.deepEqual(gaps.slice(-2), ["driver of eth2", "driver of eth3"]);
});
