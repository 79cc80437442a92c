// Capabilities that few devices at hand have, or have in few forms: bytes written out from the
// specification's register tables, and the fields they mean.

import assert from "node:assert/strict";
import { test } from "node:test";
import { registersAt } from "../registers.ts";
import { acs } from "./acs.ts";
import { addressTranslationServices, processAddressSpaceId } from "./address-translation.ts";
import { advancedErrorReporting } from "./advanced-error-reporting.ts";
import type { CapabilityContext, CapabilityDecoder } from "./capability-decoder.ts";
import { enhancedAllocation } from "./enhanced-allocation.ts";
import { msi } from "./interrupts.ts";
import { l1PmSubstates, latencyToleranceReporting } from "./link-power.ts";
import { pcie } from "./pcie.ts";
import { resizableBar, vfResizableBar } from "./resizable-bar.ts";
import { designatedVendorSpecific, vendorSpecific } from "./vendor-specific.ts";
import { vitalProductData } from "./vital-product-data.ts";

const endpoint: CapabilityContext = { headerType: 0, portType: 0 };

type Decoded<Body> = { readonly length: number; readonly body: Body; readonly problems: string[] };

/** Decodes dwords as a whole capability. */
function decode<Body>(
  decoder: CapabilityDecoder<Body>,
  dwords: readonly number[],
  context = endpoint,
): Decoded<Body> {
  const registers = registersAt(new Uint8Array(Uint32Array.from(dwords).buffer), 0);
  const problems: string[] = [];
  const body = decoder.decode(registers, context, (code) => problems.push(code));
  return { length: decoder.lengthOf(registers, context), body, problems };
}

test("MSI is 14 bytes with 64-bit addresses and 24 with masks too", () => {
  assert.equal(decode(msi, [0x0080_0005, 0, 0, 0]).length, 0x0e);
  assert.equal(decode(msi, [0x0000_0005, 0, 0, 0]).length, 0x0a);
  const { length, body } = decode(msi, [0x01ab_0005, 0xfee0_1000, 1, 0x41d1, 2, 3]);
  assert.equal(length, 0x18);
  assert.partialDeepStrictEqual(body, {
    enable: true,
    vectorsCapable: 32,
    vectorsEnabled: 4,
    address: 0x1_fee0_1000n,
    data: 0x41d1,
    mask: 2,
    pending: 3,
  });
});

test("MSI with more than 32 vectors is a problem", () => {
  assert.deepEqual(decode(msi, [0x000c_0005, 0, 0]).problems, ["msi-vectors"]);
});

test("VF Resizable BAR names VF BARs and the size of one VF", () => {
  const { length, body } = decode(
    vfResizableBar,
    [
      0x0001_0024,
      // 1 MB, 2 MB and 16 MB; BAR 0 of two entries, now 2 MB.
      0x0000_0130, 0x0000_0140,
      // Up to 2^48 by the control register's upper half; BAR 4, now 1 MB.
      0x0000_0010, 0x0001_0004,
    ],
  );
  assert.equal(length, 20);
  assert.deepEqual(body, {
    kind: "vfResizableBar",
    entries: [
      { bar: 0, sizeBytes: 2 ** 21, supportedSizesBytes: [2 ** 20, 2 ** 21, 2 ** 24] },
      { bar: 4, sizeBytes: 2 ** 20, supportedSizesBytes: [2 ** 20, 2 ** 48] },
    ],
  });
});

test("Resizable BAR with no entry, or of BAR 7, is a problem", () => {
  assert.deepEqual(decode(resizableBar, [0x15, 0x10, 0]).problems, ["rebar-entries"]);
  assert.deepEqual(decode(resizableBar, [0x15, 0x10, 0x27]).problems, ["rebar-index"]);
});

test("an Enhanced Allocation bridge has fixed buses and entries of any size", () => {
  const bridge = { headerType: 1, portType: null };
  const dwords = [
    0x0002_0014, 0x0000_0805,
    // BEI 6 behind the bridge, 64-bit base and offset: four dwords follow.
    0x80ff_0564, 0x4000_0002, 0x0fff_fffe, 0x0000_0001, 0x0000_0002,
    // BEI 9 VF BAR 0, prefetchable, 32 bits: two dwords follow.
    0xc0ff_0392, 0x8000_0000, 0x000f_fffc,
  ];
  const { length, body, problems } = decode(enhancedAllocation, dwords, bridge);
  assert.deepEqual(problems, []);
  assert.equal(length, 40);
  assert.deepEqual([body.fixedSecondaryBus, body.fixedSubordinateBus], [5, 8]);
  assert.partialDeepStrictEqual(body.entries, [
    { equivalent: "bridge", base: 0x1_4000_0000n, maxOffset: 0x2_0fff_ffffn, writable: false },
    { equivalent: "vf-bar0", base: 0x8000_0000n, maxOffset: 0xf_ffffn, writable: true },
  ]);
});

test("an Enhanced Allocation entry too short for its range is a problem, with no range", () => {
  const { body, problems } = decode(enhancedAllocation, [0x0001_0014, 0x80ff_0001, 2, 0, 0]);
  assert.deepEqual(problems, ["ea-entry-size"]);
  assert.deepEqual([body.entries[0]?.base, body.entries[0]?.maxOffset], [null, null]);
});

test("ACS with egress control has a vector of as many words as it needs", () => {
  const { length, body } = decode(acs, [0x0001_000d, 0x0021_283f, 0xdead_beef, 0x0000_00ff]);
  assert.equal(length, 16);
  assert.equal(body.supported.egressControlVectorBits, 40);
  assert.deepEqual(body.egressControlVector, [0xdead_beef, 0xff]);
  assert.equal(body.enabled.egressControl, true);
  assert.equal(decode(acs, [0x0001_000d, 0x0000_0020]).length, 8 + 32);
});

test("ATS queue depth 0 means 32, and its unit is a power of two pages", () => {
  const { body } = decode(addressTranslationServices, [0x0001_000f, 0x8003_0020]);
  assert.partialDeepStrictEqual(body, {
    invalidateQueueDepth: 32,
    pageAlignedRequest: true,
    enable: true,
    smallestTranslationUnitBytes: 32_768,
  });
});

test("the three flags of ATS are three bits", () => {
  const flags = (bits: number): readonly boolean[] => {
    const { body } = decode(addressTranslationServices, [0x0001_000f, bits]);
    return [body.pageAlignedRequest, body.globalInvalidate, body.relaxedOrdering];
  };
  assert.deepEqual(flags(0x20), [true, false, false]);
  assert.deepEqual(flags(0x40), [false, true, false]);
  assert.deepEqual(flags(0x80), [false, false, true]);
});

test("a vendor-specific capability is as long as it says, and at least its header", () => {
  const { length, body, problems } = decode(vendorSpecific, [0xaa05_0009, 0xcc_bb]);
  assert.deepEqual([length, [...body.content], problems], [5, [0xaa, 0xbb], []]);
  const short = decode(vendorSpecific, [0x0002_0009]);
  assert.deepEqual([short.length, short.problems], [3, ["vendor-length"]]);
});

test("a PASID wider than 20 bits is a problem", () => {
  const { body, problems } = decode(processAddressSpaceId, [0x0001_001b, 0x0003_1506]);
  assert.deepEqual(problems, ["pasid-width"]);
  assert.partialDeepStrictEqual(body, { maxWidth: 21, executePermission: true, enable: true });
});

test("a latency with a reserved scale is unknown", () => {
  const { body } = decode(latencyToleranceReporting, [0x0001_0018, 0x1801_1003]);
  assert.deepEqual([body.maxSnoopLatencyNs, body.maxNoSnoopLatencyNs], [3 * 32 ** 4, null]);
});

test("L1 PM Substates thresholds are in microseconds and nanoseconds", () => {
  const dwords = [0x0001_001e, 0x0028_0a1f, 0x600a_140f, 0x0000_0029];
  assert.partialDeepStrictEqual(decode(l1PmSubstates, dwords).body, {
    supported: { pciPmL12: true, commonModeRestoreUs: 10, powerOnUs: 10 },
    enabled: { aspmL11: true, ltrL12ThresholdNs: 10 * 32 ** 3, powerOnUs: 50 },
  });
});

test("AER of a root port is longer and names the senders of errors", () => {
  const dwords = [
    0x0001_0001, 0x0020_0000, 0, 0, 0, 0, 0x15, 1, 2, 3, 4, 7, 0x0800_0005, 0x0108_0100,
  ];
  const { length, body } = decode(advancedErrorReporting, dwords, { headerType: 1, portType: 4 });
  assert.equal(length, 0x38);
  assert.equal(body.uncorrectableStatus.acsViolation, true);
  assert.equal(body.control.firstErrorPointer, 0x15);
  assert.partialDeepStrictEqual(body.root, {
    status: { correctableReceived: true, uncorrectableReceived: true, interruptMessage: 1 },
    correctableSource: 0x0100,
    uncorrectableSource: 0x0108,
  });
  assert.equal(decode(advancedErrorReporting, dwords).body.root, null);
});

test("the PCIe capability is as long as its version and port type say", () => {
  const length = (flags: number): number => decode(pcie, [(flags << 16) | 0x10]).length;
  assert.equal(length(0x0001), 0x14, "version 1 endpoint");
  assert.equal(length(0x0091), 0x0c, "version 1 integrated endpoint");
  assert.equal(length(0x0141), 0x24, "version 1 root port with slot");
  assert.equal(length(0x0161), 0x1c, "version 1 downstream port with slot");
  assert.equal(length(0x0092), 0x2c, "version 2 integrated endpoint");
  assert.equal(length(0x0002), 0x34, "version 2 endpoint");
  assert.equal(length(0x0142), 0x38, "version 2 root port with slot");
});

test("DVSEC says whose it is; VPD where its window is", () => {
  const dvsec = decode(designatedVendorSpecific, [0x0001_0023, 0x0101_1e98, 0xabcd_0007, 5]);
  assert.deepEqual(dvsec.body, {
    kind: "designatedVendorSpecific",
    dvsecVendorId: 0x1e98,
    dvsecId: 7,
    revision: 1,
    lengthBytes: 16,
    content: Uint8Array.from([0xcd, 0xab, 5, 0, 0, 0]),
  });
  const vpd = decode(vitalProductData, [0x8010_0003, 0x1234_5678]);
  assert.partialDeepStrictEqual(vpd.body, { address: 0x10, transferDone: true, data: 0x1234_5678 });
});
