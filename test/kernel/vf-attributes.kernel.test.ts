// What igb and netdevsim answer to VF attributes set by iproute2, an independent witness of the
// netlink messages, and what becomes of lists of many VFs. Rows of a PF that is down come first, as
// igb refuses rates without a link.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { loadNetdevsim } from "./netdevsim.ts";
import { type Row, list, pin, read, run, write } from "./pinned-facts.ts";
import { smallTopology } from "./topology.ts";

const pf = "01:00.0";

/** `[attribute of ip link set ... vf, expected]` on one netdev. */
const rows = (netdev: string, table: readonly (readonly [string, string])[]): Row[] =>
  table.map(([attribute, expected]) => run(`ip link set dev ${netdev} ${attribute}`, expected));

const whatLinkDoesNotChange: readonly (readonly [string, string])[] = [
  ["vf 0 mac 02:11:22:33:44:00", "ok"],
  ["vf 0 mac 01:00:5e:00:00:01", "EINVAL"],
  ["vf 0 mac ff:ff:ff:ff:ff:ff", "EINVAL"],
  ["vf 0 mac 00:00:00:00:00:00", "ok"],
  ["vf 7 mac 02:11:22:33:44:07", "EINVAL"],
  ["vf 1 vlan 100", "ok"],
  ["vf 1 vlan 100 qos 7", "ok"],
  ["vf 1 vlan 100 qos 8", "EINVAL"],
  ["vf 1 vlan 100 proto 802.1q", "ok"],
  ["vf 1 vlan 100 proto 802.1ad", "EPROTONOSUPPORT"],
  ["vf 1 vlan 4095", "ok"],
  ["vf 1 vlan 0 qos 5", "ok"],
  ["vf 1 vlan 0", "ok"],
  ["vf 99 vlan 5", "EINVAL"],
  ["vf 2 spoofchk off", "ok"],
  ["vf 2 spoofchk on", "ok"],
  ["vf 3 trust on", "ok"],
  ["vf 3 trust off", "ok"],
  ["vf 4 state enable", "EOPNOTSUPP"],
  ["vf 4 state auto", "EOPNOTSUPP"],
  ["vf 6 query_rss on", "EOPNOTSUPP"],
  ["vf 6 node_guid 00:11:22:33:44:55:66:77", "EOPNOTSUPP"],
  ["vf 5 min_tx_rate 10", "EINVAL"],
  ["vf 5 min_tx_rate 10 max_tx_rate 100", "EINVAL"],
];

suite("VF attributes", { skip: labSkipReason() }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab({ topology: smallTopology });
  });
  after(() => lab?.close());

  test("igb with the PF down", () =>
    pin(lab, [
      run("modprobe igb"),
      list([`${pf}/net`, "."], "eth0"),
      write(`${pf}/sriov_drivers_autoprobe`, "0"),
      write(`${pf}/sriov_numvfs`, "7"),
      ...rows("eth0", whatLinkDoesNotChange),
      ...rows("eth0", [["vf 5 max_tx_rate 100", "EINVAL"]]),
    ]));

  test("igb with the PF up: only the rates differ", async () => {
    await lab.check(
      "ip link set dev eth0 up; until grep -q 1 /sys/class/net/eth0/carrier; do :; done",
    );
    await pin(lab, [
      ...rows("eth0", whatLinkDoesNotChange),
      ...rows("eth0", [
        ["vf 5 max_tx_rate 100", "ok"],
        ["vf 5 max_tx_rate 1000", "ok"],
        ["vf 5 max_tx_rate 1001", "EINVAL"],
        ["vf 5 max_tx_rate 0", "ok"],
      ]),
    ]);
  });

  test("igb reports what was set, and forgets it with the VFs", async () => {
    const reported = async (): Promise<unknown[]> => {
      const [netdev] = JSON.parse(await lab.check("ip -d -j link show dev eth0"));
      return netdev.vfinfo_list;
    };
    await pin(lab, [
      write(`${pf}/sriov_numvfs`, "0"),
      write(`${pf}/sriov_numvfs`, "2"),
      ...rows("eth0", [
        ["vf 1 mac 02:11:22:33:44:01", "ok"],
        ["vf 1 vlan 120 qos 3", "ok"],
        ["vf 1 spoofchk off", "ok"],
        ["vf 1 trust on", "ok"],
      ]),
    ]);
    const fresh = {
      link_type: "ether",
      broadcast: "ff:ff:ff:ff:ff:ff",
      vlan_list: [{}],
      rate: { max_tx: 0, min_tx: 0 },
      spoofchk: true,
      link_state: "auto",
      trust: false,
    };
    const vf0 = { vf: 0, address: "00:00:00:00:00:00", ...fresh };
    assert.deepEqual(await reported(), [
      vf0,
      {
        ...fresh,
        vf: 1,
        address: "02:11:22:33:44:01",
        vlan_list: [{ vlan: 120, qos: 3 }],
        spoofchk: false,
        trust: true,
      },
    ]);
    await pin(lab, [write(`${pf}/sriov_numvfs`, "0"), write(`${pf}/sriov_numvfs`, "2")]);
    assert.deepEqual(await reported(), [vf0, { ...vf0, vf: 1 }]);
  });

  test("netdevsim has its own errnos and accepts what igb refuses", async () => {
    await loadNetdevsim(lab);
    await lab.check("echo '7 1' > /sys/bus/netdevsim/new_device");
    const device = "/sys/bus/netdevsim/devices/netdevsim7";
    const netdev = (await lab.check(`ls ${device}/net`)).trim();
    await pin(lab, [
      read(`${device}/sriov_numvfs`, "0\n"),
      write(`${device}/sriov_numvfs`, "5", "ENOMEM"),
      write(`${device}/sriov_numvfs`, "x", "EINVAL"),
      write(`${device}/sriov_numvfs`, "3"),
      write(`${device}/sriov_numvfs`, "2", "EBUSY"),
      ...rows(netdev, [
        ["vf 0 mac 01:00:5e:00:00:01", "EINVAL"],
        ["vf 0 mac 02:11:22:33:44:00", "ok"],
        ["vf 1 vlan 100 qos 8", "EINVAL"],
        ["vf 1 vlan 100 proto 802.1ad", "ok"],
        ["vf 2 min_tx_rate 10 max_tx_rate 200", "ok"],
        ["vf 2 state disable", "ok"],
        ["vf 2 query_rss on", "ok"],
        ["vf 3 trust on", "EINVAL"],
      ]),
      write(`${device}/sriov_numvfs`, "0"),
    ]);
  });

  // A VF with statistics takes 296 bytes of an attribute whose length has 16 bits.
  test("the VF list wraps silently at 64 KiB", async () => {
    const device = "/sys/bus/netdevsim/devices/netdevsim7";
    await lab.check("echo 400 > /sys/kernel/debug/netdevsim/netdevsim7/max_vfs");
    const netdev = (await lab.check(`ls ${device}/net`)).trim();
    for (const [numVfs, shown] of [
      [16, 16],
      [221, 221],
      [222, 0],
      [256, 34],
      [400, 178],
    ] as const) {
      const printed = await lab.check(`
        echo 0 > ${device}/sriov_numvfs; echo ${numVfs} > ${device}/sriov_numvfs
        ip link show dev ${netdev} 2> /dev/null | grep -c "^ *vf "; true`);
      assert.equal(printed.trim(), String(shown), `${numVfs} VFs`);
    }
  });
});
