// Lists of VFs of every length, as a kernel writes them: whole, but with a length cut to 16 bits.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { kernelLink, kernelVfInfo, type KernelVf } from "../../test/kernel-bytes.ts";
import { onlyLink } from "../../test/only-message.ts";
import { readAttributes, viewOf } from "./attribute.ts";
import { decodeLink } from "./link.ts";
import { decodeMessages } from "./message.ts";
import { decodeVfInfo } from "./vf-info.ts";
import { readVfList } from "./vf-list.ts";

/** A policy that differs from VF to VF in every field. */
function policyOf(vfIndex: number): VfPolicy {
  const states = ["auto", "enable", "disable"] as const;
  return {
    mac: `02:00:00:00:${(vfIndex >> 8).toString(16).padStart(2, "0")}:${(vfIndex & 255).toString(16).padStart(2, "0")}`,
    vlan: {
      id: vfIndex % 4096,
      qos: vfIndex % 8,
      protocol: vfIndex % 5 === 1 ? "802.1ad" : "802.1q",
    },
    txRateMinMbps: vfIndex,
    txRateMaxMbps: vfIndex * 10,
    spoofCheck: [true, false, null][vfIndex % 3] ?? null,
    trust: [null, true, false][vfIndex % 3] ?? null,
    linkState: states[vfIndex % 3] ?? null,
    rssQuery: null,
    nodeGuid: null,
    portGuid: null,
  };
}

const kernelVfs = (count: number, statisticsFrom: bigint | null): KernelVf[] =>
  Array.from({ length: count }, (_, vfIndex) => ({
    vfIndex,
    policy: policyOf(vfIndex),
    statisticsFrom,
  }));

test("the second encoder makes entries of the sizes that were measured in kernels", () => {
  const [vf] = kernelVfs(1, null);
  assert.ok(vf);
  assert.equal(kernelVfInfo(vf).length, 196);
  assert.equal(kernelVfInfo({ ...vf, statisticsFrom: 0n }).length, 296);
});

// The counts around both wraps, and some far behind them.
const counts = [0, 1, 16, 63, 127, 221, 222, 256, 334, 335, 400, 1000, 2048];

for (const statisticsFrom of [null, 1000n]) {
  const kind = statisticsFrom === null ? "without" : "with";
  test(`decodeLink() reads every VF of any list ${kind} statistics`, () => {
    for (const count of counts) {
      const vfs = kernelVfs(count, statisticsFrom);
      const bytes = kernelLink({
        ifindex: 7,
        name: "ens1f0",
        numVf: count,
        vfs: vfs.map(kernelVfInfo),
      });
      const { link, problems } = onlyLink(bytes);
      assert.deepEqual(problems, [], `${count} VFs`);
      assert.ok(link?.virtualFunctions);
      assert.deepEqual(
        link.virtualFunctions.map(({ policy }) => policy),
        vfs.map(({ policy }) => policy),
        `${count} VFs`,
      );
      // What stands behind the list must not have been taken for a VF, nor a VF for it.
      assert.equal(link.parentName, "0000:3b:00.0");
      assert.equal(link.permanentMac, "b4:96:91:00:00:10");
      assert.equal(link.hasCarrier, true);
      assert.equal(link.mac, "b4:96:91:00:00:10");
      const last = link.virtualFunctions.at(-1);
      // Each counter of the second encoder is its type number more than 1000.
      const counters = {
        rxPackets: 1000n,
        txPackets: 1001n,
        rxBytes: 1002n,
        txBytes: 1003n,
        broadcasts: 1004n,
        multicasts: 1005n,
        rxDropped: 1007n,
        txDropped: 1008n,
      };
      if (last !== undefined) {
        assert.deepEqual(last.statistics, statisticsFrom === null ? null : counters);
      }
    }
  });
}

test("a stored length can wrap to less than a header, and the list is still read", () => {
  const count = Array.from({ length: 16384 }, (_, n) => n).find(
    (n) => n > 0 && (n * 196 + 4) % 65536 < 4,
  );
  assert.ok(count);
  const vfs = kernelVfs(count, null).map(kernelVfInfo);
  const { link, problems } = onlyLink(kernelLink({ ifindex: 7, name: "a", numVf: count, vfs }));
  assert.deepEqual(problems, []);
  assert.equal(link?.virtualFunctions?.length, count);
  assert.equal(link.parentBus, "pci");
});

test("without a VF count in the message, the list is as long as its entries agree with", () => {
  // Above 16,384 of 196 bytes two counts agree, of which the longer one leaves nothing over.
  for (const count of [3, 335, 16_400]) {
    const vfs = kernelVfs(count, null).map(kernelVfInfo);
    const { link, problems } = onlyLink(kernelLink({ ifindex: 7, name: "a", numVf: null, vfs }));
    assert.deepEqual(problems, []);
    assert.equal(link?.virtualFunctions?.length, count);
    assert.equal(link.parentBus, "pci");
  }
});

test("VFs that the kernel skipped are counted as missing and the others keep their index", () => {
  const vfs = kernelVfs(8, null).filter(({ vfIndex }) => vfIndex !== 2 && vfIndex !== 5);
  const bytes = kernelLink({ ifindex: 7, name: "ens1f0", numVf: 8, vfs: vfs.map(kernelVfInfo) });
  const { link, problems } = onlyLink(bytes);
  assert.deepEqual(
    link?.virtualFunctions?.map(({ vfIndex }) => vfIndex),
    [0, 1, 3, 4, 6, 7],
  );
  assert.deepEqual(problems, [
    {
      code: "vf-list-incomplete",
      where: "ens1f0",
      message: "Cannot read the attributes of 2 VFs of ens1f0: the kernel listed 6 of 8",
    },
  ]);
});

test("a list cut off in the middle of the message gives the VFs before the cut", () => {
  const vfs = kernelVfs(400, null).map(kernelVfInfo);
  const whole = kernelLink({ ifindex: 7, name: "ens1f0", numVf: 400, vfs });
  const cut = whole.subarray(0, 196 * 300);
  cut.writeUInt32LE(cut.length, 0);
  const { link, problems } = onlyLink(cut);
  assert.ok(link?.virtualFunctions);
  assert.ok(problems.some(({ code }) => code === "vf-list-incomplete"));
  for (const { vfIndex, policy } of link.virtualFunctions) {
    assert.deepEqual(policy, policyOf(vfIndex));
  }
});

const hexPairs = (count: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: count, maxLength: count }).map((bytes) =>
    Buffer.from(bytes)
      .toString("hex")
      .replaceAll(/..(?!$)/g, "$&:"),
  );

const policies: fc.Arbitrary<VfPolicy> = fc.record<VfPolicy>(
  {
    mac: hexPairs(6),
    vlan: fc
      .tuple(fc.nat(4095), fc.nat(7), fc.constantFrom("802.1q" as const, "802.1ad" as const))
      .filter(([id, qos, protocol]) => id + qos > 0 || protocol === "802.1q")
      .map(([id, qos, protocol]) => ({ id, qos, protocol })),
    txRateMinMbps: fc.nat(0xffffffff),
    txRateMaxMbps: fc.nat(0xffffffff),
    spoofCheck: fc.constantFrom(true, false, null),
    trust: fc.constantFrom(true, false, null),
    linkState: fc.constantFrom("auto" as const, "enable" as const, "disable" as const),
    rssQuery: fc.constantFrom(true, false, null),
    nodeGuid: fc.option(hexPairs(8)),
    portGuid: fc.option(hexPairs(8)),
  },
  { noNullPrototype: true },
);

test("decodeLink() gives back every policy that the second encoder wrote", () => {
  fc.assert(
    fc.property(fc.array(policies, { maxLength: 12 }), fc.nat(60), (list, repeat) => {
      const repeated = Array.from({ length: repeat + 1 }, () => list).flat();
      const vfs = repeated.map((policy, vfIndex) => ({ vfIndex, policy, statisticsFrom: null }));
      const numVf = vfs.length;
      const { link, problems } = onlyLink(
        kernelLink({ ifindex: 3, name: "p0", numVf, vfs: vfs.map(kernelVfInfo) }),
      );
      assert.deepEqual(problems, []);
      assert.deepEqual(
        link?.virtualFunctions?.map(({ policy }) => policy),
        repeated,
      );
    }),
    { numRuns: 60 },
  );
});

test("no bytes make the decoders throw", () => {
  const whole = kernelLink({
    ifindex: 7,
    name: "p0",
    numVf: 3,
    vfs: kernelVfs(3, 5n).map(kernelVfInfo),
  });
  const bent = fc
    .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 })
    .map((edits) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of edits) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 400 })), fc.nat(65535), (bytes, type) => {
      const { messages } = decodeMessages(bytes);
      for (const message of messages) decodeLink(message);
      decodeLink({ type: 16, flags: 0, sequence: 0, portId: 0, payload: bytes });
      const view = viewOf(bytes);
      decodeVfInfo(view, 0, bytes.length, 6);
      const place = { view, start: 0, storedLength: type, limit: bytes.length, numVf: type };
      assert.ok(readVfList(place).next <= bytes.length + 4);
      const { attributes, rest } = readAttributes(bytes);
      assert.ok(attributes.length * 4 <= bytes.length && rest.length <= bytes.length);
    }),
    { numRuns: 3000 },
  );
});
