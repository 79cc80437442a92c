// A PF of a real kernel is resized while a domain of a real libvirt has a VF of it, and a complete PF goes into a
// domain: the guest lets go and takes it again, and the PF, the domain's XML and the leases say the same.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { labSkipReason } from "./lab-unavailable.ts";
import { addressXml, startLibvirt, startListeningDomain } from "./libvirt.ts";
import { type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const mac = "52:54:00:bb:00:11";
const givenMac = "52:54:00:bb:00:22";

const specOf = (numVfs: number): string => `
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "${pf}" }, numVfs: ${numVfs}, adminState: up }
defaults: { unassigned: none }
assign:
  - { to: "libvirt:web1/net1", vf: p0/1, mac: "${mac}", vlan: 130 }
`;

const timeoutMs = 240_000;

suite("handing VFs over", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;

  const script = (lines: string): Promise<string> => lab.lab.check(lines, { timeoutMs });
  const apply = (name: string, expected: number, options = "") =>
    lab.sriovctl(expected, `apply --yes -f /results/${name}.yaml ${options}`);

  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf", "vfio-pci"], smallTopology);
    lab.spec("four.yaml", specOf(4));
    lab.spec("six.yaml", specOf(6));
    await startLibvirt(lab.lab);
    await startListeningDomain(lab.lab, "web1", "qemu");
  });
  after(() => lab?.lab.close());

  /** Numbers of VFs, the VF's policy, its driver, and whether the domain that runs and its definition have it. */
  const seen = async (): Promise<string> =>
    (
      await script(`cat /sys/bus/pci/devices/${pf}/sriov_numvfs
        ip link show $(ls /sys/bus/pci/devices/${pf}/net) | grep -o 'vf 1 .*vlan [0-9]*' | sed 's/brd [^,]*//'
        basename $(readlink /sys/bus/pci/devices/0000:01:10.2/driver)
        virsh dumpxml web1 | grep -c ua-net1; virsh dumpxml --inactive web1 | grep -c ua-net1`)
    ).replace(/\s+/g, " ");

  test("a PF is resized under a domain, whose guest lets go of its VF and has it again", async () => {
    await apply("four", 0);
    const before = await seen();
    assert.match(before, new RegExp(`^4 vf 1 .*${mac}.* vlan 130 vfio-pci 1 1 $`));
    const refused = await apply("six", 3);
    assert.match(JSON.stringify(refused.json), /vm:web1/);
    await apply("six", 0, "--hand-over");
    assert.equal(await seen(), before.replace(/^4/, "6"));
    const { json } = await lab.sriovctl(0, "lease ls");
    assert.match(JSON.stringify(json), /"attached".*libvirt:web1\/net1/);
    await lab.sriovctl(0, "rollback --yes");
    assert.equal(await seen(), before);
  });

  test("a paused domain is not handed over, and keeps its VF", async () => {
    await script("virsh suspend web1");
    const { json } = await apply("six", 2, "--hand-over");
    assert.match(JSON.stringify(json), /domain web1 is paused \(user\)/);
    await script("virsh resume web1");
    assert.match(await seen(), /^4 .* 1 1 $/);
  });

  test("a complete PF goes into the domain and back to the host", async () => {
    const driver = `basename $(readlink /sys/bus/pci/devices/${pf}/driver)`;
    const whole = `attach --whole ${pf} --to libvirt:web1/dev0 --yes`;
    const used = await lab.sriovctl(3, whole);
    assert.match(JSON.stringify(used.json), /vm:web1 uses VF 1/);
    await lab.sriovctl(0, "detach libvirt:web1/net1 --yes");
    await lab.sriovctl(0, whole);
    assert.equal(await script(`${driver}; virsh dumpxml web1 | grep -c ua-dev0`), "vfio-pci\n1\n");
    await lab.sriovctl(0, "rollback --yes");
    const back = `${driver}; cat /sys/bus/pci/devices/${pf}/sriov_numvfs
      ip -o link show $(ls /sys/bus/pci/devices/${pf}/net) | grep -c ,UP
      virsh dumpxml web1 | grep -c ua-dev0 || true`;
    assert.equal(await script(back), "igb\n4\n1\n0\n");
  });

  test("a VF that virsh gave to the domain is adopted, and then handed over", async () => {
    const given = `<hostdev mode='subsystem' type='pci' managed='yes'>
      <source>${addressXml("01:10.4")}</source></hostdev>`;
    await script(`ip link set $(ls /sys/bus/pci/devices/${pf}/net) vf 2 mac ${givenMac} vlan 140
      printf '%s' "${given}" > /tmp/given.xml
      virsh attach-device web1 /tmp/given.xml --persistent`);
    const out = await apply("six", 3, "--hand-over");
    assert.match(JSON.stringify(out.json), /attach 0000:01:00\.0\/vf2 --to libvirt:web1\/ALIAS/);
    const adopt = `attach ${pf}/vf2 --to libvirt:web1/net2 --yes`;
    const { outcome, mac: found, vlan, scope } = (await lab.sriovctl(0, adopt)).json;
    assert.deepEqual([outcome, found, vlan.id, scope], ["adopted", givenMac, 140, "both"]);
    await apply("six", 0, "--hand-over");
    const has = `cat /sys/bus/pci/devices/${pf}/sriov_numvfs
      ip link show $(ls /sys/bus/pci/devices/${pf}/net) | grep -c 'vf 2 .*${givenMac}.*vlan 140'
      virsh dumpxml web1 | grep -c ua-net2; virsh dumpxml --inactive web1 | grep -c ua-net2`;
    assert.equal(await script(has), "6\n1\n1\n1\n");
  });
});
