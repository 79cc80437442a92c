// Counts that a PF cannot have, and why: its firmware's next start, the vectors of its card.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inventoryOf, pfOf } from "../../test/inventory-of.ts";
import type { Pf } from "../model/inventory.ts";
import { parseSpec } from "../model/spec-text.ts";
import { plan } from "./plan.ts";

const address = "0000:01:00.0";

const rows: readonly (readonly [
  name: string,
  pf: Partial<Pf>,
  keys: string,
  problems: readonly string[],
])[] = [
  [
    "waits for a boot where the firmware has stored enough VFs",
    { firmwareVfs: { now: 7, nextBoot: 16 } },
    "numVfs: 16",
    [
      "pending-reboot: Cannot set 16 VFs on p0 (0000:01:00.0) before a reboot: sriov_totalvfs is 7, and the card's firmware allows 16 from its next start on",
    ],
  ],
  [
    "waits for no boot that would not be enough",
    { firmwareVfs: { now: 7, nextBoot: 15 } },
    "numVfs: 16",
    ["too-many-vfs: Cannot set 16 VFs on p0 (0000:01:00.0): sriov_totalvfs is 7"],
  ],
  [
    "waits for no boot where nothing is known of the firmware",
    { firmwareVfs: { now: 7, nextBoot: null } },
    "numVfs: 16",
    ["too-many-vfs: Cannot set 16 VFs on p0 (0000:01:00.0): sriov_totalvfs is 7"],
  ],
  [
    "makes no VFs without vectors",
    { driver: "ice", vfTotalMsix: 7, capabilityTotalVfs: 8 },
    "numVfs: 4",
    [
      "vfs-do-not-fit: Cannot set 4 VFs on p0 (0000:01:00.0): 3 fit, 7 MSI-X vectors for all VFs, and a VF needs 2",
    ],
  ],
  ["makes VFs that have vectors", { driver: "ice", vfTotalMsix: 8 }, "numVfs: 4", []],
];

for (const [name, part, keys, problems] of rows) {
  test(`plan() ${name}`, () => {
    const pf = pfOf(address, 0, part);
    assert.deepEqual(problemsOf(pf, `{ name: p0, match: { address: "${address}" }, ${keys} }`), [
      ...problems,
    ]);
  });
}

function problemsOf(pf: Pf, entry: string, rest = ""): string[] {
  const text = `apiVersion: sriovctl/v1\nadapters: [{ physicalFunctions: [${entry}] }]\n${rest}`;
  const { spec, problems } = parseSpec(text, "s.yaml");
  assert.ok(spec !== null, JSON.stringify(problems));
  const made = plan({ spec, inventory: inventoryOf([pf]), consent: [] });
  return made.problems.map(({ code, message }) => `${code}: ${message}`);
}

test("plan() gives away no more vectors than there are", () => {
  const entry = `{ name: p0, match: { address: "${address}" } }`;
  const wishes = "virtualFunctions: [{ vfs: p0/0-1, msix: 12 }]";
  const withTotal = (vfTotalMsix: number): string[] =>
    problemsOf(pfOf(address, 2, { driver: "mlx5_core", vfTotalMsix }), entry, wishes);
  assert.deepEqual(withTotal(24), []);
  assert.deepEqual(withTotal(20), [
    "too-many-vectors: Cannot give 24 MSI-X vectors to VFs of p0 (0000:01:00.0): sriov_vf_total_msix is 20",
  ]);
});
