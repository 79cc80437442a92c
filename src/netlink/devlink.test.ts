// devlink and the controller of generic netlink.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capture, readCaptures } from "../../test/captures.ts";
import { onlyMessage } from "../../test/only-message.ts";
import { kernelAttribute } from "../../test/kernel-bytes.ts";
import { decodeDevlink, decodeFamilyId, eswitchChange, familyByName } from "./devlink.ts";

const replies = readCaptures("netlink-replies.txt");

test("decodeFamilyId() reads the controller's own number, which is fixed", () => {
  assert.equal(decodeFamilyId(onlyMessage(capture(replies, "family"))), 16);
});

test("familyByName() asks as the kernel's own example does", () => {
  const { type, flags, payload } = familyByName("nlctrl");
  assert.deepEqual([type, flags], [16, 1]);
  assert.equal(Buffer.from(payload).toString("hex"), "030100000b0002006e6c6374726c0000");
});

const handle = { bus: "netdevsim", name: "netdevsim10" };

test("eswitchChange() names the function and the mode", () => {
  const { payload } = eswitchChange(21, handle, "switchdev");
  const expected = Buffer.concat([
    Buffer.from([30, 1, 0, 0]),
    kernelAttribute(1, Buffer.from("netdevsim\0")),
    kernelAttribute(2, Buffer.from("netdevsim10\0")),
    kernelAttribute(25, Buffer.from([1, 0])),
  ]);
  assert.deepEqual(Buffer.from(payload), expected);
});

test("decodeDevlink() reads modes, and null for one that has no word", () => {
  for (const [mode, expected] of [
    [0, "legacy"],
    [1, "switchdev"],
    [2, null],
  ] as const) {
    const payload = Buffer.concat([
      Buffer.from([29, 1, 0, 0]),
      kernelAttribute(1, Buffer.from("pci\0")),
      kernelAttribute(2, Buffer.from("0000:3b:00.0\0")),
      kernelAttribute(25, Buffer.from([mode, 0])),
    ]);
    const message = { type: 21, flags: 0, sequence: 0, portId: 0, payload };
    assert.deepEqual(decodeDevlink(message, 21), {
      handle: { bus: "pci", name: "0000:3b:00.0" },
      eswitchMode: expected,
    });
    assert.equal(decodeDevlink(message, 22), null);
  }
});

test("no bytes make them throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (payload) => {
      const message = { type: 16, flags: 0, sequence: 0, portId: 0, payload };
      decodeFamilyId(message);
      decodeDevlink(message, 16);
    }),
    { numRuns: 1000 },
  );
});
