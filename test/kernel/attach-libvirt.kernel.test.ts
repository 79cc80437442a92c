// VFs of a real kernel go into domains of a real libvirt and out of them, in each form and scope: what the
// PF and the domain's XML say, what libvirt's restart and a guest that does not listen change, and who
// refuses what, in which words. Long because one lab is booted for all of it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { build } from "esbuild";
import type { Plug } from "../../src/model/plug.ts";
import { plugTo } from "../plug-to.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import type { PlugStep } from "./plug.ts";
import { domainXml, rootPortsXml, startLibvirt, startListeningDomain } from "./libvirt.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { type LabTopology, fullTopology, smallTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const address = ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4", "0000:01:10.6"] as const;

/** Without ACS on the port above it: in one IOMMU group with its VFs. */
const pfWithoutAcs = "0000:04:00.0";
const grouped = "0000:04:10.0";

const topology: LabTopology = {
  ...smallTopology,
  slots: [...smallTopology.slots, ...fullTopology.slots.filter(({ id }) => id === "noacs")],
};

const spec = `
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "${pf}" }, numVfs: 4, adminState: up }
virtualFunctions:
  - { vfs: p0/0-2, driver: vfio-pci }
pools:
  - { name: pool, vfs: [p0/3], driver: vfio-pci, vlan: 130 }
`;

const vf = `${pf}/vf1`;

const timeoutMs = 240_000;

suite("attaching to libvirt", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;

  const script = (lines: string): Promise<string> => lab.lab.check(lines, { timeoutMs });
  const write = (name: string, data: string | Buffer): void =>
    writeFileSync(join(lab.lab.resultsDirectory, name), data);

  before(async () => {
    // Processors in emulation can emulate others: with KVM a domain's guest has a time of its own.
    lab = await bootProgramLab(["igb", "igbvf", "vfio-pci", "kvm_amd"], topology);
    await lab.sriovctl(0, `apply --yes -f ${lab.spec("host.yaml", spec)}`);
    await startLibvirt(lab.lab);
    await startListeningDomain(lab.lab, "web1", "kvm");
    write("deaf.xml", domainXml("deaf", rootPortsXml));
    await script("virsh define /results/deaf.xml && virsh start deaf");
    // One file: opening a hundred takes seconds in there.
    await build({
      entryPoints: [join(import.meta.dirname, "plug.ts")],
      outfile: join(lab.lab.resultsDirectory, "plug.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
    });
  });
  after(() => lab?.lab.close());

  const plugOf = (name: string, vfIndex: number, more: Partial<Plug> = {}): Plug => {
    const place = { pf, vfIndex, vf: address[vfIndex] ?? "" };
    const to = `libvirt:${name}/vf${vfIndex}`;
    return plugTo(to, { ...place, scope: "both", form: "hostdev", ...more });
  };
  /** What each step comes to. */
  const asked = async (...steps: readonly PlugStep[]): Promise<Json[]> => {
    const run = await lab.lab.run(["node", "/results/plug.mjs", JSON.stringify(steps)], {
      timeoutMs,
    });
    console.log(run.stderr.trimEnd());
    assert.equal(run.exitCode, 0, run.stderr);
    return JSON.parse(run.stdout);
  };
  const sides = ({ isLive, isPersistent }: Json) => [isLive, isPersistent];
  const definition = (name: string): PlugStep => ["run", `virsh dumpxml --inactive ${name}`];
  const restartBy = (prefix: string): PlugStep => [
    "run",
    `kill $(cat /run/libvirtd.pid); while [ -e /run/libvirtd.pid ]; do sleep 0.1; done
    ${prefix} libvirtd -d; virsh list`,
  ];
  const restart = restartBy("");
  const policy = (vfIndex: number): PlugStep => [
    "run",
    `ip link show dev $(ls /sys/bus/pci/devices/${pf}/net) |
    sed -nE 's/^ *vf ${vfIndex} *link.ether (\\S+) brd [0-9a-f:]+(, vlan [0-9]+)?.*/\\1\\2/p'`,
  ];

  const done = { status: "done" };

  test("a hostdev, in the definition and alive, over a restart of libvirt, and gone to the byte", async () => {
    const plug = plugOf("web1", 0);
    const [was, problems, kept, both, , again, gone, after, is] = await asked(
      definition("web1"),
      ["check", plug],
      ["plug", { ...plug, scope: "persistent" }],
      ["plug", plug],
      restart,
      ["plug", plug],
      ["unplug", plug],
      ["look", plug],
      definition("web1"),
    );
    assert.deepEqual([problems, sides(kept), sides(both)], [[], [false, true], [true, true]]);
    assert.deepEqual([sides(again), gone, sides(after)], [[true, true], done, [false, false]]);
    assert.equal(is, was);
  });

  test("an interface: libvirt sets MAC and VLAN, and takes them back", async () => {
    const plug = plugOf("web1", 1, {
      form: "interface",
      mac: "52:54:00:bb:00:01",
      vlan: { id: 100, qos: 0, protocol: "802.1q" },
    });
    const [was, live, set, during, both, , gone, unset, is] = await asked(
      definition("web1"),
      ["plug", { ...plug, scope: "live" }],
      policy(1),
      definition("web1"),
      ["plug", plug],
      restart,
      ["unplug", plug],
      policy(1),
      definition("web1"),
    );
    assert.deepEqual(
      [sides(live), sides(both)],
      [
        [true, false],
        [true, true],
      ],
    );
    assert.deepEqual([live.mac, live.vlan.id], [plug.mac, 100]);
    assert.deepEqual([during, is], [was, was]);
    assert.equal(set, "52:54:00:bb:00:01, vlan 100\n");
    assert.deepEqual([gone, unset], [done, "00:00:00:00:00:00\n"]);
  });

  test("a VF of another domain is refused naming it, and a lack of ports before anything", async () => {
    const live = (vfIndex: number) => plugOf("web1", vfIndex, { scope: "live" });
    const [plugged, refused, , , full, noPort, ...gone] = await asked(
      ["plug", live(0)],
      ["plug", plugOf("deaf", 0, { scope: "live" })],
      ["plug", live(1)],
      ["plug", live(2)],
      ["check", live(3)],
      ["plug", live(3)],
      ["unplug", live(1)],
      ["unplug", live(2)],
    );
    assert.deepEqual(sides(plugged), [true, false]);
    const why = "0000:01:10.0 is in use by domain web1";
    assert.equal(refused.message, `Cannot attach VF 0000:01:10.0 to libvirt:deaf/vf0: ${why}`);
    assert.match(full[0].message, /all of its 3 PCI Express root ports are taken$/);
    assert.match(noPort.message, /the domain has no free port that takes a device while it runs$/);
    assert.deepEqual(gone, [done, done]);
  });

  test("a PF is not resized while a domain has a VF of it, but with consent", async () => {
    const resized = lab.spec("more.yaml", spec.replace("numVfs: 4", "numVfs: 5"));
    const { json } = await lab.sriovctl(3, `apply --yes -f ${resized}`);
    assert.match(JSON.stringify(json), /vm:web1/);
    await lab.sriovctl(0, `apply --yes --allow-disruption vm:web1 -f ${resized}`);
    const [gone] = await asked(["look", plugOf("web1", 0)]);
    assert.equal(gone.isLive, false, "its guest has let go");
  });

  test("what stands in the way is seen before, or told in a sentence when libvirt or QEMU say it", async () => {
    const fixedPorts = rootPortsXml.replaceAll(
      "-port'/>",
      "-port'><target hotplug='off'/></controller>",
    );
    write("fixed.xml", domainXml("fixed", fixedPorts));
    write("isapc.xml", domainXml("isapc", "", { machine: "isapc" }));
    await script(`virsh define /results/isapc.xml; virsh define /results/fixed.xml
      virsh start --paused fixed; cd /sys/bus/pci/devices
      echo 0 > ${pfWithoutAcs}/sriov_drivers_autoprobe; echo 1 > ${pfWithoutAcs}/sriov_numvfs
      echo vfio-pci > ${grouped}/driver_override; echo ${grouped} > /sys/bus/pci/drivers_probe`);
    const fixed = plugOf("fixed", 1, { scope: "live" });
    // What libvirt sees of a VF while it vanishes: the kernel takes `vendor` away before `config`.
    const folder = `$(readlink -f /sys/bus/pci/devices/${address[2]})`;
    const vf2 = (name: string): Plug => plugOf(name, 2, { scope: "live" });
    const [, , lost, , stale, ports, noPort, machine, group, , memory] = await asked(
      ["plug", vf2("web1")],
      ["run", `d=${folder}; mount -t tmpfs none $d; touch $d/config`],
      ["unplug", vf2("web1")],
      ["run", `umount ${folder}`],
      ["plug", vf2("deaf")],
      ["check", fixed],
      ["plug", fixed],
      ["check", plugOf("isapc", 2, { scope: "persistent" })],
      ["plug", plugOf("deaf", 2, { scope: "live", pf: pfWithoutAcs, vf: grouped })],
      restartBy("setpriv --bounding-set=-sys_resource"),
      ["plug", vf2("deaf")],
      restart,
      ["run", "virsh destroy fixed"],
    );
    assert.deepEqual(lost, done);
    assert.match(stale.message, /libvirt still counts it as domain web1's, which has it no more$/);
    assert.match(ports[0].message, /^it runs, and all of its free ports have hotplug='off'$/);
    assert.match(
      noPort.message,
      /: the domain has no free port that takes a device while it runs$/,
    );
    assert.match(machine[0].message, /^its machine type isapc has no PCI Express/);
    assert.match(group.message, /: IOMMU group \d+ is not viable: another function/);
    assert.match(memory.message, /: the domain may not lock all of its memory, which a VF pins$/);
  });

  test("a guest that does not listen keeps its VF, until it stops", async () => {
    // Not the VF that the resize tore out of web1.
    const plug = plugOf("deaf", 2);
    const [plugged, ignored, kept, , stopped, gone] = await asked(
      ["plug", plug],
      ["unplug", plug, 3000],
      ["look", plug],
      ["run", "virsh destroy deaf"],
      ["look", plug],
      ["unplug", plug],
    );
    assert.deepEqual(
      [sides(plugged), sides(kept)],
      [
        [true, true],
        [true, false],
      ],
    );
    assert.equal(ignored.status, "pending");
    assert.match(ignored.message, /its guest was asked for ua-vf2 and has not let go in 3 s$/);
    assert.deepEqual([sides(stopped), gone], [[null, false], done]);
  });

  test("a paused guest lets go when it goes on", async () => {
    const plug = plugOf("web1", 2, { scope: "live" });
    const [, , paused, , gone] = await asked(
      ["plug", plug],
      ["run", "virsh suspend web1"],
      ["unplug", plug, 1000],
      ["run", "virsh resume web1"],
      ["unplug", plug],
    );
    assert.match(paused.message, /it is paused \(user\), and asked for ua-vf2$/);
    assert.deepEqual(gone, done);
  });

  test("a pool of the spec is a network of libvirt, whose VF has the pool's VLAN", async () => {
    const nic = `<interface type='network'><mac address='52:54:00:bb:00:03'/>
      <source network='pool'/><alias name='ua-net0'/></interface>`;
    write("nic.xml", nic);
    const define = async (file: string): Promise<string[]> => {
      const { json } = await lab.sriovctl(0, `export --to libvirt-network --define -f ${file}`);
      return json.networks.map((network: Json) => network.outcome);
    };
    assert.deepEqual(await define("/results/host.yaml"), ["created"]);
    assert.deepEqual(await define("/results/host.yaml"), ["unchanged"]);
    const elsewhere = plugOf("web1", 2, { endpoint: "qemu+unix:///system?socket=/nowhere" });
    const [, set, nobody, unreachable] = await asked(
      ["run", "virsh attach-device web1 /results/nic.xml --live"],
      policy(3),
      ["plug", plugOf("nobody", 2)],
      ["check", elsewhere],
    );
    const other = lab.spec("other.yaml", spec.replace("vlan: 130", "vlan: 131"));
    assert.deepEqual(await define(other), ["waiting"], "a guest uses it");
    assert.equal(set, "52:54:00:bb:00:03, vlan 130\n");
    assert.equal(nobody.code, "not-found");
    assert.match(nobody.message, /libvirt:nobody: there is no such domain$/);
    assert.match(unreachable.message, /libvirt does not answer$/);
  });

  test("a domain that is started with its VF has it as the lease says, and lets go of it", async () => {
    const to = "--to libvirt:web1/net1 --form interface --mac 52:54:00:bb:00:11 --vlan 140";
    const { json } = await lab.sriovctl(0, `attach ${vf} ${to} --live --persistent --yes`);
    assert.deepEqual([...sides(json), json.lease.state], [true, true, "attached"]);
    // What the PF has when the domain starts is neither old nor new: libvirt sets what was asked for.
    await script(`virsh destroy web1
      ip link set dev $(ls /sys/bus/pci/devices/${pf}/net) vf 1 mac 52:54:00:bb:00:99 vlan 99
      virsh start web1`);
    assert.deepEqual(await asked(policy(1)), ["52:54:00:bb:00:11, vlan 140\n"]);
    assert.equal((await lab.sriovctl(0, `attach ${vf} ${to} --yes`)).json.outcome, "nothing-to-do");
    const refused = await lab.sriovctl(3, `attach ${vf} --to libvirt:deaf/net1 --yes`);
    assert.match(JSON.stringify(refused.json), /libvirt:web1\/net1/);
    const { detached } = (await lab.sriovctl(0, "detach libvirt:web1/net1 --yes")).json;
    assert.deepEqual(
      detached.map(({ outcome, lease }: Json) => [outcome, lease.state]),
      [["done", "free"]],
    );
    const [set, xml] = await asked(policy(1), definition("web1"));
    assert.equal(set, "00:00:00:00:00:00\n");
    assert.doesNotMatch(xml, /ua-net1/);
  });

  test("a VF whose domain is defined no more is free when its leases are reconciled", async () => {
    await lab.sriovctl(0, `attach ${vf} --to libvirt:deaf/net1 --mac 52:54:00:bb:00:13 --yes`);
    await script("virsh undefine deaf");
    const { json, stderr } = await lab.sriovctl(0, "lease reconcile --yes");
    const lease = json.leases.find((one: Json) => one.vf === vf);
    assert.deepEqual([lease.state, lease.reason], ["free", "clean"], stderr);
    assert.deepEqual(await asked(policy(1)), ["00:00:00:00:00:00\n"]);
  });
});
