// Bytes that hardware should not have: every row is one way in which config space can lie, and
// the problem that must come of it. The properties say the same for any bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { setRegister } from "./config-space.ts";
import { decodeFunction } from "./decode-function.ts";
import { encodeFunction } from "./encode-function.ts";
import type { FunctionConfig } from "./function-config.ts";
import { findCapability, findExtendedCapability } from "./function-config.ts";
import { functionDescriptions } from "./function-description.arbitrary.ts";
import type { FunctionDescription } from "./function-description.ts";

const description: FunctionDescription = {
  vendorId: 0x8086,
  deviceId: 0x1592,
  revision: 2,
  classCode: 0x020000,
  header: {
    kind: "endpoint",
    bars: [],
    subsystemVendorId: 0x8086,
    subsystemDeviceId: 1,
    interruptPin: 1,
  },
  capabilities: [
    { kind: "powerManagement", offset: 0x40 },
    {
      kind: "msix",
      offset: 0x50,
      tableSize: 64,
      table: { bar: 3, offset: 0 },
      pendingBitArray: { bar: 3, offset: 0x8000 },
    },
    { kind: "pcie", offset: 0x60, portType: 0 },
  ],
  extendedCapabilities: [
    { kind: "ari", offset: 0x100 },
    {
      kind: "sriov",
      offset: 0x140,
      totalVfs: 8,
      firstVfOffset: 0x80,
      vfStride: 2,
      vfDeviceId: 0x1889,
      vfBars: [],
    },
  ],
};

type Poke = readonly [offset: number, width: 1 | 2 | 4, value: number];

/** Decodes the function above with some registers changed, and cut to `length` bytes. */
function decodePoked(pokes: readonly Poke[], length = 4096): FunctionConfig {
  const space = encodeFunction(description);
  for (const [offset, width, value] of pokes) setRegister(space, offset, width, value);
  return decodeFunction(space.bytes.subarray(0, length));
}

const problemsOf = ({ problems }: FunctionConfig): string[] =>
  problems.map(({ code, where }) => `${code} ${where}`);

const all = "40 50 60 | 100 140";

const placesOf = ({ capabilities, extendedCapabilities }: FunctionConfig): string => {
  const offsets = (entries: readonly { offset: number }[]): string =>
    entries.map(({ offset }) => offset.toString(16)).join(" ");
  return `${offsets(capabilities)} | ${offsets(extendedCapabilities)}`.trim();
};

type Row = readonly [what: string, pokes: readonly Poke[], problems: string, places: string];

const rows: readonly Row[] = [
  ["the function as it should be", [], "", all],
  ["a standard pointer to itself", [[0x41, 1, 0x40]], "list-loop 0x41", "40 | 100 140"],
  ["a standard list that goes in a circle", [[0x61, 1, 0x40]], "list-loop 0x61", all],
  ["a pointer into the header", [[0x61, 1, 0x10]], "pointer-into-header 0x61", all],
  ["a pointer with reserved bits set", [[0x34, 1, 0x43]], "pointer-unaligned 0x34", all],
  ["a capability ID of ones", [[0x50, 1, 0xff]], "list-broken 0x50", "40 | 100 140"],
  ["an extended pointer to itself", [[0x100, 4, 0x1001000e]], "list-loop 0x100", "40 50 60 | 100"],
  ["an extended circle", [[0x140, 4, 0x10010010]], "list-loop 0x140", all],
  [
    "an extended pointer into the standard space",
    [[0x140, 4, 0x0c010010]],
    "pointer-into-header 0x140",
    all,
  ],
  [
    "an extended pointer that is not aligned",
    [[0x100, 4, 0x1421000e]],
    "pointer-unaligned 0x100",
    all,
  ],
  ["an extended pointer to zeros", [[0x140, 4, 0x80010010]], "list-broken 0x140", all],
  [
    "an extended capability that runs past the end",
    [
      [0x140, 4, 0xff010010],
      [0xff0, 4, 0x00010010],
    ],
    "past-end 0xff0 duplicate 0xff0",
    "40 50 60 | 100 140 ff0",
  ],
  [
    "two capabilities on the same bytes",
    [
      [0x51, 1, 0x58],
      [0x58, 4, 0x00006009],
    ],
    "vendor-length 0x5a overlap 0x58",
    "40 50 58 60 | 100 140",
  ],
  [
    "a capability twice in a list",
    [
      [0x61, 1, 0xd0],
      [0xd0, 4, 0x00000001],
    ],
    "duplicate 0xd0",
    "40 50 60 d0 | 100 140",
  ],
  ["a header type that nobody knows", [[0x0e, 1, 0x05]], "header-type 0x0e", "| 100 140"],
  ["InitialVFs unlike TotalVFs", [[0x14c, 2, 7]], "sriov-initial-vfs 0x14c", all],
  [
    "more VFs on than there can be",
    [
      [0x148, 2, 9],
      [0x150, 2, 9],
    ],
    "sriov-num-vfs 0x150",
    all,
  ],
  [
    "VFs on at the place of their PF, all of them",
    [
      [0x148, 2, 9],
      [0x150, 2, 2],
      [0x154, 4, 0],
    ],
    "sriov-placement 0x154 sriov-placement 0x156",
    all,
  ],
  ["a VF BAR without its upper half", [[0x178, 4, 4]], "bar-cut-off 0x178", all],
  ["an I/O VF BAR", [[0x164, 4, 1]], "vf-bar-io 0x164", all],
  ["an MSI-X table in a BAR that does not exist", [[0x54, 4, 6]], "msix-bar 0x54", all],
  [
    "extended space that reads as ones",
    [[0x100, 4, 0xffffffff]],
    "extended-space-ones 0x100",
    "40 50 60 |",
  ],
];

for (const [what, pokes, problems, places] of rows) {
  test(`decodeFunction() reports ${problems === "" ? "nothing for " : ""}${what}`, () => {
    const config = decodePoked(pokes);
    assert.deepEqual(problemsOf(config).join(" "), problems);
    assert.equal(placesOf(config), places);
  });
}

test("a 64-byte read is truncated, not a function without capabilities", () => {
  const config = decodePoked([], 64);
  assert.deepEqual(problemsOf(config), ["truncated 0x34"]);
  assert.equal(config.header?.status.capabilitiesList, true);
});

test("a 128-byte read shows the capabilities in it and says what is cut", () => {
  const config = decodePoked([], 128);
  assert.deepEqual(problemsOf(config), ["truncated 0x60", "truncated 0x80"]);
  assert.equal(findCapability(config, "msix")?.tableSize, 64);
  assert.equal(findCapability(config, "pcie"), null);
  assert.equal(config.capabilities[2]?.bytes.length, 32);
});

test("a 256-byte read of a PCIe function says that extended capabilities are missing", () => {
  const config = decodePoked([], 256);
  assert.deepEqual(problemsOf(config), ["truncated 0x100"]);
});

test("a read that ends inside SR-IOV names it and keeps its bytes", () => {
  const config = decodePoked([], 0x160);
  assert.deepEqual(problemsOf(config), ["truncated 0x140"]);
  assert.equal(config.extendedCapabilities[1]?.bytes.length, 0x20);
  assert.equal(findExtendedCapability(config, "sriov"), null);
});

test("a function of ones or zeros is one problem, not a list of them", () => {
  for (const [byte, code] of [
    [0xff, "all-ones"],
    [0x00, "all-zeros"],
  ] as const) {
    for (const length of [64, 256, 4096]) {
      const config = decodeFunction(new Uint8Array(length).fill(byte));
      assert.deepEqual(problemsOf(config), [`${code} 0x00`]);
      assert.equal(config.header, null);
    }
  }
});

test("fewer bytes than a header are truncated", () => {
  const config = decodePoked([], 6);
  assert.deepEqual(problemsOf(config), ["truncated 0x06"]);
  const { vendorId, deviceId, revision, classCode, headerType } = config;
  assert.deepEqual(
    [vendorId, deviceId, revision, classCode, headerType],
    [0x8086, 0x1592, null, null, null],
  );
  assert.deepEqual(problemsOf(decodeFunction(new Uint8Array(0))), ["truncated 0x00"]);
});

/** What holds for the decode of any bytes. */
function checkInvariants(bytes: Uint8Array): void {
  const config = decodeFunction(bytes);
  const entries = [...config.capabilities, ...config.extendedCapabilities];
  assert(config.capabilities.length <= 48 && config.extendedCapabilities.length <= 960);
  assert.equal(new Set(entries.map(({ offset }) => offset)).size, entries.length);
  for (const { offset, bytes: own, body } of entries) {
    assert.equal(offset % 4, 0);
    assert(offset >= 0x40 && offset + own.length <= config.length);
    assert(own.length > 0 || body === null);
    assert.deepEqual(own, Uint8Array.from(bytes.subarray(offset, offset + own.length)));
  }
  for (const { offset, message } of config.problems) {
    assert(offset >= 0 && offset <= 4096 && message.length > 0);
  }
}

const lengths = fc.constantFrom(0, 1, 63, 64, 128, 256, 1024, 4096, 5000);

test("any bytes decode to something, in bounds, with no offset twice", () => {
  const bytes = lengths.chain((size) => fc.uint8Array({ minLength: size, maxLength: size }));
  fc.assert(fc.property(bytes, checkInvariants), { numRuns: 150 });
});

test("a described function with random damage decodes to something, at any length", () => {
  const damage = fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 60 });
  fc.assert(
    fc.property(functionDescriptions, damage, lengths, (described, pokes, length) => {
      const { bytes } = encodeFunction(described);
      for (const [offset, value] of pokes) bytes[offset] = value;
      checkInvariants(bytes.subarray(0, length));
    }),
    { numRuns: 150 },
  );
});

test("damaged list pointers alone are survived", () => {
  const heads = [0x34, 0x41, 0x51, 0x61, 0x101, 0x102, 0x103, 0x141, 0x142, 0x143];
  const damage = fc.tuple(...heads.map(() => fc.nat(255)));
  fc.assert(
    fc.property(damage, (values) => {
      const { bytes } = encodeFunction(description);
      heads.forEach((offset, index) => {
        bytes[offset] = values[index] ?? 0;
      });
      checkInvariants(bytes);
    }),
    { numRuns: 500 },
  );
});
