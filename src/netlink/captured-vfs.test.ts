// VFs, devlink and a VF's uevent as a kernel with netdevsim and igb sent them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VfPolicy } from "../model/vf-attribute.ts";
import { capture, readCaptures } from "../../test/captures.ts";
import { freshNetdevsimPolicy as fresh } from "../../test/inventory-of.ts";
import { onlyMessage } from "../../test/only-message.ts";
import { encodeAttributes, readAttributes } from "./attribute.ts";
import { decodeDevlink, decodeFamilyId } from "./devlink.ts";
import { attributesOf, decodeLink } from "./link.ts";
import type { Link } from "./link-attributes.ts";
import { decodeAcknowledgement, type Message } from "./message.ts";
import { decodeUevent } from "./uevent.ts";

const captures = readCaptures("netlink-vfs.txt");

const messageOf = (name: string): Message => onlyMessage(capture(captures, name));

function linkOf(name: string): Link {
  const { link, problems } = decodeLink(messageOf(name));
  assert.deepEqual(problems, []);
  assert.ok(link);
  return link;
}

const simulated: VfPolicy[] = [
  { ...fresh, mac: "02:11:22:33:44:55" },
  {
    ...fresh,
    vlan: { id: 100, qos: 3, protocol: "802.1ad" },
    txRateMinMbps: 100,
    txRateMaxMbps: 2000,
  },
  { ...fresh, trust: true, spoofCheck: true, rssQuery: true, linkState: "disable" },
];

test("decodeLink() reads the VFs of netdevsim, with and without statistics", () => {
  for (const name of ["netdevsim", "netdevsim-statistics"]) {
    const { mac, numVf, parentBus, parentName, portName, virtualFunctions } = linkOf(name);
    assert.deepEqual(
      [mac, numVf, parentBus, parentName, portName],
      ["02:00:00:00:00:30", 3, "netdevsim", "netdevsim10", "p1"],
    );
    assert.deepEqual(
      virtualFunctions?.map(({ policy }) => policy),
      simulated,
    );
    for (const { statistics, unknown } of virtualFunctions ?? []) {
      assert.equal(statistics?.rxBytes ?? null, name === "netdevsim" ? null : 0n);
      assert.deepEqual(unknown, []);
    }
  }
});

test("decodeLink() reads the VFs of igb, which reports no RSS query", () => {
  const { numVf, parentBus, parentName, permanentMac, virtualFunctions } = linkOf("igb");
  assert.deepEqual(
    [numVf, parentBus, parentName, permanentMac],
    [2, "pci", "0000:01:00.0", "52:54:00:aa:00:00"],
  );
  const reported = { ...fresh, rssQuery: null };
  assert.deepEqual(
    virtualFunctions?.map(({ vfIndex, policy }) => [vfIndex, policy]),
    [
      [
        0,
        {
          ...reported,
          mac: "02:11:22:33:44:66",
          vlan: { id: 7, qos: 1, protocol: "802.1q" },
          spoofCheck: true,
        },
      ],
      [1, { ...reported, trust: true }],
    ],
  );
});

test("links with VFs encode to the same bytes, VF by VF", () => {
  for (const name of ["netdevsim", "netdevsim-statistics", "igb"]) {
    const link = linkOf(name);
    assert.deepEqual(encodeAttributes(attributesOf(link)), link.bytes.slice(16), name);
    const list = attributesOf(link).find(({ rawType }) => rawType === 22);
    assert.ok(list);
    const { attributes: vfs, rest } = readAttributes(list.payload);
    assert.equal(rest.length, 0);
    assert.equal(vfs.length, link.numVf);
    for (const { payload } of vfs) {
      assert.deepEqual(encodeAttributes(readAttributes(payload).attributes), payload.slice());
    }
  }
});

test("devlink's number, its modes and a function that it does not know", () => {
  const family = decodeFamilyId(messageOf("devlink-family"));
  assert.equal(family, 23);
  const handle = { bus: "netdevsim", name: "netdevsim10" };
  for (const eswitchMode of ["legacy", "switchdev"] as const) {
    const report = decodeDevlink(messageOf(`eswitch-${eswitchMode}`), 23);
    assert.deepEqual(report, { handle, eswitchMode });
  }
  assert.equal(decodeAcknowledgement(messageOf("eswitch-absent"))?.errno, 19);
  assert.equal(decodeAcknowledgement(messageOf("igb-refused"))?.errno, 22);
});

test("decodeUevent() reads that a VF has come", () => {
  const uevent = decodeUevent(capture(captures, "uevent-vf"));
  assert.equal(uevent?.action, "add");
  assert.equal(uevent.subsystem, "pci");
  assert.equal(uevent.properties.get("PCI_SLOT_NAME"), "0000:01:10.0");
  assert.ok(uevent.devicePath.endsWith("/0000:01:10.0"));
});
