// A VF set aside for DPDK on a real kernel: Debian's dpdk-testpmd starts with the arguments that attach
// prints, as a user without privileges that attach gave the group to, and sees the MAC that was asked
// for; without the group's node, or without memory to lock, it does not.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { testpmdCommand } from "./dpdk.ts";
import type { LabResult } from "./lab.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { fullTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const vf = "0000:01:10.0";
const mac = "02:00:00:00:00:09";
const user = "65534";
const token = "14d63f20-8445-11ea-8900-1f9ce7d5650d";

const specText = `
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { address: "${pf}" }, adminState: up, numVfs: 1 }
pools:
  - { name: all, vfs: left/0, driver: vfio-pci }
`;

suite("a VF for DPDK", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let spec = "";
  const testpmd = labSkipReason() === false ? testpmdCommand() : [];
  before(async () => {
    const slots = fullTopology.slots.slice(0, 1);
    lab = await bootProgramLab(["igb", "vfio-pci"], { ...fullTopology, slots });
    // The user must reach the program, which lies in the cache of whoever runs the lab.
    const path = testpmd.find((word) => word.endsWith("/dpdk-testpmd")) ?? "/";
    await lab.lab.check(`mkdir -p /var/lib/sriovctl; sysctl -q -w vm.nr_hugepages=64
      p=${path}; while [ $p != / ]; do chmod a+rx $p; p=$(dirname $p); done
      mkdir -m 700 /tmp/run; chown ${user} /tmp/run`);
    spec = lab.spec("pool.yaml", specText);
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
  });
  after(() => lab?.lab.close());

  /** Until it would forward packets; the end of its input ends it. */
  const start = async (eal: string, memlock: string): Promise<LabResult> =>
    await lab.lab.run(
      `cd / && XDG_RUNTIME_DIR=/tmp/run prlimit --memlock=${memlock} \
      setpriv --reuid ${user} --regid ${user} --clear-groups timeout -s INT 60 \
      ${testpmd.join(" ")} --lcores 0@0,1@0 ${eal} --in-memory -- --total-num-mbufs=2048 < /dev/null`,
      { timeoutMs: 90_000 },
    );

  const ownerOfNode = async (): Promise<string> =>
    (
      await lab.lab.check(
        `stat -c %u /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/${vf}/iommu_group))`,
      )
    ).trim();

  let eal = "";

  test("testpmd starts with the arguments that are printed", async () => {
    const words = `--to dpdk:pmd --mac ${mac} --user ${user}`;
    const { json } = await lab.sriovctl(0, `attach --pool all ${words} --yes -f ${spec}`);
    const [note = ""] = json.notes;
    assert.equal(note, `EAL arguments: -a ${vf} --iova-mode va`);
    assert.match(json.notes.join("\n"), /^hugepages of 2 MiB: 64 of 64 are free$/m);
    eal = note.replace("EAL arguments: ", "");
    assert.equal(await ownerOfNode(), user);
    const { stdout, stderr, exitCode } = await start(eal, "unlimited");
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Probe PCI driver: net_e1000_igb_vf \(8086:10ca\) device: 0000:01:10\.0/);
    assert.match(stdout, new RegExp(`^Port 0: ${mac}$`, "m"));
    const short = await start(eal, "8388608");
    assert.match(short.stderr, /Cannot set up DMA remapping, error 12/);
  });

  test("after detach the group is root's again", async () => {
    await lab.sriovctl(0, `detach dpdk:pmd --yes -f ${spec}`);
    assert.equal(await ownerOfNode(), "0");
    const { stderr } = await start(eal, "unlimited");
    assert.match(stderr, /Cannot open \/dev\/vfio\/[0-9]+: Permission denied/);
  });

  test("with its PF in user space testpmd starts with the PF's token, and not without", async () => {
    const device = `/sys/bus/pci/devices/${pf}`;
    const words = `-a ${pf} --iova-mode va --vfio-vf-token ${token} --in-memory`;
    await lab.lab.check(
      `echo 1 > /sys/module/vfio_pci/parameters/enable_sriov
      echo 0 > ${device}/sriov_numvfs; echo vfio-pci > ${device}/driver_override
      echo ${pf} > ${device}/driver/unbind; echo ${pf} > /sys/bus/pci/drivers_probe
      # The PF's driver serves the VFs that it finds as it starts.
      echo 1 > ${device}/sriov_numvfs
      cd /; mkfifo /tmp/input; (sleep 1000 > /tmp/input 2>&1 &)
      (${testpmd.join(" ")} --lcores 0@0,1@0 ${words} -- --total-num-mbufs=2048 -i \
        < /tmp/input > /tmp/pf.log 2>&1 &)
      for i in $(seq 600); do grep -q 'testpmd>' /tmp/pf.log && exit; sleep 0.1; done
      cat /tmp/pf.log; exit 1`,
      { timeoutMs: 90_000 },
    );
    const attach = `attach ${pf}/vf0 --to dpdk:pmd --user ${user} --yes`;
    const without = await lab.sriovctl(1, attach);
    assert.match(without.json.error.message, /over without a VF token: their PF is on vfio-pci$/);
    const { json } = await lab.sriovctl(0, `${attach} --vf-token ${token}`);
    const [note = ""] = json.notes;
    eal = note.replace("EAL arguments: ", "");
    const refused = await start(eal.replace(/ --vfio-vf-token .*/, ""), "unlimited");
    assert.match(refused.stdout + refused.stderr, /No probed ethernet devices/);
    assert.match(await lab.lab.check("dmesg"), /0000:01:10\.0: VF token required to access device/);
    const { stdout, stderr } = await start(eal, "unlimited");
    assert.match(stdout, /^Port 0: /m, stderr);
    await lab.sriovctl(0, "detach dpdk:pmd --yes");
    const { leases } = (await lab.sriovctl(0, "lease ls")).json;
    assert.deepEqual(leases, []);
  });
});
