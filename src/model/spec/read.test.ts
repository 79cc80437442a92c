// Single mistakes in keys and values: each text says exactly what is listed, at the marked place,
// and nothing that only follows from it.

import { test } from "node:test";
import { assertProblems } from "../../../test/marked-text.ts";
import { parseSpec } from "../spec-text.ts";

const check = (text: string, expected: readonly string[]): void =>
  assertProblems(parseSpec, `apiVersion: sriovctl/v1\n${text}`, expected);

const policy = (keys: string): string => `profiles: { a: { ${keys} } }`;
const pf = (keys: string): string =>
  `adapters: [{ physicalFunctions: [{ name: p0, match: { address: 3b:00.0 }, ${keys} }] }]`;

const wrongValues: readonly (readonly [text: string, expected: string])[] = [
  ["defaults: ¦3", "defaults is 3: wanted a mapping"],
  ["adapters:¦", "adapters is empty: wanted a list"],
  ["adapters: [¦3]", "adapters[0] is 3: wanted a mapping"],
  [
    "adapters: [{ physicalFunctions: ¦[] }]",
    "physicalFunctions is an empty list: wanted at least one entry",
  ],
  [
    "defaults: { unassigned: ¦on }",
    "unassigned is on, which names no driver: wanted none, kernel, vfio-pci or the name of a driver",
  ],
  [pf("mtu: ¦67"), "mtu is 67: wanted a number of bytes, 68 to 65535"],
  [pf("adminState: ¦on"), "adminState is on: wanted up or down"],
  [pf("protect: ¦storage"), "protect is storage: wanted a list"],
  [pf("addressHint: ¦3b:00"), "addressHint is 3b:00: wanted a PCI address like 0000:3b:00.0"],
  [
    policy("vlan: ¦0"),
    "vlan is 0: wanted a VLAN ID, 1 to 4094, { id, qos, protocol }, none or default",
  ],
  [
    policy("vlan: ¦[5]"),
    "vlan is a list: wanted a VLAN ID, 1 to 4094, { id, qos, protocol }, none or default",
  ],
  [policy("vlan: { id: 5, qos: ¦8 }"), "qos is 8: wanted a priority, 0 to 7"],
  [policy("vlan: { id: 5, protocol: ¦802.1x }"), "protocol is 802.1x: wanted 802.1q or 802.1ad"],
  [
    policy('mac: ¦"00:00:00:00:00:00"'),
    'mac is "00:00:00:00:00:00", which is all zero and names no station: wanted a unicast MAC address, auto or default',
  ],
  [
    policy("mac: ¦ff:ff:ff:ff:ff:ff"),
    "mac is ff:ff:ff:ff:ff:ff, which is multicast: wanted a unicast MAC address, auto or default",
  ],
  [
    policy("nodeGuid: ¦00:11"),
    "nodeGuid is 00:11: wanted a GUID of eight hex pairs with colons, or default",
  ],
  [policy("msix: ¦0"), "msix is 0: wanted a number of MSI-X vectors, 1 to 2048, or default"],
  [
    policy("rate: { max: ¦0.0001Gbit }"),
    "max is 0.0001Gbit, which is not a whole number of Mbit/s: wanted a rate like 2Gbit, 500Mbit or a number of Mbit/s",
  ],
  [policy("rate: ¦2Gbit"), "rate is 2Gbit: wanted { min, max } or default"],
  [
    policy("waive: { reason: x, until: ¦2027-02-30 }"),
    "until is 2027-02-30: wanted a date, YYYY-MM-DD",
  ],
  [policy('waive: { reason: ¦" ", until: 2027-02-28 }'), 'reason is " ": wanted a reason'],
  [policy("trust: ¦~"), "trust is empty: wanted on, off or default"],
  [policy("trust: ¦[on]"), "trust is a list: wanted on, off or default"],
  [policy("trust: ¦1"), "trust is 1: wanted on, off or default"],
  [
    policy(`trust: ¦"o\\x01${"n".repeat(80)}"`),
    `trust is "o\\u0001${"n".repeat(55)}...": wanted on, off or default`,
  ],
];

test("parseSpec() says of a wrong value what is there and what was wanted", () => {
  for (const [text, expected] of wrongValues) {
    check(text, [`wrong-value: ${expected}`]);
  }
});

test("parseSpec() takes counts only as plain decimal digits", () => {
  for (const text of [
    "1e3",
    "8.0",
    "0x10",
    "010",
    "+8",
    "-1",
    '"8"',
    "1_000",
    "65536",
    "99999999999999999999",
  ]) {
    check(pf(`numVfs: ¦${text}`), [
      `wrong-value: numVfs is ${text}: wanted a whole number, 0 to 65535`,
    ]);
  }
  for (const text of ["0", "8", "8 ", "65535 # all"]) check(`${pf(`numVfs: ${text}\n`)}`, []);
});

test("parseSpec() reads on, off, true and false, quoted or not where they are words", () => {
  for (const text of ["on", "off", "true", "false", '"on"', "'off'", "True", "default"]) {
    check(policy(`trust: ${text}`), []);
  }
  check(policy('trust: ¦"true"'), ['wrong-value: trust is "true": wanted on, off or default']);
});

test("parseSpec() names the nearest key and goes on as if it had been written", () => {
  check(
    "adapters: [{ ¦physicalFunction: [{ ¦nmae: p0, match: { ¦adress: 3b:00.0 }, ¦num_vfs: 4 }] }]\n" +
      "virtualFunctions: [{ vfs: ¦p0/4 }]",
    [
      "unknown-key: Unknown key physicalFunction in adapters[0]: " +
        "wanted physicalFunctions, the nearest known key",
      "unknown-key: Unknown key nmae in physicalFunctions[0]: wanted name, the nearest known key",
      "unknown-key: Unknown key adress in match: wanted address, the nearest known key",
      "unknown-key: Unknown key num_vfs in physicalFunctions[0]: " +
        "wanted numVfs, the nearest known key",
      "vf-out-of-range: p0/4 names VF 4 but numVfs is 4: wanted VF 0 to 3",
    ],
  );
});

test("parseSpec() lists the known keys where none is near, and reports a key given twice", () => {
  check("¦zebra: 1", [
    "unknown-key: Unknown key zebra in the spec: " +
      "wanted one of apiVersion, defaults, adapters, profiles, pools, virtualFunctions, assign",
  ]);
  check("§pools: []\n¦pools: []", ["duplicate-key: Key pools is given twice: first at §"]);
  check(pf("¦numvf: 3, numVfs: 4"), [
    "unknown-key: Unknown key numvf in physicalFunctions[0]: wanted numVfs, the nearest known key",
  ]);
});

test("parseSpec() names each key that is missing", () => {
  check(policy("vlan: ¦{ qos: 1 }"), ["missing-key: vlan has no id: wanted a VLAN ID, 0 to 4094"]);
  check(policy("waive: ¦{ reason: x }"), [
    "missing-key: waive has no until: wanted a date, YYYY-MM-DD",
  ]);
  check("pools: [¦{ name: a }]", [
    "missing-key: pools[0] has no vfs: wanted VFs like p0/0-7,9, or a list of such",
  ]);
});

test("parseSpec() refuses VF sets that are none, with the reason", () => {
  const rows: readonly (readonly [set: string, reason: string])[] = [
    ["p0/3-1", ", which runs backwards in 3-1"],
    ["p0/0-65535", ", which goes beyond VF 65534, the last that a PF can have"],
    ['"p0/1,1"', ", which names VF 1 twice"],
    ['"p0/1-4,0-1"', ", which names VF 1 twice"],
    ["p0", ""],
    ["p0/*", ""],
    ["p0/01", ""],
    ["p0/1-", ""],
  ];
  for (const [set, reason] of rows) {
    check(`${pf("numVfs: 8")}\nvirtualFunctions:\n- vfs: ¦${set}`, [
      `wrong-value: vfs is ${set}${reason}: wanted VFs like p0/0-7,9, or a list of such`,
    ]);
  }
});
