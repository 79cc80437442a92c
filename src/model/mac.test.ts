// MAC text and the automatic addresses: canonical form, published FNV-1a vectors, pinned outputs
// (an apply years later must give the same address) and no collisions over a full PF.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { autoMacOfConsumer, autoMacOfVf, fnv1a64, isMulticastMac, parseMac } from "./mac.ts";

test("parseMac() gives lower case with colons, and null for anything else", () => {
  assert.equal(parseMac("B4:96:91:00:00:10"), "b4:96:91:00:00:10");
  assert.equal(parseMac("b4-96-91-00-00-10"), "b4:96:91:00:00:10");
  for (const text of [
    "",
    "b4:96:91:00:00",
    "b4:96:91-00-00-10",
    "b49691000010",
    "g4:96:91:0:0:1",
  ]) {
    assert.equal(parseMac(text), null, text);
  }
});

test("isMulticastMac() reads the lowest bit of the first octet", () => {
  assert.ok(isMulticastMac("01:00:5e:00:00:01") && isMulticastMac("ff:ff:ff:ff:ff:ff"));
  assert.ok(!isMulticastMac("00:00:00:00:00:00") && !isMulticastMac("02:00:00:00:00:01"));
});

test("fnv1a64() agrees with the published test vectors", () => {
  assert.equal(fnv1a64(""), 0xcbf29ce484222325n);
  assert.equal(fnv1a64("a"), 0xaf63dc4c8601ec8cn);
  assert.equal(fnv1a64("foobar"), 0x85944171f73967e8n);
});

test("automatic MACs stay what they were in the first version", () => {
  assert.equal(autoMacOfConsumer("libvirt:web1/net1"), "a2:c4:97:f6:3c:36");
  assert.equal(autoMacOfVf("b4:96:91:00:00:10", 3), "92:10:4a:db:51:53");
});

test("automatic MACs are unicast, locally administered and canonical whatever the seed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), fc.nat(65_534), (text, vfIndex) => {
      for (const mac of [autoMacOfConsumer(text), autoMacOfVf(text, vfIndex)]) {
        assert.equal(parseMac(mac), mac);
        assert.ok(mac[1] === "2" && !isMulticastMac(mac), mac);
      }
    }),
    { numRuns: 40 },
  );
});

test("automatic MACs of 4096 VFs of one PF differ", () => {
  const macs = Array.from({ length: 4096 }, (_, index) => autoMacOfVf("b4:96:91:00:00:10", index));
  assert.equal(new Set(macs).size, macs.length);
});
