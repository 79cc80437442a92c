// What drivers answer to VF attributes, as read in their sources (Linux 6.12): one row a driver,
// link and attribute. igb is pinned on a real kernel by the conformance suite.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VfAttribute } from "../../model/vf-attribute.ts";
import type { CardName } from "./cards.ts";
import { cardOf } from "./cards.ts";
import { pfDriverOf } from "./drivers.ts";

const vlan = (id: number, protocol: "802.1q" | "802.1ad" = "802.1q", qos = 0): VfAttribute => ({
  name: "vlan",
  vlan: { id, qos, protocol },
});
const rate = (txRateMaxMbps: number, txRateMinMbps = 0): VfAttribute => ({
  name: "rate",
  txRateMinMbps,
  txRateMaxMbps,
});
const trust: VfAttribute = { name: "trust", isOn: true };
const rssQuery: VfAttribute = { name: "rssQuery", isOn: true };
const linkOn: VfAttribute = { name: "linkState", linkState: "enable" };

/** `unseen`: the link register says up, and the driver has not looked at it since. */
type State = "up" | "unseen" | "down" | "switchdev";
type Row = readonly [card: CardName, state: State, attribute: VfAttribute, errno: string | null];

const rows: readonly Row[] = [
  ["intel-i350", "up", rate(100), "EOPNOTSUPP"],
  ["intel-82599", "up", rate(10_000), null],
  ["intel-82576", "up", rate(1000), null],
  ["intel-82576", "down", rate(0), "EINVAL"],
  ["intel-82576", "unseen", rate(0), null],
  ["intel-82576", "unseen", rate(1), "EINVAL"],
  ["intel-82599", "up", rate(10), "EINVAL"],
  ["intel-82599", "up", rate(10_001), "EINVAL"],
  ["intel-82599", "down", rate(0), "EINVAL"],
  ["intel-82599", "up", rssQuery, null],
  ["intel-82599", "up", linkOn, null],
  ["intel-xl710", "up", rate(40_001), "EINVAL"],
  ["intel-xl710", "down", rate(40_001), null],
  ["intel-xl710", "up", rate(100, 10), "EINVAL"],
  ["intel-xl710", "up", vlan(5, "802.1ad"), "EPROTONOSUPPORT"],
  ["intel-xl710", "up", rssQuery, "EOPNOTSUPP"],
  ["intel-e810-2x25", "up", rate(25_000, 5000), null],
  ["intel-e810-2x25", "up", rate(0, 24_001), "EINVAL"],
  ["intel-e810-2x25", "down", rate(100), "EINVAL"],
  ["intel-e810-2x25", "down", rate(0), "EINVAL"],
  ["intel-e810-2x25", "up", vlan(5, "802.1ad"), null],
  ["intel-e810-2x25", "switchdev", trust, "EOPNOTSUPP"],
  ["mellanox-connectx6", "down", rate(1000, 100), null],
  ["mellanox-connectx6", "switchdev", vlan(5), "EOPNOTSUPP"],
  ["mellanox-connectx6", "switchdev", vlan(0, "802.1q", 3), null],
  ["mellanox-connectx6", "switchdev", vlan(0, "802.1ad"), "EPROTONOSUPPORT"],
  ["mellanox-connectx6", "up", vlan(4096), "EINVAL"],
  ["mellanox-connectx6", "switchdev", linkOn, "EOPNOTSUPP"],
  ["qemu-nvme", "up", trust, "EOPNOTSUPP"],
];

test("drivers refuse what they refuse in the kernel", () => {
  for (const [card, state, attribute, errno] of rows) {
    const context = {
      card,
      hasLink: state !== "down" && state !== "unseen",
      isLinkRegisterUp: state !== "down",
      isSwitchdev: state === "switchdev",
      numVfs: 2,
      // One other VF has a guarantee.
      guaranteedElsewhereMbps: 1000,
    };
    const found = pfDriverOf(cardOf(card).driver)?.refuses(attribute, context) ?? null;
    assert.equal(found, errno, `${card} ${state} ${JSON.stringify(attribute)}`);
  }
});
