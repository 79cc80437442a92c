// Links of this machine: our netlink against ip(8), in a network namespace where we may make one.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { SriovError } from "../../model/errors.ts";
import { interfaceFlag } from "../../netlink/kernel-numbers.ts";
import type { Link } from "../../netlink/link-attributes.ts";
import type { InterfaceAddress, Route } from "../../netlink/route.ts";
import { openIpLinks } from "./ip-links.ts";
import { openNetlinkLinks } from "./netlink-links.ts";

const hasIp = process.platform === "linux" && spawnSync("ip", ["-V"]).status === 0;
const skip = hasIp ? false : "no ip(8) on this machine";

/** What both can know of a link, without what changes between two reads. */
function comparable(link: Link): Partial<Link> {
  const { bytes: _bytes, hardwareType, flags, hasCarrier, numVf: _numVf, ...rest } = link;
  return {
    ...rest,
    flags: flags & (interfaceFlag.IFF_UP | interfaceFlag.IFF_LOWER_UP),
    hardwareType: [1, 32, 772].includes(hardwareType) ? hardwareType : 0,
    hasCarrier: link.isUp ? hasCarrier : null,
  };
}

function opened(): NonNullable<ReturnType<typeof openNetlinkLinks>> {
  const links = openNetlinkLinks();
  assert.ok(links, "node:ffi works on this machine");
  return links;
}

test("netlink and ip(8) tell the same about the links of this machine", { skip }, () => {
  const links = opened();
  try {
    const ours = links.readLinks();
    const theirs = openIpLinks().readLinks();
    assert.deepEqual(ours.problems, []);
    assert.deepEqual(
      theirs.problems.map(({ code }) => code),
      ["netlink-fallback"],
    );
    assert.ok(ours.links.length > 0);
    assert.deepEqual(ours.links.map(comparable), theirs.links.map(comparable));
    for (const link of ours.links) {
      const { link: single, problems } = links.readLink(link.ifindex);
      assert.deepEqual(problems, []);
      assert.ok(single);
      assert.deepEqual(comparable(single), comparable(link));
    }
    assert.equal(links.readLink(0x7ffffff0).link, null);
  } finally {
    links.close();
  }
});

const order = (left: object, right: object): number =>
  JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;

test("netlink and ip(8) tell the same about addresses and routes", { skip }, () => {
  const links = opened();
  try {
    const ours = links.readTraffic();
    const theirs = openIpLinks().readTraffic();
    assert.deepEqual(ours.problems, []);
    const sorted = <Row extends InterfaceAddress | Route>(rows: readonly Row[]): Row[] =>
      rows.toSorted(order);
    assert.deepEqual(sorted(ours.addresses), sorted(theirs.addresses));
    assert.deepEqual(sorted(ours.routes), sorted(theirs.routes));
  } finally {
    links.close();
  }
});

test(
  "what the kernel refuses is a SriovError with its errno, by netlink and by ip(8)",
  { skip },
  () => {
    const links = opened();
    try {
      const lo = { ifindex: 1, name: "lo" };
      for (const each of [links, openIpLinks()]) {
        assert.throws(
          () => each.setVf(lo, 0, { name: "trust", isOn: true }),
          (error) =>
            error instanceof SriovError &&
            // Without CAP_NET_ADMIN it is refused earlier.
            ["EOPNOTSUPP", "EPERM"].includes(error.errno ?? "") &&
            error.target === "VF 0 of lo",
        );
      }
      assert.throws(
        () => links.setVf(lo, 0, { name: "mac", mac: "nonsense" }),
        (error) => error instanceof SriovError && error.code === "usage",
      );
    } finally {
      links.close();
    }
  },
);
