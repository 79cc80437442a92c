// What the kernel answers to every kind of write and read that SR-IOV management makes, pinned as
// tables on emulated igb and nvme devices. Everything the emulated host claims about errno and order
// rests on these rows. Tables run in order on one lab; each leaves the PF without VFs. Long because
// it is tables.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { hold, link, list, mode, pin, read, run, write } from "./pinned-facts.ts";

const pf = "01:00.0";
const vf0 = "01:10.0";
const vf1 = "01:10.2";
const nvme = "03:00.0";

suite("kernel semantics", { skip: labSkipReason() }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab();
  });
  after(() => lab?.close());

  test("sriov_numvfs without a driver: range before driver, equality before both", () =>
    pin(lab, [
      link(`${pf}/driver`, "ENOENT"),
      read(`${pf}/sriov_totalvfs`, "8\n"),
      read(`${pf}/sriov_numvfs`, "0\n"),
      write(`${pf}/sriov_numvfs`, "0"),
      write(`${pf}/sriov_numvfs`, "5", "ENOENT"),
      write(`${pf}/sriov_numvfs`, "9", "ERANGE"),
      write(`${pf}/sriov_numvfs`, "x", "EINVAL"),
    ]));

  test("sriov_numvfs with a driver that has no callback for it", () =>
    pin(lab, [
      run("modprobe pci-stub"),
      write(`${pf}/driver_override`, "pci-stub"),
      write("/sys/bus/pci/drivers_probe", "0000:01:00.0"),
      link(`${pf}/driver`, "pci-stub"),
      write(`${pf}/sriov_numvfs`, "0"),
      write(`${pf}/sriov_numvfs`, "5", "ENOENT"),
      write("@pci-stub/unbind", "0000:01:00.0"),
      run("modprobe vfio-pci"),
      write(`${pf}/driver_override`, "vfio-pci"),
      write("/sys/bus/pci/drivers_probe", "0000:01:00.0"),
      link(`${pf}/driver`, "vfio-pci"),
      write(`${pf}/sriov_numvfs`, "5", "ENOENT"),
      write("@vfio-pci/unbind", "0000:01:00.0"),
      write(`${pf}/driver_override`, "\n"),
      read(`${pf}/driver_override`, "(null)\n"),
    ]));

  test("attributes of a PF: the driver lowers sriov_totalvfs; formats and modes", () =>
    pin(lab, [
      run("modprobe igb"),
      link(`${pf}/driver`, "igb"),
      read(`${pf}/sriov_totalvfs`, "7\n"),
      read(`${pf}/sriov_offset`, "128\n"),
      read(`${pf}/sriov_stride`, "2\n"),
      read(`${pf}/sriov_vf_device`, "10ca\n"),
      read(`${pf}/sriov_vf_total_msix`, "0\n"),
      read(`${pf}/sriov_drivers_autoprobe`, "1\n"),
      read(`${pf}/driver_override`, "(null)\n"),
      read(`${pf}/vendor`, "0x8086\n"),
      read(`${pf}/class`, "0x020000\n"),
      read(`${pf}/revision`, "0x01\n"),
      read(`${pf}/numa_node`, "-1\n"),
      read(`${pf}/ari_enabled`, "1\n"),
      read("00:06.0/ari_enabled", "0\n"),
      read(`${pf}/current_link_speed`, "2.5 GT/s PCIe\n"),
      read(`${pf}/current_link_width`, "1\n"),
      read(`${pf}/modalias`, "pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00\n"),
      mode(`${pf}/sriov_numvfs`, "644"),
      mode(`${pf}/sriov_totalvfs`, "444"),
      mode(`${pf}/remove`, "220"),
      list(
        [pf, "^sriov_"],
        [
          "sriov_drivers_autoprobe sriov_numvfs sriov_offset sriov_stride sriov_totalvfs",
          "sriov_vf_device sriov_vf_total_msix",
        ].join(" "),
      ),
      list([pf, "^(virtfn|physfn)"], ""),
    ]));

  test("sriov_numvfs on igb: how numbers are read, and the order of refusals", () =>
    pin(lab, [
      write(`${pf}/sriov_drivers_autoprobe`, "0"),
      ...["", "0", "0x0", "00", "+0", "0\n"].map((text) => write(`${pf}/sriov_numvfs`, text)),
      ...["abc", "-1", " 2", "2 ", "2\n\n", "2.0", "08", "65536", "70000", "\n"].map((text) =>
        write(`${pf}/sriov_numvfs`, text, "EINVAL"),
      ),
      write(`${pf}/sriov_numvfs`, "8", "ERANGE"),
      write(`${pf}/sriov_numvfs`, "65535", "ERANGE"),
      write(`${pf}/sriov_numvfs`, "0x3\n"),
      read(`${pf}/sriov_numvfs`, "3\n"),
      write(`${pf}/sriov_numvfs`, "3"),
      write(`${pf}/sriov_numvfs`, "2", "EBUSY"),
      write(`${pf}/sriov_numvfs`, "8", "ERANGE"),
      write(`${pf}/sriov_numvfs`, "-1", "EINVAL"),
      read(`${pf}/sriov_numvfs`, "3\n"),
      list([pf, "^virtfn"], "virtfn0 virtfn1 virtfn2"),
      write(`${pf}/sriov_numvfs`, "0"),
      read(`${pf}/sriov_numvfs`, "0\n"),
      list([pf, "^virtfn"], ""),
    ]));

  test("sriov_drivers_autoprobe reads as a boolean", () =>
    pin(lab, [
      ...["1", "y", "Y", "t", "on", "true"].flatMap((text) => [
        write(`${pf}/sriov_drivers_autoprobe`, text),
        read(`${pf}/sriov_drivers_autoprobe`, "1\n"),
      ]),
      ...["2", "x", "", "-1"].map((text) =>
        write(`${pf}/sriov_drivers_autoprobe`, text, text === "" ? "ok" : "EINVAL"),
      ),
      ...["0", "n", "N", "f", "off"].flatMap((text) => [
        write(`${pf}/sriov_drivers_autoprobe`, text),
        read(`${pf}/sriov_drivers_autoprobe`, "0\n"),
      ]),
    ]));

  test("VFs without a driver: addresses, links, what a VF has and has not", () =>
    pin(lab, [
      write(`${pf}/sriov_numvfs`, "7"),
      ...["10.0", "10.2", "10.4", "10.6", "11.0", "11.2", "11.4"].flatMap((place, index) => [
        link(`${pf}/virtfn${index}`, `0000:01:${place}`),
        link(`01:${place}/physfn`, "0000:01:00.0"),
        link(`01:${place}/driver`, "ENOENT"),
      ]),
      read(`${vf0}/vendor`, "0x8086\n"),
      read(`${vf0}/device`, "0x10ca\n"),
      read(`${vf0}/class`, "0x020000\n"),
      read(`${vf0}/irq`, "0\n"),
      read(`${vf0}/driver_override`, "(null)\n"),
      read(`${vf0}/reset_method`, "flr\n"),
      read(`${vf0}/power_state`, "unknown\n"),
      read(`${vf0}/sriov_vf_msix_count`, "EACCES"),
      mode(`${vf0}/sriov_vf_msix_count`, "200"),
      read(`${vf0}/sriov_numvfs`, "ENOENT"),
      read(`${vf0}/remove`, "ENOENT"),
      read(`${vf0}/rescan`, "ENOENT"),
    ]));

  test("writes to a VF that are refused", () =>
    pin(lab, [
      write(`${vf0}/sriov_vf_msix_count`, "2", "EOPNOTSUPP"),
      write(`${vf0}/sriov_vf_msix_count`, "-1", "EINVAL"),
      write(`${vf0}/reset`, "0", "EINVAL"),
      write(`${vf0}/reset_method`, "bogus", "EINVAL"),
      write(`${vf0}/reset_method`, "flr"),
      write(`${vf0}/numa_node`, "77", "EINVAL"),
    ]));

  test("binding with autoprobe off: only an override makes a driver match", () =>
    pin(lab, [
      run("modprobe igbvf"),
      link(`${vf0}/driver`, "ENOENT"),
      write("@igbvf/bind", "0000:01:10.0", "ENODEV"),
      write("/sys/bus/pci/drivers_probe", "0000:01:10.0"),
      link(`${vf0}/driver`, "ENOENT"),
      write("/sys/bus/pci/drivers_probe", "0000:77:00.0", "ENODEV"),
      write("/sys/bus/pci/drivers_probe", "junk", "ENODEV"),
      write("@vfio-pci/bind", "0000:01:10.0", "ENODEV"),
      write(`${vf0}/driver_override`, "nonesuch"),
      read(`${vf0}/driver_override`, "nonesuch\n"),
      write("/sys/bus/pci/drivers_probe", "0000:01:10.0"),
      link(`${vf0}/driver`, "ENOENT"),
      write(`${vf0}/driver_override`, "vfio-pci\n"),
      read(`${vf0}/driver_override`, "vfio-pci\n"),
      write("@igbvf/bind", "0000:01:10.0", "ENODEV"),
      write("/sys/bus/pci/drivers_probe", "0000:01:10.0"),
      link(`${vf0}/driver`, "vfio-pci"),
      write("@vfio-pci/bind", "0000:01:10.0", "EBUSY"),
      write("@igbvf/unbind", "0000:01:10.0", "ENODEV"),
      write("@vfio-pci/unbind", "0000:77:00.0", "ENODEV"),
      write(`${vf0}/driver_override`, "igbvf"),
      link(`${vf0}/driver`, "vfio-pci"),
      write("@vfio-pci/unbind", "0000:01:10.0"),
      write(`${vf0}/driver_override`, "\n"),
      read(`${vf0}/driver_override`, "(null)\n"),
      link(`${vf0}/driver`, "ENOENT"),
    ]));

  test("new_id binds every matching function at once; remove_id unbinds none", () =>
    pin(lab, [
      write(`${pf}/sriov_drivers_autoprobe`, "1"),
      write("@vfio-pci/new_id", "8086", "EINVAL"),
      write("@vfio-pci/new_id", "8086 10ca"),
      write("@vfio-pci/new_id", "8086 10ca", "EEXIST"),
      link(`${vf0}/driver`, "vfio-pci"),
      link(`${vf1}/driver`, "vfio-pci"),
      write("@vfio-pci/remove_id", "8086 10ca"),
      write("@vfio-pci/remove_id", "8086 10ca", "ENODEV"),
      link(`${vf0}/driver`, "vfio-pci"),
      write(`${pf}/sriov_drivers_autoprobe`, "0"),
    ]));

  test("vfio: a group has one opener", async () => {
    const group = (
      await lab.check(`basename $(readlink /sys/bus/pci/devices/0000:${vf0}/iommu_group)`)
    ).trim();
    await pin(lab, [hold(`/dev/vfio/${group}`, "ok"), hold(`/dev/vfio/${group}`, "EBUSY")]);
  });

  test("recreated VFs are blank, at the same addresses", () =>
    pin(lab, [
      write(`${vf0}/driver_override`, "vfio-pci"),
      write(`${pf}/sriov_numvfs`, "0"),
      list(["/sys/bus/pci/devices", "^0000:01:1"], ""),
      write(`${pf}/sriov_numvfs`, "2"),
      list(["/sys/bus/pci/devices", "^0000:01:1"], "0000:01:10.0 0000:01:10.2"),
      read(`${vf0}/driver_override`, "(null)\n"),
      link(`${vf0}/driver`, "ENOENT"),
      write(`${pf}/sriov_numvfs`, "0"),
    ]));

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
    pin(lab, [
      write(`${pf}/sriov_numvfs`, "2"),
      write("@igb/unbind", "0000:01:00.0"),
      list(["/sys/bus/pci/devices", "^0000:01:1"], ""),
      read(`${pf}/sriov_numvfs`, "0\n"),
      read(`${pf}/sriov_totalvfs`, "8\n"),
      write("@igb/bind", "0000:01:00.0"),
      read(`${pf}/sriov_totalvfs`, "7\n"),
      read(`${pf}/sriov_drivers_autoprobe`, "0\n"),
      write(`${pf}/sriov_numvfs`, "2"),
      write(`${pf}/remove`, "1"),
      list(["/sys/bus/pci/devices", "^0000:01:"], ""),
      write("/sys/bus/pci/rescan", "1"),
      list(["/sys/bus/pci/devices", "^0000:01:"], "0000:01:00.0"),
      link(`${pf}/driver`, "igb"),
      read(`${pf}/sriov_numvfs`, "0\n"),
      read(`${pf}/sriov_drivers_autoprobe`, "1\n"),
    ]));

  test("the nvme driver leaves VFs behind when it is unbound; 0 needs a driver again", () =>
    pin(lab, [
      run("modprobe nvme"),
      link(`${nvme}/driver`, "nvme"),
      read(`${nvme}/sriov_totalvfs`, "127\n"),
      read(`${nvme}/sriov_offset`, "1\n"),
      read(`${nvme}/sriov_stride`, "1\n"),
      write(`${nvme}/sriov_drivers_autoprobe`, "0"),
      write(`${nvme}/sriov_numvfs`, "128", "ERANGE"),
      write(`${nvme}/sriov_numvfs`, "3"),
      list([nvme, "^virtfn"], "virtfn0 virtfn1 virtfn2"),
      link(`${nvme}/virtfn2`, "0000:03:00.3"),
      write("@nvme/unbind", "0000:03:00.0"),
      read(`${nvme}/sriov_numvfs`, "3\n"),
      link(`${nvme}/virtfn2`, "0000:03:00.3"),
      write(`${nvme}/sriov_numvfs`, "0", "ENOENT"),
      write("@nvme/bind", "0000:03:00.0"),
      write(`${nvme}/sriov_numvfs`, "2", "EBUSY"),
      write(`${nvme}/sriov_numvfs`, "0"),
      read(`${nvme}/sriov_numvfs`, "0\n"),
    ]));

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
