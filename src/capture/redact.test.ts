// What tells whose machine it is goes, the same value to the same stand-in everywhere, and what
// only looks like it stays.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Evidence } from "./evidence.ts";
import { printEvidence } from "./format.ts";
import { linesThatMatter } from "./kernel-lines.ts";
import { hostNameFile, replaceInEvidence, withoutSecrets } from "./redact.ts";

const header = { madeBy: "0", at: "0", identifiers: "raw", user: "root", isCut: false } as const;

function evidenceOf(
  texts: Readonly<Record<string, string>>,
  answers: Readonly<Record<string, readonly string[]>> = {},
): Evidence {
  const files = Object.entries(texts).map(
    ([path, text]) => [path, { kind: "text", text }] as const,
  );
  return { header, files: new Map(files), answers: new Map(Object.entries(answers)) };
}

const replaced = (text: string): string => {
  const answer = replaceInEvidence(evidenceOf({ "/x": text })).files.get("/x");
  return answer?.kind === "text" ? answer.text : "";
};

test("identifiers are replaced, and parts that tell the maker or the kind stay", () => {
  assert.equal(replaced("b4:96:91:aa:bb:cc"), "b4:96:91:00:00:01");
  assert.equal(replaced("B4-96-91-AA-BB-CC"), "b4-96-91-00-00-01");
  assert.equal(
    replaced("7e:11:22:33:44:55 52:54:00:12:34:56"),
    "02:00:00:00:00:01 52:54:00:00:00:01",
  );
  assert.equal(replaced("b4-96-91-ff-ff-aa-bb-cc"), "b4-96-91-ff-ff-00-00-01");
  assert.equal(replaced("enxb49691aabbcc b4:96:91:aa:bb:cc"), "enxb49691000001 b4:96:91:00:00:01");
  assert.equal(
    replaced("root=UUID=0a1b2c3d-1111-2222-3333-444455556666"),
    "root=UUID=00000000-0000-4000-8000-000000000001",
  );
  assert.equal(replaced("0123456789abcdef0123456789abcdef\n"), `${"0".repeat(31)}1\n`);
  assert.equal(replaced("via 10.20.30.40/24, 10.20.30.41"), "via 198.51.100.1/24, 198.51.100.2");
  assert.equal(replaced("fd00::1:2 dev x"), "2001:db8::1 dev x");
  assert.equal(replaced("fe80::b696:91ff:feaa:bbcc%eth0"), "fe80::1%eth0");
  assert.equal(
    replaced("00:00:10:49:fe:80:00:00:00:00:00:00:b8:59:9f:03:00:aa:bb:cc"),
    "00:00:10:49:fe:80:00:00:00:00:00:00:b8:59:9f:ff:ff:00:00:01",
  );
});

test("what is no identifier stays", () => {
  for (const text of [
    "0000:3b:00.0",
    "10000:e1:00.0",
    "pci 0000:3b:00.0: BAR 0 [mem 0xd0000000-0xd1ffffff 64bit pref]",
    "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff 01:80:c2:00:00:00 33:33:00:00:00:01",
    "127.0.0.1 0.0.0.0 255.255.255.0 ::1 ::",
    "i40e 0000:3b:00.0: fw 9.20.71847.0 api 1.15",
    "firmware-version: 218.0.219.13",
    "ixgbe version 5.1.0.4",
    "12:34:56 up 3 days",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "0x0000010000000000 0x00000100001fffff 0x000000000014220c",
    "C++ std::string",
  ]) {
    assert.equal(replaced(text), text);
  }
});

test("programs' versions stay, serial numbers of boards do not", () => {
  const { answers } = replaceInEvidence(
    evidenceOf(
      {},
      {
        "run devlink -j dev info pci/0000:3b:00.0": [
          '> {"serial_number":"MT1234X1","versions":{"running":{"fw":"22.31.1.4"}}}',
        ],
      },
    ),
  );
  assert.deepEqual([...answers.values()][0], [
    '> {"serial_number":"serial-1","versions":{"running":{"fw":"22.31.1.4"}}}',
  ]);
});

test("the host's name goes everywhere, a common word does not", () => {
  const at = (name: string, text: string): string =>
    printEvidence(replaceInEvidence(evidenceOf({ [hostNameFile]: `${name}\n`, "/x": text })));
  const text = "root=/dev/mapper/Vergil--vg-root on vergil.example.org, revergild\n";
  assert.match(at("vergil.example.org", text), /mapper\/host--vg-root on host, revergild/);
  assert.match(at("debian", "ID=debian\n"), /ID=debian/);
});

test("a serial number in config space is replaced with that of the text", () => {
  const bytes = new Uint8Array(4096);
  bytes.set([0x03, 0x00, 0x01, 0x00], 0x100);
  bytes.set([0xcc, 0xbb, 0xaa, 0xff, 0xff, 0x91, 0x96, 0xb4], 0x104);
  const given: Evidence = {
    ...evidenceOf({ "/x": "b4-96-91-ff-ff-aa-bb-cc" }),
  };
  const files = new Map([...given.files, ["/config", { kind: "bytes", bytes }] as const]);
  const answer = replaceInEvidence({ ...given, files }).files.get("/config");
  assert.ok(answer?.kind === "bytes");
  assert.deepEqual(
    Array.from(answer.bytes.slice(0x104, 0x10c)),
    [0x01, 0x00, 0x00, 0xff, 0xff, 0x91, 0x96, 0xb4],
  );
});

const hexPair = fc.integer({ min: 0, max: 255 }).map((byte) => byte.toString(16).padStart(2, "0"));
const mac = fc
  .tuple(fc.constantFrom("b4:96:91", "3c:fd:fe"), hexPair, hexPair, hexPair)
  .map((parts) => parts.join(":"));

test("equal stay equal, different stay different, and the order of reading does not matter", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(99), mac), { minLength: 2 }), (rows) => {
      const texts = Object.fromEntries(rows.map(([name, value]) => [`/${name}`, value]));
      const given = evidenceOf(texts);
      const result = replaceInEvidence(given);
      const turned = { ...given, files: new Map([...given.files].toReversed()) };
      assert.equal(printEvidence(replaceInEvidence(turned)), printEvidence(result));
      const standIns = new Set([...result.files.values()].map((file) => JSON.stringify(file)));
      assert.equal(standIns.size, new Set(Object.values(texts)).size);
    }),
    { numRuns: 100 },
  );
});

test("passwords go in any case", () => {
  const text = "ssid=x\npsk=geheim\nwifi-security.wep-key0: abc\n  PrivateKey = abc=\n#psk=\n";
  assert.equal(
    withoutSecrets(text),
    "ssid=x\npsk=***\nwifi-security.wep-key0: ***\n  PrivateKey = ***\n#psk=\n",
  );
});

test("the kernel's lines about SR-IOV are kept, those about users are not", () => {
  const kept = [
    "Linux version 6.12",
    "DMAR: IOMMU enabled",
    "pci 0000:03:00.0: VF BAR 0 [mem 0x00000000-0x00007fff 64bit pref]",
    "igb 0000:01:00.0: not enough MMIO resources for SR-IOV",
    "vfio-pci 0000:01:10.0: Relaying device request to user (#0)",
  ];
  const dropped = [
    "audit: type=1400 audit(1.2:3): apparmor vfio",
    "EXT4-fs (sda1): mounted filesystem",
    "VFS: Disk quotas dquot_6.6.0",
    "usb 1-1: SerialNumber: 000012345678",
  ];
  assert.deepEqual(linesThatMatter([...kept, ...dropped]), kept);
});
