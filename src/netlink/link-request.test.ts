// Requests about links, compared with what ip(8) sends for the same wish.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { VfAttribute } from "../model/vf-attribute.ts";
import { capture, readCaptures } from "../../test/captures.ts";
import { onlyMessage } from "../../test/only-message.ts";
import {
  altNameAddition,
  altNameRemoval,
  encodeRequest,
  linkByIndex,
  linkDown,
  linkDump,
  linkUp,
  mtuChange,
  vfChange,
  type Request,
} from "./link-request.ts";
import { decodeMessages } from "./message.ts";

const ifindex = 3;
const captures = readCaptures("netlink-requests.txt");
const guid = "00:11:22:33:44:55:66:77";

/** Arguments of `ip link set dev v0` and what we send instead. */
const rows: readonly (readonly [argumentsOfIp: string, vfIndex: number, attribute: VfAttribute])[] =
  [
    ["vf 3 mac 02:11:22:33:44:55", 3, { name: "mac", mac: "02:11:22:33:44:55" }],
    ["vf 0 vlan 100 qos 3", 0, vlan(100, 3, "802.1q")],
    ["vf 6 vlan 0 qos 0", 6, vlan(0, 0, "802.1q")],
    ["vf 6 vlan 4094 qos 7 proto 802.1ad", 6, vlan(4094, 7, "802.1ad")],
    [
      "vf 1 max_tx_rate 1000 min_tx_rate 100",
      1,
      { name: "rate", txRateMinMbps: 100, txRateMaxMbps: 1000 },
    ],
    ["vf 1 spoofchk on", 1, { name: "spoofCheck", isOn: true }],
    ["vf 1 spoofchk off", 1, { name: "spoofCheck", isOn: false }],
    ["vf 2 trust on", 2, { name: "trust", isOn: true }],
    ["vf 255 query_rss on", 255, { name: "rssQuery", isOn: true }],
    ["vf 4 state auto", 4, { name: "linkState", linkState: "auto" }],
    ["vf 4 state enable", 4, { name: "linkState", linkState: "enable" }],
    ["vf 4 state disable", 4, { name: "linkState", linkState: "disable" }],
    [`vf 5 node_guid ${guid}`, 5, { name: "nodeGuid", guid }],
    [
      "vf 5 port_guid fe:dc:ba:98:76:54:32:10",
      5,
      { name: "portGuid", guid: "fe:dc:ba:98:76:54:32:10" },
    ],
  ];

function vlan(id: number, qos: number, protocol: "802.1q" | "802.1ad"): VfAttribute {
  return { name: "vlan", vlan: { id, qos, protocol } };
}

/** ip(8) sends RTM_NEWLINK, which changes a link that is there just as RTM_SETLINK does. */
function assertAsIp(name: string, request: Request): void {
  const sent = onlyMessage(capture(captures, name));
  assert.equal(sent.type, 16);
  assert.equal(request.type, 19);
  assert.equal(request.flags, sent.flags);
  assert.equal(
    Buffer.from(request.payload).toString("hex"),
    Buffer.from(sent.payload).toString("hex"),
    name,
  );
}

test("vfChange() asks for what ip(8) asks for, byte for byte", () => {
  for (const [name, vfIndex, attribute] of rows) {
    const request = vfChange(ifindex, vfIndex, attribute);
    assert.ok(request);
    assertAsIp(name, request);
  }
});

test("MTU, up and down are what ip(8) sends, byte for byte", () => {
  assertAsIp("mtu 1400", mtuChange(ifindex, 1400));
  assertAsIp("up", linkUp(ifindex));
  assertAsIp("down", linkDown(ifindex));
});

test("alternative names are asked for as ip(8) does, byte for byte", () => {
  for (const [name, request] of [
    ["property add dev lo altname p0-vf3", altNameAddition(1, "p0-vf3")],
    ["property del dev lo altname p0-vf3", altNameRemoval(1, "p0-vf3")],
  ] as const) {
    const sent = onlyMessage(capture(captures, name));
    const { sequence, portId } = sent;
    assert.deepEqual({ ...request, sequence, portId }, sent, name);
  }
});

test("every capture of ip(8) has its row", () => {
  const properties = [...captures.keys()].filter((name) => name.startsWith("property"));
  const known = [...rows.map(([name]) => name), "mtu 1400", "up", "down", ...properties];
  assert.deepEqual([...captures.keys()].toSorted(), known.toSorted());
});

test("vfChange() makes no request of a text that is no address", () => {
  for (const mac of ["", "02:11", "02:11:22:33:44:5g", "02-11-22-33-44-55", "auto"]) {
    assert.equal(vfChange(ifindex, 0, { name: "mac", mac }), null, mac);
  }
  assert.equal(vfChange(ifindex, 0, { name: "nodeGuid", guid: "02:11:22:33:44:55" }), null);
});

test("links are asked for with their VFs and without statistics", () => {
  for (const request of [linkDump(), linkByIndex(ifindex)]) {
    const hex = Buffer.from(request.payload).toString("hex");
    assert.match(hex, /08001d0009000000/);
  }
});

test("encodeRequest() makes one whole message with the number that it is given", () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(0x7fffffff), (sequence, index) => {
      const { messages, problems } = decodeMessages(encodeRequest(linkUp(index), sequence));
      assert.deepEqual(problems, []);
      assert.deepEqual(messages, [{ ...linkUp(index), sequence, portId: 0 }]);
    }),
  );
});
