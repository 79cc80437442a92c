// Links and their VFs, decoded from what the kernel and an independent encoder wrote.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noPolicy } from "../model/vf-attribute.ts";
import { corpusAbsent, corpusDirectory } from "../../test/corpus.ts";
import { capture, readCaptures } from "../../test/captures.ts";
import { kernelAttribute, kernelLink, kernelVfInfo, words } from "../../test/kernel-bytes.ts";
import { onlyLink } from "../../test/only-message.ts";
import { encodeAttributes, readAttributes } from "./attribute.ts";
import { attributesOf, decodeLink, netdevOf } from "./link.ts";
import { decodeMessages, encodeMessage } from "./message.ts";

const replies = readCaptures("netlink-replies.txt");

test("decodeLink() reads what a kernel says about a veth pair and a bridge", () => {
  const readings = decodeMessages(capture(replies, "links")).messages.map(decodeLink);
  assert.deepEqual(
    readings.flatMap(({ problems }) => problems),
    [],
  );
  const links = readings.flatMap(({ link }) => link ?? []);
  const rows = links.map(({ ifindex, name, mac, mtu, master, kind, lower, operState }) =>
    [ifindex, name, mac, mtu, master, kind, lower, operState].join(" "),
  );
  assert.deepEqual(rows, [
    "1 lo 00:00:00:00:00:00 65536    down",
    "2 v1 02:00:00:00:00:11 1500  veth 3 up",
    "3 v0 02:00:00:00:00:10 1400 4 veth 2 up",
    "4 br0 02:00:00:00:00:20 1400  bridge  up",
  ]);
  for (const { isUp, hasCarrier, virtualFunctions, name } of links) {
    assert.equal(isUp, name !== "lo");
    assert.equal(hasCarrier, true, name);
    assert.equal(virtualFunctions, null);
  }
});

test("decodeLink() reads the alternative names of a link", () => {
  const { link } = onlyLink(capture(replies, "link with alternative names"));
  assert.deepEqual([link?.name, link?.altNames], ["lo", ["p0-vf3", "uplink"]]);
});

test("netdevOf() knows no carrier of a link that is down", () => {
  const [lo] = decodeMessages(capture(replies, "links")).messages.map(decodeLink);
  assert.ok(lo?.link);
  assert.deepEqual(netdevOf(lo.link, null), {
    name: "lo",
    ifindex: 1,
    mac: "00:00:00:00:00:00",
    permanentMac: null,
    mtu: 65536,
    isUp: false,
    hasLink: null,
    linkSpeedMbps: null,
    portName: null,
    altNames: [],
  });
});

test("every captured message and its attributes encode to the same bytes", () => {
  for (const [name, bytes] of replies) {
    if (name === "uevent") continue;
    const { messages } = decodeMessages(bytes);
    assert.ok(messages.length > 0, name);
    assert.deepEqual(Buffer.concat(messages.map(encodeMessage)), Buffer.from(bytes), name);
  }
  for (const message of decodeMessages(capture(replies, "links")).messages) {
    const { link } = decodeLink(message);
    if (link === null) continue; // the end of the dump
    const attributes = attributesOf(link);
    assert.ok(attributes.length > 30);
    assert.deepEqual(encodeAttributes(attributes), link.bytes.slice(16));
  }
});

test("attributes of a VF that nobody knows, or that are too short, are kept as bytes", () => {
  const entry = kernelAttribute(
    1,
    kernelAttribute(1, words(4), Buffer.alloc(32)),
    kernelAttribute(77, Buffer.from("c0ffee", "hex")),
    kernelAttribute(4, words(4)),
  );
  const { link } = onlyLink(kernelLink({ ifindex: 3, name: "p0", numVf: 1, vfs: [entry] }));
  const [vf] = link?.virtualFunctions ?? [];
  assert.deepEqual(vf?.policy, { ...noPolicy, mac: "00:00:00:00:00:00" });
  assert.deepEqual(
    vf?.unknown.map(({ rawType, payload }) => [rawType, Buffer.from(payload).toString("hex")]),
    [
      [77, "c0ffee"],
      [4, "04000000"],
    ],
  );
});

test("no port VLAN is one value, whatever protocol the driver leaves there", () => {
  const vf = kernelVfInfo({ vfIndex: 1, policy: noPolicy, statisticsFrom: null });
  for (const ether of [0, 0x8100, 0x88a8]) {
    vf.writeUInt16BE(ether, vf.length - 4);
    const { link, problems } = onlyLink(
      kernelLink({ ifindex: 3, name: "p0", numVf: 1, vfs: [vf] }),
    );
    assert.deepEqual(problems, []);
    const [decoded] = link?.virtualFunctions ?? [];
    assert.deepEqual(decoded?.policy.vlan, { id: 0, qos: 0, protocol: "802.1q" });
    assert.equal(decoded?.vlanEtherType, ether);
  }
});

test("a VLAN protocol without a name is a problem, not a VLAN", () => {
  const vf = kernelVfInfo({ vfIndex: 1, policy: noPolicy, statisticsFrom: null });
  vf.writeUInt16BE(0x9100, vf.length - 4);
  const { link, problems } = onlyLink(kernelLink({ ifindex: 3, name: "p0", numVf: 1, vfs: [vf] }));
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["vlan-protocol-unknown"],
  );
  const [decoded] = link?.virtualFunctions ?? [];
  assert.equal(decoded?.policy.vlan, null);
  assert.equal(decoded?.vlanEtherType, 0x9100);
});

const corpus = corpusDirectory();

test(
  "decodeLink() reads a VF list of a foreign capture",
  { skip: corpus === null ? corpusAbsent : false },
  () => {
    const text = readFileSync(join(corpus ?? "", "ip-link", "netlink-vfinfo-list.hex"), "utf8");
    const list = Buffer.from(text.replaceAll(/\s/g, ""), "hex");
    const name = kernelAttribute(3, Buffer.from("p0\0"));
    const payload = Buffer.concat([Buffer.from([0, 0, 1, 0]), words(3, 0, 0), name, list]);
    const { link, problems } = decodeLink({ type: 16, flags: 0, sequence: 0, portId: 0, payload });
    assert.deepEqual(problems, []);
    const expected = {
      ...noPolicy,
      vlan: { id: 0, qos: 0, protocol: "802.1q" },
      txRateMinMbps: 0,
      txRateMaxMbps: 0,
      spoofCheck: true,
      trust: false,
      linkState: "auto",
      rssQuery: false,
    };
    assert.deepEqual(
      link?.virtualFunctions?.map(({ vfIndex, policy }) => ({ vfIndex, policy })),
      [
        { vfIndex: 0, policy: { ...expected, mac: "4e:60:71:72:bd:1d" } },
        { vfIndex: 1, policy: { ...expected, mac: "de:48:e1:e0:bb:ec" } },
      ],
    );
    assert.deepEqual(Buffer.from(encodeAttributes(readAttributes(list).attributes)), list);
  },
);
