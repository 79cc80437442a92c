// Whole traces of what users run into, and of every stage: golden/trace holds what they see. Where a
// story is somebody's, it says whose. UPDATE_GOLDEN=1 rewrites the files.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
import { decide } from "../eswitch/decide.ts";
import type { Frame, Port } from "../eswitch/frame.ts";
import { outcomeOf } from "../eswitch/outcome.ts";
import { plainStyle } from "./style.ts";
import { traceText } from "./trace-text.ts";

const golden = join(import.meta.dirname, "golden", "trace");

type Story = readonly [name: string, given: Given, sent: Frame, from?: Port];

const vrrp = "00:00:5e:00:01:0a";
const uplink: Port = { kind: "uplink" };
const host: Port = { kind: "pf" };
const netdev = (mac: string) => ({
  name: "ens1f0v0",
  altNames: [],
  ifindex: 9,
  mac,
  permanentMac: null,
  mtu: 1500,
  isUp: true,
  hasLink: true,
  linkSpeedMbps: 25_000,
  portName: null,
});

const stories: readonly Story[] = [
  // A container behind the PF's bridge and a VM with a VF: the Proxmox forum's thread 68638.
  ["bridge-guest-not-in-filter", bridged, frame(guest)],
  ["bridge-guest-answers", bridged, frame(macs.vf0, { source: guest }), host],
  [
    "bridge-guest-in-full-filter",
    {
      ...bridged,
      driver: "igb",
      pf: { deviceId: 0x10c9 },
      nic: {
        ...bridged.nic,
        selfFdb: Array.from({ length: 21 }, (_, at) => `52:54:00:01:00:${(at + 16).toString(16)}`),
      },
    },
    frame(guest),
  ],
  // sriov-mac-sync: a VF's own MAC in the filter makes an ixgbe VF deaf.
  ["vf-mac-in-filter", { driver: "ixgbe", nic: { selfFdb: [macs.vf1] } }, frame(macs.vf1)],
  // pipework issue 258: a bridge inside the guest of a VF.
  ["nested-bridge-unreachable", { driver: "i40e" }, frame(stranger), uplink],
  // grout pull request 653: a promiscuous VF waits for what VFs send each other.
  ["trusted-vf-wants-all", { vfs: [vf(0), vf(1, { trust: true })] }, frame(stranger)],
  // The same from the network, and with all groups: trust lets the guest ask for both.
  ["trusted-vf-and-the-wire", { vfs: [vf(0), vf(1, { trust: true })] }, frame(stranger), uplink],
  [
    "trusted-vf-takes-all-multicast",
    { vfs: [vf(0), vf(1, { trust: true })] },
    frame("01:00:5e:00:00:12"),
  ],
  // rr issue 1179: the VF still has the MAC from before the administrator set one.
  [
    "mac-from-before",
    { vfs: [vf(0, {}, { netdevs: [netdev(stranger)], driver: "iavf" }), vf(1)] },
    frame(macs.vf1, { source: stranger }),
  ],
  // docker-sriov-plugin issue 29, lxd issue 8162: all-zero MACs.
  [
    "vf-without-mac",
    { driver: "mlx5_core", vfs: [vf(0), vf(1, { mac: "00:00:00:00:00:00" })] },
    frame(stranger),
  ],
  // trex-core issue 635: further MACs of an untrusted VF with an administrator's MAC.
  ["second-mac-untrusted", {}, frame(macs.vf1, { source: stranger })],
  [
    "second-mac-trusted",
    { vfs: [vf(0, { trust: true }), vf(1)] },
    frame(macs.vf1, { source: stranger }),
  ],
  // incus issue 2864: VRRP.
  ["vrrp-source", {}, frame("01:00:5e:00:00:12", { source: vrrp })],
  // systemd-networkd-i40e issue 1: IPv6 needs its groups.
  ["neighbour-solicitation", { driver: "i40e" }, frame("33:33:ff:00:00:01", { etherType: 0x86dd })],
  // xcp issue 568: VLANs inside the guest.
  ["tag-under-port-vlan", { vfs: [vf(0, vlan(120)), vf(1)] }, frame(macs.vf1, tagged(7))],
  [
    "tag-under-port-vlan-unknown",
    { driver: "i40e", vfs: [vf(0, vlan(120)), vf(1)] },
    frame(macs.vf1, tagged(7)),
  ],
  // sriov-cni issue 291: a trunk.
  ["trunk-to-trunk", {}, frame(macs.vf1, tagged(7))],
  // xenopsd pull request 482: the VLAN of the former user.
  ["stale-vlan", { vfs: [vf(0), vf(1, vlan(120))] }, frame(macs.vf1)],
  ["vlan-on-the-wire", { vfs: [vf(0, vlan(120))] }, frame(stranger)],
  ["jumbo", {}, frame(macs.vf1, { sizeBytes: 9000 })],
  ["pause-frame", {}, frame("01:80:c2:00:00:01", { etherType: 0x8808 })],
  [
    "pf-down",
    { driver: "ixgbe", pf: { netdevs: [{ ...netdev(macs.pf), name: "ens1f0", isUp: false }] } },
    frame(macs.vf1),
  ],
  ["link-disabled", { vfs: [vf(0, { linkState: "disable" })] }, frame(stranger)],
  ["vepa", { nic: { switchMode: "vepa" } }, frame(macs.vf1)],
  ["switchdev", { pf: { eswitchMode: "switchdev" } }, frame(macs.vf1)],
  ["strange-driver", { driver: "qede" }, frame(macs.vf1)],
  // An old kernel, or a capture without netlink: no policies at all.
  [
    "policy-not-read",
    { vfs: [vf(0, {}, { policy: null }), vf(1, {}, { policy: null })] },
    frame(macs.vf1),
  ],
];

for (const [name, given, sent, from = vfPort(0)] of stories) {
  test(`golden trace: ${name}`, () => {
    const state = stateOf(given);
    const decision = decide(state, sent, from);
    const outcome = outcomeOf(state, { frame: sent, from }, decision);
    const isBridgeGuest = from.kind === "pf" && given === bridged;
    const trace = { state, frame: sent, from, isBridgeGuest, decision, outcome };
    const shown = { style: plainStyle, columns: 100, isVerbose: true };
    const text = `${traceText(trace, shown).join("\n")}\n`;
    const path = join(golden, `${name}.txt`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
    assert.equal(text, readFileSync(path, "utf8"));
  });
}

test("no golden trace is left over, and every stage is in one", () => {
  const files = readdirSync(golden);
  assert.deepEqual(files.toSorted(), stories.map(([name]) => `${name}.txt`).toSorted());
  const names = new Set(
    stories.flatMap(([, given, sent, from = vfPort(0)]) =>
      decide(stateOf(given), sent, from).stages.map(({ name }) => name),
    ),
  );
  const all = "mode link classify size mac-check vlan-check tag lookup delivery".split(" ");
  assert.deepEqual([...names].toSorted(), all.toSorted());
});
