// What the kernel answers to every kind of write and read that SR-IOV management makes, pinned on
// emulated igb and nvme devices: the tables of semantics-tables.ts, and what needs more than a table.
// Everything the emulated host claims about errno and order rests on these rows. They run in order on
// one lab; each leaves the PF without VFs.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { hold, link, list, pin, read, write } from "./pinned-facts.ts";
import { nvme, pf, tables, vf0 } from "./semantics-tables.ts";

suite("kernel semantics", { skip: labSkipReason() }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab();
  });
  after(() => lab?.close());

  test("sriov_numvfs without a driver: range before driver, equality before both", () =>
    pin(lab, tables["sriov_numvfs without a driver: range before driver, equality before both"]));

  test("sriov_numvfs with a driver that has no callback for it", () =>
    pin(lab, tables["sriov_numvfs with a driver that has no callback for it"]));

  test("attributes of a PF: the driver lowers sriov_totalvfs; formats and modes", () =>
    pin(lab, tables["attributes of a PF: the driver lowers sriov_totalvfs; formats and modes"]));

  test("sriov_numvfs on igb: how numbers are read, and the order of refusals", () =>
    pin(lab, tables["sriov_numvfs on igb: how numbers are read, and the order of refusals"]));

  test("sriov_drivers_autoprobe reads as a boolean", () =>
    pin(lab, tables["sriov_drivers_autoprobe reads as a boolean"]));

  test("VFs without a driver: addresses, links, what a VF has and has not", () =>
    pin(lab, tables["VFs without a driver: addresses, links, what a VF has and has not"]));

  test("writes to a VF that are refused", () =>
    pin(lab, tables["writes to a VF that are refused"]));

  test("binding with autoprobe off: only an override makes a driver match", () =>
    pin(lab, tables["binding with autoprobe off: only an override makes a driver match"]));

  test("new_id binds every matching function at once; remove_id unbinds none", () =>
    pin(lab, tables["new_id binds every matching function at once; remove_id unbinds none"]));

  test("vfio: a group has one opener", async () => {
    const group = (
      await lab.check(`basename $(readlink /sys/bus/pci/devices/0000:${vf0}/iommu_group)`)
    ).trim();
    await pin(lab, [hold(`/dev/vfio/${group}`, "ok"), hold(`/dev/vfio/${group}`, "EBUSY")]);
  });

  test("recreated VFs are blank, at the same addresses", () =>
    pin(lab, tables["recreated VFs are blank, at the same addresses"]));

  test("uevents: VF add, VF change, at last PF change; a disable says nothing of the PF", async () => {
    const events = await lab.check(`
      printf '%s\\n' '#!/bin/sh' 'echo "$ACTION $DEVPATH" >> /tmp/events' > /tmp/on-event
      chmod +x /tmp/on-event
      timeout -s KILL 60 busybox uevent /tmp/on-event &
      sleep 0.5
      echo 2 > /sys/bus/pci/devices/0000:${pf}/sriov_numvfs
      sleep 0.5; echo "disable" >> /tmp/events
      echo 0 > /sys/bus/pci/devices/0000:${pf}/sriov_numvfs
      sleep 0.5; kill -KILL $!
      sed -nE "/^disable/p; s|^([a-z]+) .*/0000:(01:[0-9a-f.]+)$|\\1 \\2|p" /tmp/events`);
    assert.deepEqual(events.trim().split("\n"), [
      "add 01:10.0",
      "change 01:10.0",
      "add 01:10.2",
      "change 01:10.2",
      "change 01:00.0",
      "disable",
      "remove 01:10.0",
      "remove 01:10.2",
    ]);
  });

  test("unbinding igb destroys its VFs; removing a PF and a rescan bring it back without", () =>
    pin(
      lab,
      tables["unbinding igb destroys its VFs; removing a PF and a rescan bring it back without"],
    ));

  test("the nvme driver leaves VFs behind when it is unbound; 0 needs a driver again", () =>
    pin(
      lab,
      tables["the nvme driver leaves VFs behind when it is unbound; 0 needs a driver again"],
    ));

  test("IOMMU groups of five topologies, with two VFs on each PF", async () => {
    const pfs = ["01:00.0", "04:00.0", "07:00.0", "00:06.0", "09:00.1"];
    await pin(
      lab,
      pfs.flatMap((each) => [
        write(`${each}/sriov_drivers_autoprobe`, "0"),
        write(`${each}/sriov_numvfs`, "2"),
      ]),
    );
    const printed = await lab.check(
      `for group in /sys/kernel/iommu_groups/*; do ls $group/devices | tr "\\n" " "; echo; done`,
    );
    const groups = printed
      .trim()
      .split("\n")
      .map((line) => line.trim().replaceAll("0000:", ""));
    const groupOf = (address: string): string | undefined =>
      groups.find((members) => members.split(" ").includes(address));
    const expected: Record<string, string> = {
      // A root port with ACS: the PF and each VF by itself, and so the port.
      "00:09.0": "00:09.0",
      "01:00.0": "01:00.0",
      "01:10.0": "01:10.0",
      // A root port without ACS: all of it is one group.
      "04:00.0": "00:0c.0 04:00.0 04:10.0 04:10.2",
      // A switch whose downstream ports have no ACS: a port with what is below it, siblings apart.
      "07:00.0": "06:00.0 07:00.0 07:10.0 07:10.2",
      "08:00.0": "06:01.0 08:00.0",
      "05:00.0": "05:00.0",
      // On the root bus: each by itself.
      "00:06.0": "00:06.0",
      "00:16.2": "00:16.2",
      // A card of two ports without ACS: the kernel knows that the 82576 isolates its functions.
      "09:00.0": "09:00.0",
      "09:00.1": "09:00.1",
      "09:10.1": "09:10.1",
      // Several functions of one device without ACS.
      "00:1f.2": "00:1f.0 00:1f.2 00:1f.3",
    };
    const found = Object.keys(expected).map((address) => [address, groupOf(address)]);
    assert.deepEqual(Object.fromEntries(found), expected);
    await pin(lab, [write(`${pf}/sriov_numvfs`, "0")]);
  });

  test("group numbers are recycled, lowest first", async () => {
    const groupOfVf = `basename $(readlink /sys/bus/pci/devices/0000:${vf0}/iommu_group)`;
    const enable = (address: string, count: number): string =>
      `echo ${count} > /sys/bus/pci/devices/0000:${address}/sriov_numvfs`;
    await lab.check(enable(pf, 1));
    const group = await lab.check(groupOfVf);
    const other = await lab.check(`
      ${enable(pf, 0)}
      ${enable(nvme, 1)}
      basename $(readlink /sys/bus/pci/devices/0000:03:00.1/iommu_group)
      ${enable(nvme, 0)}`);
    assert.equal(other, group);
  });

  test("a card that is plugged in and out takes its VFs along", async () => {
    const netdev = { driver: "igb", id: "plugged", bus: "free", mac: "52:54:00:aa:00:70" };
    await lab.qmp("device_add", netdev);
    const plugged = "0a:00.0";
    await lab.check(`until [ -e /sys/bus/pci/drivers/igb/0000:${plugged} ]; do :; done`);
    await pin(lab, [
      read(`${plugged}/sriov_totalvfs`, "7\n"),
      write(`${plugged}/sriov_drivers_autoprobe`, "0"),
      write(`${plugged}/sriov_numvfs`, "2"),
      link(`${plugged}/virtfn1`, "0000:0a:10.2"),
    ]);
    await lab.qmp("device_del", { id: "plugged" });
    await lab.check(`while [ -e /sys/bus/pci/devices/0000:${plugged} ]; do :; done`);
    await pin(lab, [list(["/sys/bus/pci/devices", "^0000:0a:"], "")]);
  });
});
