// What users run into, from an inventory to the sentence and the remedy: each row is one frame on
// one host, with what trace must say of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bridged,
  frame,
  guest,
  macs,
  stateOf,
  stranger,
  tagged,
  vf,
  vfPort,
  vlan,
  type Given,
} from "../../test/switch-story.ts";
import { allPairs } from "./all-pairs.ts";
import { decide } from "./decide.ts";
import type { Frame, Port } from "./frame.ts";
import { outcomeOf } from "./outcome.ts";

function outcome(given: Given, sent: Frame, from: Port = vfPort(0)) {
  const state = stateOf(given);
  return outcomeOf(state, { frame: sent, from }, decide(state, sent, from));
}

const add = `bridge fdb add ${guest} dev ens1f0 self permanent`;

type Row = readonly [
  story: string,
  given: Given,
  sent: readonly [Frame, Port?],
  summary: string,
  ...run: string[],
];

const rows: readonly Row[] = [
  ["two VFs of one network", {}, [frame(macs.vf1)], "delivered to VF 1 of VM db1, untagged"],
  [
    "a VF to the bridge's guest, whom the card does not know",
    bridged,
    [frame(guest)],
    `lost: ${guest} is behind br0 (vnet3), but not in the filter of ens1f0: the card sends it to the wire`,
    add,
  ],
  [
    "the same with the guest in the filter",
    { nic: { ...bridged.nic, selfFdb: [guest] } },
    [frame(guest)],
    "delivered to the PF and br0, to its guest behind vnet3, untagged",
  ],
  [
    "the bridge's guest to the VF: this way works",
    bridged,
    [frame(macs.vf0, { source: guest }), { kind: "pf" }],
    "delivered to VF 0 of VM web1, untagged",
  ],
  [
    "the network to the bridge's guest: the promiscuous PF takes it",
    bridged,
    [frame(guest, { source: stranger }), { kind: "uplink" }],
    "delivered to the PF and br0, to its guest behind vnet3, untagged",
  ],
  [
    "a guest of the bridge that is not in its table",
    bridged,
    [frame(stranger)],
    "to the wire, untagged",
    `bridge fdb add ${stranger} dev ens1f0 self permanent`,
  ],
  [
    "a router in a VF",
    {},
    [frame(macs.vf1, { source: stranger })],
    "dropped by the spoof check: the source MAC is not the VF's",
    `ip link set dev ens1f0 vf 0 mac ${stranger}`,
    "ip link set dev ens1f0 vf 0 spoofchk off",
  ],
  [
    "a trusted VF may have registered the MAC",
    { vfs: [vf(0, { trust: true }), vf(1)] },
    [frame(macs.vf1, { source: stranger })],
    "perhaps delivered to VF 1 of VM db1, untagged",
  ],
  [
    "mlx5 compares with one MAC, trusted or not",
    { driver: "mlx5_core", vfs: [vf(0, { trust: true }), vf(1)] },
    [frame(macs.vf1, { source: stranger })],
    "dropped by the spoof check: the source MAC is not the VF's",
    `ip link set dev ens1f0 vf 0 mac ${stranger}`,
    "ip link set dev ens1f0 vf 0 spoofchk off",
  ],
  [
    "a trusted VF may be promiscuous on the wire",
    { driver: "mlx5_core", vfs: [vf(0), vf(1, { trust: true })] },
    [frame(stranger), { kind: "uplink" }],
    "perhaps delivered to VF 1 of VM db1, untagged",
  ],
  [
    "and not for what other VFs send, where the driver says so",
    { driver: "mlx5_core", vfs: [vf(0), vf(1, { trust: true })] },
    [frame(stranger)],
    "to the wire, untagged",
  ],
  [
    "igb lets no VF be promiscuous",
    { driver: "igb", vfs: [vf(0), vf(1, { trust: true })] },
    [frame(stranger), { kind: "uplink" }],
    "lost: nobody takes it: no port has this address",
  ],
  [
    "from the wire to a VF whose MAC is not known",
    { driver: "mlx5_core", vfs: [vf(0), vf(1, { mac: "00:00:00:00:00:00" })] },
    [frame(stranger), { kind: "uplink" }],
    "cannot tell, because its MAC is not known; perhaps to VF 1 of VM db1, untagged",
  ],
  [
    "the VF's VLAN is put on, and off again",
    { vfs: [vf(0, vlan(120)), vf(1, vlan(120))] },
    [frame(macs.vf1)],
    "delivered to VF 1 of VM db1, untagged",
  ],
  [
    "the VF's VLAN on the wire",
    { vfs: [vf(0, { vlan: { id: 120, qos: 3, protocol: "802.1q" } })] },
    [frame(stranger)],
    "to the wire, tagged 120 priority 3",
  ],
  [
    "a tag of the guest below a port VLAN",
    { vfs: [vf(0, vlan(120)), vf(1)] },
    [frame(macs.vf1, tagged(7))],
    "dropped: a VF with a port VLAN may not tag by itself",
    "ip link set dev ens1f0 vf 0 vlan 0",
  ],
  [
    "a trunk to a VF of one VLAN",
    { driver: "i40e", vfs: [vf(0, { spoofCheck: false }), vf(1, vlan(120))] },
    [frame(macs.vf1, tagged(120))],
    "delivered to VF 1 of VM db1, untagged",
  ],
  [
    "two VLANs do not meet",
    { vfs: [vf(0, vlan(120)), vf(1, vlan(200))] },
    [frame(macs.vf1)],
    "lost: VF 1 does not take it: it is in VLAN 200, the frame in VLAN 120",
    "ip link set dev ens1f0 vf 0 vlan 200",
  ],
  [
    "VEPA leaves it to the network",
    { nic: { switchMode: "vepa" } },
    [frame(macs.vf1)],
    "to the wire, untagged",
    "bridge link set dev ens1f0 hwmode veb",
  ],
  [
    "pause frames of a VF",
    {},
    [frame("01:80:c2:00:00:01", { etherType: 0x8808 })],
    "dropped: VFs may not send this EtherType",
  ],
  [
    "link state disable",
    { vfs: [vf(0, { linkState: "disable" })] },
    [frame(stranger)],
    "nothing is sent: the sender has no link",
  ],
  [
    "ixgbe takes a VF's MAC away when the PF's filter has it too",
    { driver: "ixgbe", nic: { selfFdb: [macs.vf1] } },
    [frame(macs.vf1)],
    "delivered to the host (ens1f0), untagged",
    `bridge fdb del ${macs.vf1} dev ens1f0 self`,
  ],
  [
    "switchdev is not this table's business",
    { pf: { eswitchMode: "switchdev" } },
    [frame(macs.vf1)],
    "cannot tell, because switchdev: the host's rules on the representors decide (tc, Open vSwitch), not this table",
    "devlink port show",
    "tc -s filter show dev REPRESENTOR ingress",
    "ovs-appctl dpctl/dump-flows type=offloaded",
  ],
  [
    "a driver that nobody knows",
    { driver: "qede" },
    [frame(macs.vf1)],
    "cannot tell, because what qede does by default is not known",
  ],
  [
    "group addresses reach everybody but the sender",
    {},
    [frame("ff:ff:ff:ff:ff:ff")],
    "to 3 ports",
  ],
  [
    "a multicast needs members",
    {},
    [frame("33:33:00:00:00:01")],
    "to 1 port, and perhaps to 2 ports",
  ],
];

for (const [story, given, [sent, from], summary, ...run] of rows) {
  test(story, () => {
    const found = outcome(given, sent, from);
    assert.equal(found.summary, summary);
    assert.deepEqual(
      found.remedies.flatMap((remedy) => remedy.run),
      run,
    );
  });
}

test("every stage says what was looked at and what came of it", () => {
  for (const [, given, [sent, from = vfPort(0)]] of rows) {
    const { stages } = decide(stateOf(given), sent, from);
    assert.ok(stages.length > 0);
    for (const { looked, found } of stages) assert.ok(looked !== "" && found !== "");
  }
});

test("what must be seen has the tag that is left", () => {
  const [line] = outcome({ vfs: [vf(0, vlan(120)), vf(1, vlan(120))] }, frame(macs.vf1)).lines;
  assert.equal(
    line?.mustSee,
    `in VM db1: untagged from ${macs.vf0} to ${macs.vf1}, EtherType 0x0800, 64 bytes`,
  );
});

test("all pairs: who is apart by VLAN is no leak, a VF that tags by itself may be", () => {
  const apart = allPairs(stateOf({ vfs: [vf(0, vlan(120)), vf(1, vlan(200))] }));
  assert.deepEqual(apart.leaks, []);
  const trunk = allPairs(stateOf({ vfs: [vf(0), vf(1, vlan(200))] }));
  assert.deepEqual(
    trunk.leaks.map(({ from, to, certainty, tag, because }) => {
      return [from.name, to.name, certainty, tag, because];
    }),
    [
      ["vf0", "vf1", "if", 200, "owners"],
      ["vf1", "vf0", "if", null, "owners"],
    ],
  );
  const free = allPairs(stateOf({ vfs: [vf(0), vf(1, {}, { owners: [] })] }));
  assert.deepEqual(free.leaks, []);
});

test("all pairs: the bridge's guest reaches a VF that does not reach it", () => {
  const { endpoints, reach } = allPairs(stateOf(bridged));
  const at = (name: string) => endpoints.findIndex((endpoint) => endpoint.name === name);
  const certainty = (from: string, to: string) => reach[at(from)]?.[at(to)]?.certainty;
  assert.equal(certainty("br0/vnet3", "vf0"), "yes");
  assert.equal(certainty("vf0", "br0/vnet3"), "no");
  assert.equal(certainty("host", "br0/vnet3"), undefined);
});
