// The domain XML of libvirt's hooks: what libvirt 9.0.0 gave to a hook of ours (prepare begin), what a
// hostile or broken text comes to, and addresses as people write them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseDomain } from "./domain-xml.ts";

const captured = readFileSync(
  join(import.meta.dirname, "..", "..", "test", "captures", "libvirt-hook-domain.xml"),
  "utf8",
);

test("the PCI devices of a domain are read as libvirt gives it to its hook, and no others", () => {
  assert.deepEqual(parseDomain(captured), {
    name: "web1",
    devices: [
      { address: "0000:3b:01.0", alias: "net1", mac: "02:00:5e:10:00:01", vlanId: 120 },
      { address: "0000:3b:01.1", alias: "acc0", mac: null, vlanId: null },
    ],
  });
});

const withSource = (source: string): string =>
  `<domain><name>a</name><devices><hostdev type='pci'><source>${source}</source></hostdev></devices></domain>`;

const addresses: readonly (readonly [source: string, address: string | null])[] = [
  ["<address bus='1' slot='16' function='2'/>", "0000:01:10.2"],
  ["<address domain='0x10000' bus='1' slot='0' function='0'/>", null],
  ["<address domain='0x0001' bus='0xff' slot='0x1f' function='0x7'/>", "0001:ff:1f.7"],
  ["<address bus='1' slot='32' function='0'/>", null],
  ["<address bus='1'/>", null],
  ["", null],
];

for (const [source, address] of addresses) {
  test(`a source of ${source || "nothing"} is ${address ?? "no address"}`, () => {
    const domain = parseDomain(withSource(source));
    assert.ok("devices" in domain);
    assert.deepEqual(
      domain.devices.map((device) => device.address),
      address === null ? [] : [address],
    );
  });
}

test("what is no domain is a problem, and nothing throws", () => {
  for (const text of ["", "no xml", "<domain>", "<network><name>a</name></network>", "<domain/>"]) {
    const problem = parseDomain(text);
    assert.ok("message" in problem && problem.message.startsWith("Cannot read the domain: "), text);
  }
  const edits = fc.array(fc.tuple(fc.nat(captured.length - 1), fc.string()), { maxLength: 6 });
  fc.assert(
    fc.property(edits, (changes) => {
      let text = captured;
      for (const [at, piece] of changes) text = text.slice(0, at) + piece + text.slice(at + 1);
      parseDomain(text);
    }),
    { numRuns: 50 },
  );
});

test("entities of a document type are not expanded without end", () => {
  const bomb = `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`;
  parseDomain(`${bomb}<domain><name>&b;</name></domain>`);
});
