// Output of ip(8) of several versions, and what is not its output.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { noPolicy } from "../../model/vf-attribute.ts";
import { corpusAbsent, corpusDirectory } from "../../../test/corpus.ts";
import { vfArguments } from "./ip-links.ts";
import { parseIpLinks } from "./ip-output.ts";
import { parseIpAddresses, parseIpRoutes } from "./ip-traffic.ts";

const corpus = corpusDirectory();
const skip = corpus === null ? corpusAbsent : false;

test("parseIpLinks() reads an igb with four VFs", { skip }, () => {
  const file = join(corpus ?? "", "emulated", "ip-j-d-link.json");
  const { links, problems } = parseIpLinks(readFileSync(file, "utf8"));
  assert.deepEqual(problems, []);
  const pf = links.find(({ name }) => name === "eth0");
  assert.ok(pf?.virtualFunctions);
  assert.deepEqual([pf.parentName, pf.parentBus, pf.mtu], ["0000:01:00.0", "pci", 1500]);
  const none = { id: 0, qos: 0, protocol: "802.1q" };
  const base = {
    ...noPolicy,
    mac: "00:00:00:00:00:00",
    vlan: none,
    txRateMinMbps: 0,
    txRateMaxMbps: 0,
    spoofCheck: true,
    trust: false,
    linkState: "auto",
  };
  assert.deepEqual(
    pf.virtualFunctions.map(({ policy }) => policy),
    [
      { ...base, mac: "02:11:22:33:44:55" },
      { ...base, vlan: { id: 100, qos: 3, protocol: "802.1q" }, spoofCheck: false },
      { ...base, txRateMaxMbps: 100, trust: true },
      base,
    ],
  );
});

test("parseIpLinks() reads the keys of older and newer versions", () => {
  const vfs = [
    { vf: 0, mac: "02:00:00:00:00:01", vlan: 5, qos: 1, spoofchk: "on", link_state: "disable" },
    { vf: 1, address: "02:00:00:00:00:02", vlan_list: [{ vlan: 7, protocol: "802.1ad" }] },
    { vf: 2, vlan_list: [{}] },
    { address: "02:00:00:00:00:03" },
  ];
  const row = { ifindex: 3, ifname: "p0", flags: ["UP"], master: "br0", vfinfo_list: vfs };
  const bridge = { ifindex: 9, ifname: "br0", flags: [] };
  const { links } = parseIpLinks(JSON.stringify([row, bridge]));
  assert.equal(links[0]?.master, 9);
  assert.deepEqual(
    links[0]?.virtualFunctions?.map(({ vfIndex, policy }) => ({ vfIndex, policy })),
    [
      {
        vfIndex: 0,
        policy: {
          ...noPolicy,
          mac: "02:00:00:00:00:01",
          vlan: { id: 5, qos: 1, protocol: "802.1q" },
          spoofCheck: true,
          linkState: "disable",
        },
      },
      {
        vfIndex: 1,
        policy: {
          ...noPolicy,
          mac: "02:00:00:00:00:02",
          vlan: { id: 7, qos: 0, protocol: "802.1ad" },
        },
      },
      { vfIndex: 2, policy: { ...noPolicy, vlan: { id: 0, qos: 0, protocol: "802.1q" } } },
    ],
  );
});

test("vfArguments() writes every attribute as ip(8) takes it", () => {
  const rows: readonly (readonly [Parameters<typeof vfArguments>[0], string])[] = [
    [{ name: "mac", mac: "02:11:22:33:44:55" }, "mac 02:11:22:33:44:55"],
    [{ name: "vlan", vlan: { id: 9, qos: 2, protocol: "802.1q" } }, "vlan 9 qos 2"],
    [{ name: "vlan", vlan: { id: 9, qos: 2, protocol: "802.1ad" } }, "vlan 9 qos 2 proto 802.1ad"],
    [{ name: "rate", txRateMinMbps: 1, txRateMaxMbps: 2 }, "max_tx_rate 2 min_tx_rate 1"],
    [{ name: "spoofCheck", isOn: true }, "spoofchk on"],
    [{ name: "trust", isOn: false }, "trust off"],
    [{ name: "rssQuery", isOn: true }, "query_rss on"],
    [{ name: "linkState", linkState: "disable" }, "state disable"],
    [{ name: "nodeGuid", guid: "00:11" }, "node_guid 00:11"],
    [{ name: "portGuid", guid: "00:11" }, "port_guid 00:11"],
  ];
  for (const [attribute, text] of rows) assert.equal(vfArguments(attribute).join(" "), text);
});

test("text that ip(8) never prints is a problem or nothing, not an exception", () => {
  assert.deepEqual(
    parseIpLinks("Segmentation fault").problems.map(({ code }) => code),
    ["ip-output"],
  );
  fc.assert(
    fc.property(fc.json(), (text) => {
      parseIpLinks(text);
      parseIpAddresses(text);
      parseIpRoutes(text, "inet", new Map());
    }),
  );
  const rows = fc.array(
    fc.dictionary(
      fc.constantFrom("ifindex", "ifname", "flags", "vfinfo_list", "linkinfo", "dst", "addr_info"),
      fc.jsonValue(),
    ),
  );
  fc.assert(
    fc.property(rows, (value) => {
      const text = JSON.stringify(value);
      parseIpLinks(text);
      parseIpAddresses(text);
      parseIpRoutes(text, "inet6", new Map());
    }),
  );
});
