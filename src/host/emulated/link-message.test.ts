// The machine's link messages against the second encoder of the netlink room, byte by byte for one
// VF, and through the decoder for lists that wrap.

import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelVfInfo } from "../../../test/kernel-bytes.ts";
import type { VfPolicy } from "../../model/vf-attribute.ts";
import { noPolicy } from "../../model/vf-attribute.ts";
import { decodeLink } from "../../netlink/link.ts";
import { linkMessageOf } from "./link-message.ts";

const policyOf = (vfIndex: number): VfPolicy => ({
  ...noPolicy,
  mac: `02:00:00:00:00:${(vfIndex % 256).toString(16).padStart(2, "0")}`,
  vlan: { id: vfIndex % 4096, qos: vfIndex % 8, protocol: vfIndex % 2 ? "802.1ad" : "802.1q" },
  txRateMinMbps: vfIndex,
  txRateMaxMbps: vfIndex * 2,
  spoofCheck: [true, false, null][vfIndex % 3] ?? null,
  trust: [null, true, false][vfIndex % 3] ?? null,
  linkState: (["auto", "enable", "disable"] as const)[vfIndex % 3] ?? null,
});

const listOf = (count: number) =>
  Array.from({ length: count }, (_, vfIndex) => ({ vfIndex, policy: policyOf(vfIndex) }));

test("an entry has the bytes that the other encoder makes", () => {
  for (const vf of listOf(6)) {
    const { payload } = linkMessageOf({ ifindex: 2, name: "eth0", numVf: 1, vfs: [vf] });
    const other = kernelVfInfo({ ...vf, statisticsFrom: null });
    // An Ethernet broadcast address is six of the 32 bytes; that encoder fills them all.
    other.fill(0, 48 + 6, 48 + 32);
    assert(Buffer.from(payload).includes(other), `VF ${vf.vfIndex}`);
  }
});

test("every VF of any list is read back", () => {
  for (const count of [0, 1, 222, 334, 335, 400, 1024]) {
    const vfs = listOf(count);
    const { link, problems } = decodeLink(
      linkMessageOf({ ifindex: 2, name: "eth0", numVf: count, vfs }),
    );
    assert.deepEqual(problems, []);
    const read = link?.virtualFunctions?.map(({ vfIndex, policy }) => ({ vfIndex, policy }));
    assert.deepEqual(read, vfs, `${count} VFs`);
  }
});
