// The few facts that an inventory takes from config space, against the whole decode of pci/ on the
// project's own dumps, and what the registers of odd cards mean.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeFunction } from "../../pci/decode-function.ts";
import { parseDump } from "../../pci/dump.ts";
import { findCapability, findExtendedCapability } from "../../pci/function-config.ts";
import { configFacts } from "./config-facts.ts";

const machines = join(import.meta.dirname, "..", "..", "..", "test", "machines");

test("configFacts() and decodeFunction() tell the same about every function of the dumps", () => {
  let numSriov = 0;
  for (const file of globSync("*.txt", { cwd: machines })) {
    for (const { bytes } of parseDump(readFileSync(join(machines, file)), null).functions) {
      const config = decodeFunction(bytes);
      const sriov = findExtendedCapability(config, "sriov");
      if (sriov !== null) numSriov++;
      assert.deepEqual(configFacts(bytes), {
        serial: findExtendedCapability(config, "deviceSerialNumber")?.serial ?? null,
        capabilityTotalVfs: sriov?.totalVfs ?? null,
        firstVfOffset: sriov?.firstVfOffset ?? null,
        vfStride: sriov?.vfStride ?? null,
        vfDeviceId: sriov?.vfDeviceId ?? null,
        msixCount: findCapability(config, "msix")?.tableSize ?? null,
        isExtendedSeen: bytes.length > 256,
      });
    }
  }
  assert.ok(numSriov > 0, "the dumps have PFs");
});

const withSerial = (low: number, high: number): string | null => {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x100, 0x0001_0003, true);
  view.setUint32(0x104, low, true);
  view.setUint32(0x108, high, true);
  return configFacts(bytes).serial;
};

test("a serial number of zeros or ones is none, but half of one is", () => {
  assert.equal(withSerial(0, 0), null);
  assert.equal(withSerial(0xffffffff, 0xffffffff), null);
  assert.equal(withSerial(1, 0), "00-00-00-00-00-00-00-01");
  assert.equal(withSerial(0, 1), "00-00-00-01-00-00-00-00");
  assert.equal(withSerial(0xffffffff, 0), "00-00-00-00-ff-ff-ff-ff");
  assert.equal(withSerial(0, 0xffffffff), "ff-ff-ff-ff-00-00-00-00");
});

test("a capability list that goes in a circle ends", () => {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setUint16(0x06, 0x10, true);
  bytes[0x34] = 0x40;
  view.setUint16(0x40, 0x4001, true);
  view.setUint32(0x100, 0x1001_0001, true);
  const { serial, msixCount, capabilityTotalVfs } = configFacts(bytes);
  assert.deepEqual([serial, msixCount, capabilityTotalVfs], [null, null, null]);
});
