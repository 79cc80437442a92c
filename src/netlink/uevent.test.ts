// Uevents of a kernel, and what is not one.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capture, readCaptures } from "../../test/captures.ts";
import { decodeUevent } from "./uevent.ts";

test("decodeUevent() reads what a kernel sent for a new interface", () => {
  const uevent = decodeUevent(capture(readCaptures("netlink-replies.txt"), "uevent"));
  assert.ok(uevent);
  const { action, devicePath, subsystem, sequence, properties } = uevent;
  assert.deepEqual(
    [action, devicePath, subsystem, sequence, properties.get("INTERFACE")],
    ["add", "/devices/virtual/net/v0", "net", 880, "v0"],
  );
});

test("decodeUevent() takes neither udev's messages nor half of one", () => {
  for (const text of [
    "",
    "libudev\0\0\0",
    "add@/devices/a\0",
    "add@/a\0ACTION=add\0DEVPATH=/b\0",
  ]) {
    assert.equal(decodeUevent(Buffer.from(text)), null, text);
  }
});

test("decodeUevent() takes any bytes", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.equal(decodeUevent(bytes), null)));
});
