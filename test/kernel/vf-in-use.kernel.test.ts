// What happens around a VF that somebody holds through vfio: the kernel waits for the holder with
// no time limit, and takes others with it. The reason why changes run in child processes with a
// deadline, and why the census comes first.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { join } from "node:path";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { link, pin, read, run, write } from "./pinned-facts.ts";
import { type LabTopology, fullTopology } from "./topology.ts";

const holder = join(import.meta.dirname, "vfio-holder.ts");
const devices = "/sys/bus/pci/devices";

/** 01:00.0 and 02:00.0 igb; 03:00.0 igb below a port without ACS; 04:00.0 nvme. */
const topology: LabTopology = {
  ...fullTopology,
  slots: ["port0", "port1", "noacs", "port2"].flatMap((id) =>
    fullTopology.slots.filter((slot) => slot.id === id),
  ),
};

suite("VFs in use", { skip: labSkipReason() }, () => {
  let lab: Lab;
  before(async () => {
    lab = await bootLab({ topology });
    await pin(lab, [
      run("modprobe igb"),
      run("modprobe nvme"),
      run("modprobe vfio-pci"),
      ...["01:00.0", "02:00.0", "03:00.0", "04:00.0"].map((pf) =>
        write(`${pf}/sriov_drivers_autoprobe`, "0"),
      ),
      ...["01:00.0", "03:00.0", "04:00.0"].map((pf) => write(`${pf}/sriov_numvfs`, "2")),
      ...["01:10.0", "03:10.0"].flatMap((vf) => [
        write(`${vf}/driver_override`, "vfio-pci"),
        write("/sys/bus/pci/drivers_probe", `0000:${vf}`),
        link(`${vf}/driver`, "vfio-pci"),
      ]),
    ]);
  });
  after(() => lab?.close());

  test("a group with a member on a host driver is not viable", async () => {
    const { stderr, exitCode } = await lab.run(["node", holder, "0000:03:10.0"]);
    assert.equal(exitCode, 1);
    // EPERM, at the step in which a group joins a container.
    assert.match(stderr, /Cannot join the container: errno 1$/m);
  });

  test("a PF with VFs on cannot go to vfio-pci", () =>
    pin(lab, [
      write("@nvme/unbind", "0000:04:00.0"),
      write("04:00.0/driver_override", "vfio-pci"),
      write("@vfio-pci/bind", "0000:04:00.0", "EBUSY"),
      write("04:00.0/driver_override", "\n"),
      write("@nvme/bind", "0000:04:00.0"),
    ]));

  test("the PF's sriov_numvfs cannot be read while it is written", async () => {
    const printed = await lab.check(`
      cd ${devices}/0000:02:00.0
      echo 3 > sriov_numvfs
      (echo 0 > sriov_numvfs) &
      while [ -e virtfn0 ]; do :; done
      cat sriov_numvfs; wait`);
    // The VFs are gone a second before NumVFs is: a read that did not wait would find 3.
    assert.equal(printed, "0\n");
  });

  test("disabling VFs of which one is held waits for the holder, and others wait with it", async () => {
    const printed = await lab.check(
      `
      alive() { kill -0 "$1" 2> /dev/null && echo waits || echo ended; }
      ends() { for i in $(seq 100); do kill -0 "$1" 2> /dev/null || break; sleep 0.1; done; alive "$1"; }
      node ${holder} 0000:01:10.0 > /tmp/holder & holder=$!
      until grep -q holding /tmp/holder; do sleep 0.1; done
      cd ${devices}
      (echo 0 > 0000:01:00.0/sriov_numvfs) & disable=$!
      until grep -q vfio /proc/$disable/wchan; do sleep 0.1; done
      sleep 1
      echo "disable: $(alive $disable) in $(cat /proc/$disable/wchan)"
      kill -KILL $disable; sleep 0.5
      echo "disable after SIGKILL: $(alive $disable)"
      cat 0000:01:00.0/sriov_numvfs > /dev/null & own_read=$!
      cat 0000:02:00.0/sriov_numvfs > /dev/null & other_read=$!
      cat 0000:01:00.0/sriov_totalvfs > /dev/null & total_read=$!
      echo "reading another PF's: $(ends $other_read)"
      (echo 1 > 0000:02:00.0/sriov_numvfs) & other_write=$!
      sleep 0.5; cat 0000:02:00.0/sriov_numvfs > /dev/null & waiting_read=$!
      (echo 1 > /sys/bus/pci/rescan) & rescan=$!
      (ip link show eth0 > /tmp/ip) & ip=$!
      sleep 2
      echo "reading its sriov_numvfs: $(alive $own_read)"
      echo "reading its sriov_totalvfs: $(ends $total_read)"
      echo "writing another PF's: $(alive $other_write)"
      echo "reading another PF's while that waits: $(alive $waiting_read)"
      echo "rescan: $(alive $rescan)"
      echo "ip link: $(ends $ip), $(grep -c 'vf ' /tmp/ip) VFs"
      echo "links: $(ls -d 0000:01:00.0/virtfn* 2> /dev/null | wc -l)"
      echo "physfn: $(ls -d 0000:01:1*/physfn 2> /dev/null | wc -l)"
      echo "devices: $(ls -d 0000:01:1* | wc -l)"
      kill -KILL $holder
      wait
      echo "then: $(cat 0000:01:00.0/sriov_numvfs 0000:02:00.0/sriov_numvfs | tr '\\n' ' ')"`,
      { timeoutMs: 120_000 },
    );
    assert.deepEqual(printed.trim().split("\n"), [
      "disable: waits in vfio_unregister_group_dev",
      "disable after SIGKILL: waits",
      "reading another PF's: ended",
      "reading its sriov_numvfs: waits",
      "reading its sriov_totalvfs: ended",
      "writing another PF's: waits",
      "reading another PF's while that waits: waits",
      "rescan: waits",
      "ip link: ended, 2 VFs",
      "links: 1",
      "physfn: 1",
      "devices: 2",
      "then: 0 1",
    ]);
    await pin(lab, [read("01:00.0/sriov_numvfs", "0\n")]);
  });
});
