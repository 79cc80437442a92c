// Random function descriptions for property tests: one of each capability that can be encoded,
// with values over the whole of each register's range.

import fc from "fast-check";
import type { BaseAddressDescription } from "./base-address.ts";
import type { FunctionDescription } from "./function-description.ts";

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint8 = fc.integer({ min: 0, max: 0xff });

const barAt = (index: number): fc.Arbitrary<BaseAddressDescription> =>
  fc
    .record({
      width: fc.constantFrom(32 as const, 64 as const),
      prefetchable: fc.boolean(),
      exponent: fc.integer({ min: 12, max: 30 }),
      slot: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ width, prefetchable, exponent, slot }) => ({
      index,
      kind: "memory",
      width,
      prefetchable,
      sizeBytes: 2 ** exponent,
      address: 2 ** exponent * slot + (width === 64 ? 2 ** 36 : 0),
    }));

const vfBars = fc.tuple(barAt(0), barAt(2), barAt(4));

export const functionDescriptions: fc.Arbitrary<FunctionDescription> = fc.record({
  vendorId: fc.integer({ min: 1, max: 0xfffe }),
  deviceId: uint16,
  revision: uint8,
  classCode: fc.integer({ min: 0, max: 0xffffff }),
  isMultifunction: fc.boolean(),
  header: fc.record({
    kind: fc.constant("endpoint" as const),
    bars: vfBars,
    subsystemVendorId: uint16,
    subsystemDeviceId: uint16,
    interruptPin: fc.integer({ min: 0, max: 4 }),
  }),
  capabilities: fc.tuple(
    fc.constant({ kind: "powerManagement" as const }),
    fc.record({
      kind: fc.constant("msi" as const),
      vectors: fc.constantFrom(1, 2, 4, 8, 16, 32),
      perVectorMasking: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant("msix" as const),
      tableSize: fc.integer({ min: 1, max: 2048 }),
      table: fc.record({ bar: fc.nat(5), offset: fc.nat(0xffff).map((value) => value * 8) }),
      pendingBitArray: fc.record({ bar: fc.nat(5), offset: fc.constant(0x8000) }),
    }),
    fc.record({
      kind: fc.constant("pcie" as const),
      portType: fc.constantFrom(0 as const, 4 as const, 6 as const, 9 as const),
      speedCode: fc.integer({ min: 1, max: 6 }),
      width: fc.constantFrom(1, 2, 4, 8, 16),
      functionLevelReset: fc.boolean(),
      ariForwarding: fc.boolean(),
    }),
  ),
  extendedCapabilities: fc.tuple(
    fc.constant({ kind: "advancedErrorReporting" as const }),
    fc.record({
      kind: fc.constant("deviceSerialNumber" as const),
      serial: fc.constant("b4-96-91-ff-ff-00-00-10"),
    }),
    fc.record({ kind: fc.constant("ari" as const), nextFunction: uint8 }),
    fc.record({
      kind: fc.constant("acs" as const),
      supported: fc.record({ sourceValidation: fc.boolean(), requestRedirect: fc.boolean() }),
    }),
    fc.record({
      kind: fc.constant("sriov" as const),
      totalVfs: uint16,
      firstVfOffset: uint16,
      vfStride: uint16,
      vfDeviceId: uint16,
      vfBars,
      functionDependencyLink: uint8,
      ariCapableHierarchyPreserved: fc.boolean(),
      vf10BitTagRequester: fc.boolean(),
    }),
  ),
});
