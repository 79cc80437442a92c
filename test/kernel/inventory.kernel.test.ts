// The inventory of the Linux host on a real kernel: it agrees with sysfs, changes nothing, asks for
// nothing that takes a lock, and answers in time beside a disable that waits for a held VF, whether
// that is our own or somebody else's.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { Pf } from "../../src/model/inventory.ts";
import { type Lab, bootLab } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import type { TimedInventory } from "./read-inventory.ts";
import { smallTopology } from "./topology.ts";

const program = (name: string): string => join(import.meta.dirname, name);
const reader = program("read-inventory.ts");
const devices = "/sys/bus/pci/devices";
const igb = "0000:01:00.0";
const otherIgb = "0000:02:00.0";
const nvme = "0000:03:00.0";

suite("inventory on a real kernel", { skip: labSkipReason() }, () => {
  let lab: Lab;

  async function inventoryOf(...options: readonly string[]): Promise<TimedInventory> {
    return JSON.parse(await lab.check(["node", reader, ...options]));
  }

  function pfIn({ inventory }: TimedInventory, address: string): Pf {
    const pf = inventory.physicalFunctions.find((each) => each.address === address);
    assert.ok(pf !== undefined, address);
    return pf;
  }

  /** VF 0 of the igb on vfio-pci and held, VF 1 without a driver. */
  async function holdVf(): Promise<void> {
    await lab.check(`
      modprobe vfio-pci
      cd ${devices}/${igb}
      echo 0 > sriov_drivers_autoprobe; echo 2 > sriov_numvfs
      echo vfio-pci > virtfn0/driver_override; echo 0000:01:10.0 > /sys/bus/pci/drivers_probe
      rm -f /tmp/holder; node ${program("vfio-holder.ts")} 0000:01:10.0 > /tmp/holder & echo $! > /tmp/holder.pid
      until grep -q holding /tmp/holder; do sleep 0.1; done`);
  }

  const releaseVf = (): Promise<string> =>
    lab.check(`
      kill -KILL $(cat /tmp/holder.pid)
      while [ "$(cat ${devices}/${igb}/sriov_numvfs)" != 0 ]; do sleep 0.1; done`);

  before(async () => {
    lab = await bootLab({ topology: smallTopology });
    await lab.check("modprobe igb; modprobe nvme; modprobe vfio-pci");
  });
  after(() => lab?.close());

  test("PFs, VFs, groups and drivers are what sysfs says, file by file", async () => {
    await lab.check(`
      for pf in ${igb} ${nvme}; do echo 0 > ${devices}/$pf/sriov_drivers_autoprobe; done
      echo 3 > ${devices}/${igb}/sriov_numvfs; echo 127 > ${devices}/${nvme}/sriov_numvfs
      echo vfio-pci > ${devices}/0000:01:10.2/driver_override
      echo 0000:01:10.2 > /sys/bus/pci/drivers_probe`);
    const timed = await inventoryOf("--detail", igb);
    assert.deepEqual(timed.inventory.problems, []);
    const found = timed.inventory.physicalFunctions.flatMap(({ address, virtualFunctions }) =>
      virtualFunctions.flatMap((vf) => [
        `${address} virtfn${vf.vfIndex} ${vf.address}`,
        ...(vf.driver === null ? [] : [`${vf.address} driver ${vf.driver}`]),
        `${vf.address} iommu_group ${vf.iommuGroup}`,
      ]),
    );
    const names = ["-name", "virtfn*", "-o", "-name", "driver", "-o", "-name", "iommu_group"];
    const places = ["/sys/devices", "-path", "*/0000:0[13]:*", "-type", "l"];
    const format = ["-printf", "%h %f %l\\n"];
    const listing = await lab.check(["find", ...places, "(", ...names, ")", ...format]);
    const printed = listing.replaceAll(/[^ \n]*\//g, "");
    const isVfLine = (line: string): boolean => !/^0000:0[13]:00\.0 (?!virtfn)/.test(line);
    assert.deepEqual(found.toSorted(), printed.trim().split("\n").filter(isVfLine).toSorted());
    const overrides = pfIn(timed, igb).virtualFunctions.map((vf) => vf.driverOverride);
    assert.deepEqual(overrides, [null, "vfio-pci", null]);
  });

  test("an inventory writes nothing and reads no file that takes a lock", async () => {
    const calls = "openat,open,creat,unlink,unlinkat,rename,mkdir,ioctl,sendto,sendmsg,bind";
    const printed = await lab.check(
      `strace -f -qq -e trace=${calls} -o /tmp/strace node ${reader} --census > /dev/null
       cat /tmp/strace`,
      { timeoutMs: 180_000 },
    );
    const lines = printed.split("\n");
    const opened = lines.flatMap(
      (line) => /open(?:at)?\(.*?"([^"]+)", ([A-Z_|]+)/.exec(line) ?? [],
    );
    assert.ok(
      opened.some((text) => text.endsWith("modalias")),
      "the trace saw the inventory",
    );
    const isHost = (line: string): boolean => /"\/(?:sys|proc|dev|run|etc|var)\//.test(line);
    const writes = lines.filter((line) => isHost(line) && /O_WRONLY|O_RDWR|O_CREAT/.test(line));
    // Node opens its own terminal or null device for writing; nothing of the host.
    assert.deepEqual(
      writes.filter((line) => !/"\/dev\/(?:null|tty|pts\/\d+)"/.test(line)),
      [],
    );
    assert.deepEqual(
      lines.filter((line) => isHost(line) && /^\d+ +(?:unlink|rename|mkdir|creat)/.test(line)),
      [],
    );
    const locked = /sriov_numvfs|sriov_vf_total_msix|driver_override|\/uevent"|\/reset/;
    assert.deepEqual(
      lines.filter((line) => isHost(line) && locked.test(line)),
      [],
    );
    const configs = lines.filter((line) => /\/config"/.test(line));
    const vfConfigs = configs.filter((line) => /01:1[0-9]\.|03:00\.[1-7]|03:[01][1-9]/.test(line));
    assert.ok(configs.length > 0);
    assert.deepEqual(vfConfigs, []);
    await lab.check(`
      for pf in ${igb} ${nvme}; do echo 0 > ${devices}/$pf/sriov_numvfs; done`);
  });

  test("our own stuck disable is reported, and the inventory goes on beside it", async () => {
    await holdVf();
    const before = await inventoryOf("--census");
    const [owner] = pfIn(before, igb).virtualFunctions[0]?.owners ?? [];
    assert.equal(owner?.kind, "process");
    assert.equal(String(owner?.pid), (await lab.check("cat /tmp/holder.pid")).trim());

    const outcome = JSON.parse(
      await lab.check(["node", program("disable-held-vfs.ts"), igb, "1500"]),
    );
    assert.equal(outcome.status, "stuck");
    const beside = await inventoryOf("--census", "--detail", igb);
    assert.ok(beside.tookMs < 2000, `${beside.tookMs} ms`);
    const pf = pfIn(beside, igb);
    assert.equal(pf.isChanging, true);
    assert.equal(pf.numVfs, 1, "VF 1 still has its link");
    assert.deepEqual(
      pf.virtualFunctions.map(({ vfIndex, owners }) => [vfIndex, owners[0]?.kind]),
      [
        [0, "process"],
        [1, undefined],
      ],
    );
    assert.equal(pf.capabilityTotalVfs, 8, "config space is known all the same");
    assert.equal(pfIn(beside, nvme).isChanging, false);
    await releaseVf();
    const { exitCode } = await lab.run(`
      for i in $(seq 100); do kill -0 ${outcome.pid} 2> /dev/null || exit 0; sleep 0.1; done
      exit 1`);
    assert.equal(exitCode, 0, "the writer ends after its write");
    const free = pfIn(await inventoryOf(), igb);
    assert.deepEqual([free.numVfs, free.isChanging], [0, false]);
  });

  test("somebody else's stuck disable, and another PF's write behind it", async () => {
    await holdVf();
    await lab.check(`
      cd ${devices}
      (echo 0 > ${igb}/sriov_numvfs) > /dev/null 2>&1 &
      until [ ! -e ${igb}/virtfn0 ]; do sleep 0.1; done
      (echo 1 > ${otherIgb}/sriov_numvfs) > /dev/null 2>&1 &
      sleep 0.5`);
    const beside = await inventoryOf("--census", "--detail", igb);
    assert.ok(beside.tookMs < 2000, `${beside.tookMs} ms`);
    assert.equal(pfIn(beside, igb).isChanging, true, "its links tell");
    assert.equal(pfIn(beside, otherIgb).numVfs, 0);
    await releaseVf();
    await lab.check(`echo 0 > ${devices}/${otherIgb}/sriov_numvfs`);
  });
});
