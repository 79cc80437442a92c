// What is said to somebody whose guest cannot be moved: it depends on the card.

import assert from "node:assert/strict";
import { test } from "node:test";
import { evidenceOf } from "../../test/evidence-of.ts";
import { pfOf, vfOf, vmOwner } from "../../test/inventory-of.ts";
import { diagnose } from "./doctor.ts";

const address = "0000:03:00.0";
const vf = vfOf(address, 0, { driver: "vfio-pci", owners: [vmOwner("web1")] });

function fixOf(vendorId: number, vfDeviceId: number | null): string {
  const pf = pfOf(address, 1, { vendorId, vfDeviceId, virtualFunctions: [vf] });
  const { findings } = diagnose(evidenceOf([pf]), "2026-06-15");
  const found = findings.find(({ rule }) => rule.id === "guest-cannot-migrate");
  return (found?.fix ?? []).map(({ text }) => text).join("\n");
}

test("a card with a VFIO driver of its own is told of it", () => {
  assert.match(fixOf(0x15b3, 0x101e), /^driver: mlx5_vfio_pci in the spec/);
  assert.match(fixOf(0x8086, 0x4941), /^driver: qat_vfio_pci in the spec/);
});

test("another card's guest is moved without its VF", () => {
  assert.match(fixOf(0x8086, 0x1889), /^Pair the VF[^]*No VFIO driver is known here/);
  assert.match(fixOf(0x8086, null), /where there is one/);
});
