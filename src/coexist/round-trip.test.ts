// What we write for another manager, we read as what it was; and what it has no word for is said.
// The managers' own parsers judge the same files in test/peers.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ClaimSetting, claimsOn } from "../model/claim.ts";
import type { PolicySpec } from "../model/spec.ts";
import { readClaims } from "./claims.ts";
import { autoprobeOf, type ExportInput, type ExportPf, type VfValues } from "./export.ts";
import { exportInput, inputOf, plainPf, plainVf } from "./export-input.arbitrary.ts";
import { exporters } from "./exporters.ts";

type Importable = "networkd" | "networkmanager" | "netplan" | "nmstate" | "udev";

/** Said here once more, apart from the exporters: what each manager can hold of a VF. */
const holds: Readonly<Record<Importable, readonly (keyof VfValues)[]>> = {
  networkd: ["mac", "vlan", "spoofCheck", "trust", "linkState", "rssQuery"],
  networkmanager: ["mac", "vlan", "rate", "spoofCheck", "trust"],
  netplan: [],
  nmstate: ["mac", "vlan", "rate", "spoofCheck", "trust"],
  udev: ["mac", "vlan", "rate", "spoofCheck", "trust", "linkState", "rssQuery"],
};

const hasAutoprobe = new Set<Importable>(["networkmanager", "nmstate", "udev"]);
const hasModes = new Set<Importable>(["networkmanager", "netplan"]);

type Meaning = {
  numVfs: number | null;
  mode: string | null;
  autoprobe: boolean | null;
  vfs: Record<string, PolicySpec>;
};

function expectedOf(to: Importable, pf: ExportPf): Meaning {
  const vfs: Record<string, PolicySpec> = {};
  for (const { vfIndex, values } of pf.vfs) {
    const kept = Object.entries(values).filter(([name, value]) => {
      return value !== null && holds[to].some((word) => word === name);
    });
    const { vlan } = values;
    if (to === "netplan" && vlan !== null) {
      // Without a priority and always 802.1Q.
      vfs[vfIndex] = { vlan: { id: vlan.id, qos: 0, protocol: "802.1q" } };
    } else if (kept.length > 0) vfs[vfIndex] = Object.fromEntries(kept);
  }
  return {
    numVfs: pf.numVfs,
    mode: hasModes.has(to) ? pf.eswitchMode : null,
    autoprobe: hasAutoprobe.has(to) ? autoprobeOf(pf) : null,
    vfs,
  };
}

function add(meaning: Meaning, setting: ClaimSetting, pf: ExportPf): void {
  const merge = (vfIndex: number, policy: PolicySpec): void => {
    meaning.vfs[vfIndex] = { ...meaning.vfs[vfIndex], ...policy };
  };
  if (setting.kind === "num-vfs") meaning.numVfs = setting.numVfs;
  else if (setting.kind === "eswitch-mode") meaning.mode = setting.mode;
  else if (setting.kind === "autoprobe") meaning.autoprobe = setting.isOn;
  else if (setting.kind === "vf") merge(setting.vfIndex, setting.policy);
  else if (setting.kind === "vf-netdev") {
    const vf = pf.vfs.find(({ netdev }) => netdev !== null && setting.netdevs.includes(netdev));
    assert.ok(vf !== undefined);
    merge(vf.vfIndex, setting.policy);
  } else assert.fail(`${setting.kind} was never written`);
}

function readBack(to: Importable, { pfs }: ExportInput): { found: Meaning; wanted: Meaning } {
  const { files } = exporters[to]({ pfs, node: "" });
  const { claims, problems } = readClaims(files);
  assert.deepEqual(problems, []);
  const [pf] = pfs;
  assert.ok(pf !== undefined);
  const found: Meaning = { numVfs: null, mode: null, autoprobe: null, vfs: {} };
  for (const { claim, judgement } of claimsOn(pf.pf, claims)) {
    assert.deepEqual([claim.manager, judgement], [to, "yes"]);
    for (const setting of claim.settings) add(found, setting, pf);
  }
  return { found, wanted: expectedOf(to, pf) };
}

for (const to of Object.keys(holds) as Importable[]) {
  test(`${to} reads back what we wrote for it`, () => {
    fc.assert(
      fc.property(exportInput, (input) => {
        const { found, wanted } = readBack(to, input);
        assert.deepEqual(found, wanted);
      }),
      { numRuns: 60 },
    );
  });
}

test("nobody loses a word without being told", () => {
  const targets = Object.keys(holds) as Importable[];
  fc.assert(
    fc.property(fc.constantFrom(...targets), exportInput, (to, input) => {
      const { lacks } = exporters[to](input);
      const [pf] = input.pfs;
      for (const { vfIndex, values } of pf?.vfs ?? []) {
        for (const [name, value] of Object.entries(values)) {
          const isHeld = holds[to].some((word) => word === name) || name === "vlan";
          if (value === null || isHeld) continue;
          const told = lacks.some(({ where }) => coversVf(where, vfIndex));
          assert.ok(told, `${to} ${name} of VF ${vfIndex}: ${JSON.stringify(lacks)}`);
        }
      }
    }),
    { numRuns: 100 },
  );
});

const coversVf = (where: string, vfIndex: number): boolean =>
  (where.split("/")[1] ?? "").split(",").some((range) => {
    const [first = "", last = first] = range.split("-");
    return Number(first) <= vfIndex && vfIndex <= Number(last);
  });

const everything = plainVf(3, {
  driver: "vfio-pci",
  pool: "tenants",
  values: {
    mac: "02:00:00:00:00:03",
    vlan: { id: 0, qos: 5, protocol: "802.1q" },
    rate: { maxMbps: 100 },
    spoofCheck: true,
    trust: false,
    linkState: "disable",
    rssQuery: false,
    nodeGuid: "00:11:22:33:44:55:66:77",
    portGuid: "00:11:22:33:44:55:66:78",
    msix: 8,
  },
});

const losses: readonly (readonly [keyof typeof exporters, readonly string[]])[] = [
  [
    "networkd",
    [
      "p0: eswitch modes",
      "p0: the administrative state of the PF here",
      "p0/3: transmit rates of VFs",
      "p0/3: node GUIDs of VFs",
      "p0/3: port GUIDs of VFs",
      "p0/3: MSI-X counts of VFs",
      "p0/3: priority tags without a VLAN",
      "p0/3: drivers of single VFs",
    ],
  ],
  [
    "networkmanager",
    [
      "p0: the administrative state of the PF here",
      "p0/3: link states of VFs",
      "p0/3: RSS queries of VFs",
      "p0/3: node GUIDs of VFs",
      "p0/3: port GUIDs of VFs",
      "p0/3: MSI-X counts of VFs",
      "p0/3: drivers of single VFs",
    ],
  ],
  [
    "udev",
    [
      "p0: eswitch modes",
      "p0: the MTU of the PF here",
      "p0: the administrative state of the PF here",
      "p0/3: MSI-X counts of VFs",
      "p0/3: drivers of single VFs",
    ],
  ],
  ["libvirt-network", ["p0/3: priority", "p0/3: MAC"]],
  ["nova", ["p0/3: MAC"]],
  ["proxmox", []],
];

test("what each cannot express is named, VF by VF", () => {
  const pf = plainPf([everything], { eswitchMode: "switchdev", mtu: 9000, adminState: "up" });
  for (const [to, expected] of losses) {
    const { lacks } = exporters[to](inputOf(pf));
    const found = lacks.map(({ where, message }) => `${where}: ${message}`);
    assert.equal(found.length, expected.length, `${to}: ${found.join("; ")}`);
    for (const [index, words] of expected.entries()) {
      const [where = "", what = ""] = words.split(": ");
      const line = found[index] ?? "";
      assert.ok(line.startsWith(`${where}: `) && line.includes(what), line);
    }
  }
});

test("consumers get the VFs that are there, by pool, and the rest is said", () => {
  const vfs = [
    plainVf(0, { pool: "tenants", driver: "vfio-pci" }),
    plainVf(1, { pool: "tenants", driver: "vfio-pci", address: null }),
    plainVf(2, { consumer: "pve:103/hostpci0" }),
  ];
  const proxmox = exporters.proxmox(inputOf(plainPf(vfs)));
  assert.deepEqual(
    proxmox.files.map(({ path, text }) => `${path}\n${text}`),
    [
      "/etc/pve/mapping/pci.cfg\ntenants\n    description VFs of sriovctl\n" +
        "    map id=8086:10ca,iommugroup=20,node=pve1,path=0000:3b:10.0,subsystem-id=8086:a03c\n\n",
      "/etc/pve/qemu-server/103.conf\nhostpci0: 0000:3b:10.4,pcie=1\n",
    ],
  );
  assert.deepEqual(
    proxmox.lacks.map(({ where }) => where),
    ["p0/1"],
  );
  const libvirt = exporters["libvirt-network"](inputOf(plainPf(vfs)));
  assert.match(libvirt.files[0]?.text ?? "", /<forward mode='hostdev' managed='no'>/);
  assert.equal(libvirt.files[0]?.text.split("<address").length, 2);
  const nova = exporters.nova(inputOf(plainPf(vfs)));
  assert.match(nova.files[0]?.text ?? "", /\{"address":"0000:3b:10\.0","physical_network":"p0"\}/);
  assert.match(nova.files[1]?.text ?? "", /physical_device_mappings = p0:ens59/);
});
