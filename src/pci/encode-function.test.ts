// Encoder and decoder against each other on drawn descriptions, and the encoder's masks against
// the way software probes BARs. Agreement with devices is proven on dumps, in test/.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BaseAddressDescription } from "./base-address.ts";
import { setRegister, writeConfig } from "./config-space.ts";
import { decodeFunction } from "./decode-function.ts";
import { encodeFunction } from "./encode-function.ts";
import { findCapability, findExtendedCapability } from "./function-config.ts";
import { functionDescriptions } from "./function-description.arbitrary.ts";
import type { FunctionDescription } from "./function-description.ts";
import { registersAt } from "./registers.ts";

const withoutSize = ({ index, width, prefetchable, address }: BaseAddressDescription): object => ({
  index,
  width,
  prefetchable,
  address: BigInt(address ?? 0),
});

type AnyDescription =
  | FunctionDescription["capabilities"][number]
  | FunctionDescription["extendedCapabilities"][number];

/** What the decoder must say about a described capability, in the decoder's words. */
function wantedBody(description: AnyDescription): object {
  switch (description.kind) {
    case "msi": {
      const { kind, vectors, perVectorMasking } = description;
      return { kind, vectorsCapable: vectors, perVectorMasking, is64Bit: true };
    }
    case "pcie": {
      const { kind, portType, speedCode, width, functionLevelReset, ariForwarding } = description;
      const link = {
        capabilities: { maxSpeedCode: speedCode, maxWidth: width },
        status: { speedCode, width },
      };
      return {
        kind,
        portType,
        deviceCapabilities: { functionLevelReset },
        device2: { capabilities: { ariForwarding } },
        link: portType === 9 ? null : link,
      };
    }
    case "sriov": {
      const { vfBars, totalVfs, ...same } = description;
      const counts = { totalVfs, initialVfs: totalVfs, numVfs: 0 };
      const pages = { supportedPageSizes: 0x553, systemPageSize: 1 };
      return { ...same, ...counts, ...pages, vfBars: vfBars.map(withoutSize) };
    }
    default:
      return description;
  }
}

test("a described function decodes to its description without a problem", () => {
  fc.assert(
    fc.property(functionDescriptions, (description) => {
      const config = decodeFunction(encodeFunction(description).bytes);
      assert.deepEqual(config.problems, []);
      const { vendorId, deviceId, revision, classCode, isMultifunction, header } = description;
      assert.partialDeepStrictEqual(config, {
        vendorId,
        deviceId,
        revision,
        classCode,
        headerType: 0,
        header: { isMultifunction, layout: { type: "endpoint" } },
      });
      assert(header.kind === "endpoint" && config.header?.layout.type === "endpoint");
      assert.partialDeepStrictEqual(config.header.layout.bars, header.bars.map(withoutSize));
      const bodies = [...config.capabilities, ...config.extendedCapabilities];
      const wanted = [...description.capabilities, ...description.extendedCapabilities];
      assert.equal(bodies.length, wanted.length);
      wanted.forEach((capability, index) => {
        assert.partialDeepStrictEqual(bodies[index]?.body, wantedBody(capability));
      });
    }),
    { numRuns: 60 },
  );
});

const nic: FunctionDescription = {
  vendorId: 0x8086,
  deviceId: 0x1592,
  revision: 2,
  classCode: 0x020000,
  header: {
    kind: "endpoint",
    bars: [{ index: 0, kind: "memory", width: 64, prefetchable: true, sizeBytes: 2 ** 33 }],
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 1,
    interruptPin: 1,
  },
  capabilities: [{ kind: "pcie", portType: 0 }],
  extendedCapabilities: [
    { kind: "ari" },
    {
      kind: "sriov",
      totalVfs: 64,
      firstVfOffset: 8,
      vfStride: 1,
      vfDeviceId: 0x1889,
      vfBars: [{ index: 0, kind: "memory", width: 64, prefetchable: true, sizeBytes: 0x20000 }],
    },
  ],
};

const littleEndian = (...values: number[]): Uint8Array =>
  new Uint8Array(new Uint32Array(values).buffer);

test("writing ones to a BAR reads back its size", () => {
  const space = encodeFunction(nic);
  writeConfig(space, 0x10, littleEndian(0xffffffff, 0xffffffff));
  const registers = registersAt(space.bytes, 0);
  assert.equal(registers.u64(0x10), 2n ** 64n - 2n ** 33n + 0xcn);
  const sriovAt = 0x110;
  writeConfig(space, sriovAt + 0x24, littleEndian(0xffffffff, 0xffffffff));
  assert.equal(registers.u64(sriovAt + 0x24), 2n ** 64n - 0x20000n + 0xcn);
});

test("writes change writable bits only, and clear status by writing ones", () => {
  const space = encodeFunction(nic);
  const before = space.bytes.slice();
  writeConfig(space, 0, new Uint8Array(4096).fill(0xff));
  for (let at = 0; at < before.length; at++) {
    const readOnly = ~(space.writable[at] ?? 0);
    assert.equal((space.bytes[at] ?? 0) & readOnly, (before[at] ?? 0) & readOnly, `offset ${at}`);
  }
  const registers = registersAt(space.bytes, 0);
  setRegister(space, 0x06, 2, 0x3010);
  writeConfig(space, 0x06, new Uint8Array([0x00, 0x20]));
  assert.equal(registers.u16(0x06), 0x1010);
});

test("a bridge decodes to its bus numbers and windows", () => {
  const memoryWindow = { base: 0xfe800000, limit: 0xfe9fffff };
  const prefetchableWindow = { base: 0x8_0000_0000, limit: 0x8_3fff_ffff };
  const { bytes } = encodeFunction({
    ...nic,
    classCode: 0x060400,
    header: {
      kind: "bridge",
      bars: [],
      primaryBus: 0,
      secondaryBus: 3,
      subordinateBus: 5,
      memoryWindow,
      prefetchableWindow,
    },
    capabilities: [{ kind: "pcie", portType: 4, ariForwarding: true, slotNumber: 7 }],
    extendedCapabilities: [{ kind: "acs", supported: { sourceValidation: true } }],
  });
  const config = decodeFunction(bytes);
  const big = ({ base, limit }: { base: number; limit: number }): object => ({
    base: BigInt(base),
    limit: BigInt(limit),
  });
  assert.deepEqual(config.problems, []);
  assert.partialDeepStrictEqual(config.header?.layout, {
    type: "bridge",
    primaryBus: 0,
    secondaryBus: 3,
    subordinateBus: 5,
    memoryWindow: big(memoryWindow),
    prefetchableWindow: big(prefetchableWindow),
  });
  const pcie = findCapability(config, "pcie");
  assert.equal(pcie?.device2?.capabilities.ariForwarding, true);
  assert.equal(pcie?.slot?.capabilities.physicalSlotNumber, 7);
  assert.equal(findExtendedCapability(config, "acs")?.supported.sourceValidation, true);
});

test("a VF shows neither identity nor BARs, only its own capabilities", () => {
  const { bytes } = encodeFunction({
    ...nic,
    header: { kind: "vf", subsystemVendorId: 0x8086, subsystemDeviceId: 1 },
    extendedCapabilities: [{ kind: "ari" }],
  });
  const config = decodeFunction(bytes);
  assert.deepEqual(config.problems, []);
  assert.equal(config.vendorId, 0xffff);
  assert(config.header?.layout.type === "endpoint");
  assert.deepEqual(config.header.layout.bars, []);
  assert.equal(findCapability(config, "pcie")?.portType, 0);
});
