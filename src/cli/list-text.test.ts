// `list` and `show` on a small host, as people see them and as programs read them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, netdevOf, pfOf, vmOwner } from "../../test/inventory-of.ts";
import { runProgram } from "../../test/run-program.ts";
import type { Host } from "../host/host.ts";
import type { Vf } from "../model/inventory.ts";
import { noPolicy } from "../model/vf-attribute.ts";

const bridged = pfOf("0000:01:00.0", 7, {
  adapter: "b4-96-91",
  serial: "b4-96-91",
  owners: [{ kind: "upper", name: "vmbr0", pid: null, evidence: "ens1 is a port of vmbr0" }],
});

function busy(vf: Vf): Vf {
  if (vf.vfIndex === 2) {
    const vlan = { id: 120, qos: 3, protocol: "802.1q" } as const;
    const policy = { ...noPolicy, ...vf.policy, mac: "52:54:00:00:00:02", vlan };
    return { ...vf, driver: "vfio-pci", owners: [vmOwner("web\u001B[2J1")], policy };
  }
  return vf.vfIndex < 5
    ? { ...vf, driver: "igbvf", netdevs: [netdevOf({ name: `ens1v${vf.vfIndex}` })] }
    : vf;
}

const inventory = inventoryOf([
  { ...bridged, virtualFunctions: bridged.virtualFunctions.map(busy) },
  pfOf("0000:01:00.1", 0, { adapter: "b4-96-91" }),
  pfOf("10000:02:00.0", 1, {
    netdevs: [],
    classCode: 0x010802,
    vendorId: 0x1b36,
    deviceId: 0x10,
    driver: "nvme",
    totalVfs: 127,
  }),
]);

/** Reads only: what list and show may do. */
const openHost = async () =>
  ({ inventory: async () => inventory, close: async () => {} }) as unknown as Host;

async function printed(...argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(argv, { openHost });
  assert.deepEqual([exitCode, stderr], [0, ""]);
  return stdout;
}

test("list draws a tree, and VFs that are alike share a line", async () => {
  assert.equal(
    await printed("list"),
    `linux  kernel 6.12.95, 3 PFs, 8 VFs

FUNCTION                      INTERFACE   DRIVER    VFS    NUMA  VLAN       USED BY
Intel 82576  Ethernet, 8086:10c9  b4-96-91
├─ 0000:01:00.0               ens1        igb       7/7    0                upper:vmbr0
│  ├─ vf0-1 0000:01:10.0 ...  ens1v0 ...  igbvf
│  ├─ vf2   0000:01:10.4                  vfio-pci               120 qos 3  vm:web\\x1b[2J1
│  ├─ vf3-4 0000:01:10.6 ...  ens1v3 ...  igbvf
│  └─ vf5-6 0000:01:11.2 ...              -
└─ 0000:01:00.1               ens1        igb       0/7    0
QEMU NVMe  NVMe, 1b36:0010  10000:02:00
└─ 10000:02:00.0                          nvme      1/127  0
   └─ vf0 10000:02:10.0                   -
`,
  );
});

test("list --wide gives every VF a line with its policy", async () => {
  const lines = (await printed("list", "--wide")).split("\n");
  assert.match(lines[7] ?? "", /^│ {2}├─ vf2 .* vfio-pci +22 +52:54:00:00:00:02 +120 qos 3 +on/);
  assert.equal(lines.filter((line) => / vf\d /.test(line)).length, 8);
});

test("list --json has the keys that programs rely on", async () => {
  const document = JSON.parse(await printed("list", "--json"));
  assert.deepEqual(Object.keys(document), ["format", "host", "physicalFunctions", "problems"]);
  assert.equal(document.format, "sriovctl-list/1");
  const [pf] = document.physicalFunctions;
  const { address, name, driver, vendor, device, netdevs, totalVfs, numVfs } = pf;
  assert.deepEqual(
    { address, name, driver, vendor, device, netdevs, totalVfs, numVfs, class: pf.class },
    {
      address: "0000:01:00.0",
      name: "ens1",
      driver: "igb",
      vendor: 0x8086,
      device: 0x10c9,
      netdevs: ["ens1"],
      totalVfs: 7,
      numVfs: 7,
      class: 0x020000,
    },
  );
  const { index, mac, vlan, owners } = pf.virtualFunctions[2];
  assert.deepEqual([index, mac, vlan.id], [2, "52:54:00:00:00:02", 120]);
  assert.deepEqual(owners[0].kind, "vm");
});

test("show finds a function by address, by VF number and by interface", async () => {
  assert.match(await printed("show", "01:00.0"), /^PF 0000:01:00\.0\n {2}host +linux\n/);
  assert.match(await printed("show", "0000:01:00.0/vf2"), /^VF 0000:01:10\.4\n[^]*VLAN +120 qos 3/);
  assert.match(await printed("show", "ens1v3"), /^VF 0000:01:10\.6\n/);
  const document = JSON.parse(await printed("show", "0000:01:10.4", "--json"));
  assert.deepEqual([document.format, document.kind, document.index], ["sriovctl-show/1", "vf", 2]);
});

test("show of what is not there fails with a hint", async () => {
  for (const target of ["ens9", "0000:09:00.0", "0000:01:00.0/vf7", "0000:01:00.0/x"]) {
    const { exitCode, stderr } = await runProgram(["show", target], { openHost });
    assert.equal(exitCode, 1, target);
    assert.match(stderr, /^error: Cannot find .*\n {2}List what is there with sriovctl list\n$/);
  }
});
