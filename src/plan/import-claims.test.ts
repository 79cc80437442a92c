// Other managers' settings as a spec: whose PF, what of it, and what is left and said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, netdevOf, pfOf, vfOf } from "../../test/inventory-of.ts";
import { readClaims } from "../coexist/claims.ts";
import { formatSpec } from "../model/spec-format.ts";
import { parseSpec } from "../model/spec-text.ts";
import { importClaims } from "./import-claims.ts";

const vfNetdev = (name: string) => ({ netdevs: [netdevOf({ name })] });

const inventory = inventoryOf([
  pfOf("0000:3b:00.0", 2, {
    virtualFunctions: [
      vfOf("0000:3b:00.0", 0, vfNetdev("ens59v0")),
      vfOf("0000:3b:00.0", 1, vfNetdev("ens59v1")),
    ],
  }),
  pfOf("0000:5e:00.0", 0, { serial: "b4-96-91-ff-ff-00-00-5e", adapter: "b4-96-91" }),
]);

const pfLines = (name: string, bus: string): string[] => [
  `      - name: ${name}`,
  `        match: { permanentMac: "b4:96:91:00:00:${bus}" }`,
  `        addressHint: "0000:${bus}:00.0"`,
];

function check(files: Readonly<Record<string, string>>, lines: readonly string[], left: string[]) {
  const { claims } = readClaims(Object.entries(files).map(([path, text]) => ({ path, text })));
  const { document, comments, left: found } = importClaims(inventory, claims);
  const text = formatSpec(document, comments);
  assert.deepEqual(text.trimEnd().split("\n").slice(1), lines);
  assert.deepEqual(
    found.map(({ where, message }) => `${where}: ${message}`),
    left,
  );
  const { problems } = parseSpec(text, "imported");
  // Nothing to take over is no spec.
  if (document.adapters?.length !== 0) assert.deepEqual(problems, []);
}

test("names become what survives them, alike VFs one entry, and files are named", () => {
  check(
    {
      "/etc/systemd/network/10.link":
        "[Match]\nName=ens59\n[Link]\nSR-IOVVirtualFunctions=4\n" +
        [0, 1, 3].map((index) => `[SR-IOV]\nVirtualFunction=${index}\nVLANId=120\n`).join(""),
      "/etc/systemd/network/20.network":
        "[Match]\nName=ens94\n[SR-IOV]\nVirtualFunction=0\nTrust=yes\n",
      "/etc/systemd/network/30.network":
        "[Match]\nName=ens59\n[SR-IOV]\nVirtualFunction=3\nTrust=yes\n",
    },
    [
      "adapters:",
      "  - name: card0",
      "    physicalFunctions:",
      "      # From /etc/systemd/network/10.link, /etc/systemd/network/30.network",
      ...pfLines("p0", "3b"),
      "        numVfs: 4",
      "  - name: card1",
      "    match: { serial: b4-96-91-ff-ff-00-00-5e }",
      "    physicalFunctions:",
      "      # From /etc/systemd/network/20.network",
      ...pfLines("p1", "5e"),
      "virtualFunctions:",
      "  - { vfs: p0/0-1, vlan: 120 }",
      "  - { vfs: p0/3, vlan: 120, trust: on }",
    ],
    ["p1: VF 0 of p1 is beyond its 0 VFs"],
  );
});

test("netplan knows VFs by their netdevs, and the inventory their indexes", () => {
  const vf = (name: string, id: number): string =>
    `    ${name}: { id: ${id}, link: ${name.split(".")[0]}, renderer: sriov }\n`;
  check(
    {
      "/etc/netplan/a.yaml":
        "network:\n  ethernets:\n    ens59: { virtual-function-count: 2, embedded-switch-mode: legacy }\n" +
        "    ens59v1: { link: ens59 }\n    gone: { link: ens59 }\n  vlans:\n" +
        vf("ens59v1.5", 5) +
        vf("gone.6", 6),
    },
    [
      "adapters:",
      "  - name: card0",
      "    eswitchMode: legacy",
      "    physicalFunctions:",
      "      # From /etc/netplan/a.yaml",
      ...pfLines("p0", "3b"),
      "        numVfs: 2",
      "virtualFunctions:",
      "  - { vfs: p0/1, vlan: 5 }",
    ],
    ["/etc/netplan/a.yaml:8:19: gone is no VF of 0000:3b:00.0 now: wanted its index"],
  );
});

test("no probing is no driver; what a spec cannot have is left", () => {
  const profile =
    "[connection]\ntype=ethernet\ninterface-name=ens59\n[sriov]\ntotal-vfs=3\nautoprobe-drivers=0\neswitch-inline-mode=1\n" +
    "vf.0=mac=03:00:00:00:00:01 trust=true\nvf.1=min-tx-rate=10 max-tx-rate=5\nvf.2=max-tx-rate=5\nvf.9=trust=true\n";
  check(
    {
      "/etc/NetworkManager/system-connections/a.nmconnection": profile,
      "/etc/rc.local": "echo 3 > /sys/class/net/$x/device/sriov_numvfs\n",
      "/etc/sysfs.conf": "class/net/eno9/device/sriov_numvfs = 8\n",
    },
    [
      "adapters:",
      "  - name: card0",
      "    physicalFunctions:",
      "      # From /etc/NetworkManager/system-connections/a.nmconnection",
      ...pfLines("p0", "3b"),
      "        numVfs: 3",
      "virtualFunctions:",
      "  - { vfs: p0/0, driver: none, trust: on }",
      "  - { vfs: p0/1, driver: none }",
      "  - { vfs: p0/2, driver: none, rate: { max: 5 } }",
    ],
    [
      "/etc/NetworkManager/system-connections/a.nmconnection:7: A spec has no word for eswitch-inline-mode=1",
      "/etc/rc.local:1: Whether $x means 0000:3b:00.0 is not known",
      "/etc/rc.local:1: Whether $x means 0000:5e:00.0 is not known",
      "/etc/sysfs.conf:1: No PF of this host is eno9",
      "p0: VF 9 of p0 is beyond its 3 VFs",
      'p0/0: mac "03:00:00:00:00:01" of p0/0 is none that a spec may have',
      'p0/1: rate {"minMbps":10,"maxMbps":5} of p0/1 is none that a spec may have',
    ],
  );
});
