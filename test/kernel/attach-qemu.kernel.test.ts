// VFs in guests of plain QEMU, by `sriovctl attach` and `detach` on a real kernel: the guest's own
// driver finds the VF with its MAC, its frames carry the VLAN on the wire, it lets go when asked, and
// what it tries on the PF's settings changes nothing. And QEMU starts with what qemu-args prints.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { decodeFunction } from "../../src/pci/decode-function.ts";
import { type LabGuest, startGuest, startMachine } from "./guest-in-lab.ts";
import { monitorArguments } from "./guest-vm.ts";
import { labSkipReason } from "./lab-unavailable.ts";
import { listeningGuestRom } from "./listening-guest.ts";
import { type Json, type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const devices = "/sys/bus/pci/devices";
const pf = "0000:01:00.0";
const vfs = ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4"] as const;
const macs = ["02:00:00:00:00:10", "02:00:00:00:00:11"] as const;

const specText = `
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { address: "${pf}" }, adminState: up, numVfs: 3 }
pools:
  - { name: guests, vfs: left/0-2, driver: vfio-pci }
`;

/** The wire's other end, which hears VLAN 100 apart from what has no tag. */
const setUpWire = `
  wire=$(basename $(dirname $(grep -l 52:54:00:cc:00:00 /sys/class/net/*/address)))
  ip link set $wire name wire; ip link set wire up; ip addr add 10.8.0.1/24 dev wire
  ip link add link wire name wire.100 type vlan id 100
  ip link set wire.100 up; ip addr add 10.9.0.1/24 dev wire.100`;

/** Waits for a netdev with this MAC and the guest's driver, and prints its name. With builtins of the
 * shell only: programs that start would keep the guest, and the lab, from what is waited for. */
const awaitNetdev = (mac: string, driver = "pci/drivers/igbvf"): string => `
  for i in $(seq 60); do
    for net in /sys/bus/${driver}/*/net/*; do
      read -r address < $net/address && [ $address = ${mac} ] && echo \${net##*/} && exit
    done 2> /dev/null
    sleep 0.5
  done
  ls -l /sys/class/net; dmesg; exit 1`;

suite("VFs in guests of QEMU", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;
  let guest: LabGuest;
  let spec = "";
  before(async () => {
    lab = await bootProgramLab(
      ["igb", "vfio-pci", "virtio_net", "8021q", "kvm_amd"],
      smallTopology,
    );
    await lab.lab.check(`mkdir -p /var/lib/sriovctl; ${setUpWire}`);
    spec = lab.spec("pool.yaml", specText);
    await lab.sriovctl(0, `apply --yes -f ${spec}`);
    guest = await startGuest(lab.lab, "web1");
  });
  after(() => lab?.lab.close());

  const attach = async (expected: number, words: string): Promise<Json> => {
    const socket = `--socket ${guest.directory}/qmp.sock`;
    return (await lab.sriovctl(expected, `attach ${words} ${socket} -f ${spec} --yes`)).json;
  };
  const detach = async (expected: number, what: string): Promise<Json> =>
    (await lab.sriovctl(expected, `detach ${what} -f ${spec} --yes`)).json;

  const netdevOf = async (mac: string): Promise<string> =>
    (await guest.check(awaitNetdev(mac))).trim();

  /** What the PF is set to do with its VFs, by the word of `ip`. */
  const byIp = async (): Promise<Json> => {
    const [link] = await lab.read(`ip -d -j link show dev $(ls ${devices}/${pf}/net)`);
    return link.vfinfo_list;
  };

  const states = async (): Promise<string[]> => {
    const { leases } = (await lab.sriovctl(0, `lease ls -f ${spec}`)).json;
    return leases.map(({ vf, state, holder }: Json) => `${vf} ${state} ${holder}`);
  };

  test("the guest's igbvf has the VF with its MAC, and its frames the VLAN", async () => {
    await attach(0, `${pf}/vf0 --to qemu:web1/net1 --mac ${macs[0]} --vlan 100`);
    const name = await netdevOf(macs[0]);
    const printed = await guest.check(`
      ip link set ${name} up; ip addr add 10.9.0.10/24 dev ${name}; ip addr add 10.8.0.10/24 dev ${name}
      for i in $(seq 20); do
        read -r state < /sys/class/net/${name}/operstate; [ $state = up ] && break; sleep 0.5
      done
      ping -c 3 -W 3 10.9.0.1 > /dev/null && echo reached in the VLAN
      ping -c 1 -W 1 10.8.0.1 > /dev/null || echo not outside`);
    assert.equal(printed, "reached in the VLAN\nnot outside\n");
  });

  test("what the guest tries on the PF's settings is refused, and changes nothing", async () => {
    await lab.lab.check(`ip link set dev $(ls ${devices}/${pf}/net) vf 1 mac ${macs[1]}`);
    const before = await byIp();
    const name = await netdevOf(macs[0]);
    const printed = await guest.check(`
      ip link set ${name} address ${macs[1]} 2>&1
      cat /sys/class/net/${name}/address
      vconfig add ${name} 50 > /dev/null 2>&1; ip link set ${name}.50 up
      ip link set ${name} promisc on
      echo settings: $(find /sys/devices -name 'sriov_*' | grep -c .)
      dd if=/sys/class/net/${name}/device/config bs=512 count=1 2> /dev/null | base64 -w 0`);
    const [refusal, mac, settings, config = ""] = printed.trim().split("\n");
    assert.match(refusal ?? "", /SIOCSIFHWADDR: Cannot assign requested address/);
    assert.deepEqual([mac, settings], [macs[0], "settings: 0"]);
    // All of its list is there: the guest's serial port is too slow for the other 3584 bytes.
    const { extendedCapabilities, problems } = decodeFunction(Buffer.from(config, "base64"));
    assert.ok(extendedCapabilities.length > 0 && problems.length === 0, config);
    // PCI Express 9.3.3: the capability that makes VFs is the PF's alone.
    assert.ok(
      extendedCapabilities.every(({ id }) => id !== 0x10),
      config,
    );
    assert.deepEqual(await byIp(), before);
    const log = await lab.lab.check("dmesg");
    assert.match(log, /VF 0 attempted to override administratively set VLAN/);
  });

  test("a second VF goes into another port; each comes out alone", async () => {
    await attach(0, `--pool guests --to qemu:web1/net2 --mac ${macs[1]}`);
    assert.notEqual(await netdevOf(macs[1]), await netdevOf(macs[0]));
    assert.deepEqual(await states(), [
      `${pf}/vf0 attached qemu:web1/net1`,
      `${pf}/vf1 attached qemu:web1/net2`,
    ]);
    await detach(0, `${pf}/vf0`);
    assert.equal((await guest.run(awaitNetdev(macs[1]))).exitCode, 0);
    assert.doesNotMatch(await guest.check("cat /sys/class/net/eth*/address"), /:10$/m);
    await detach(0, "qemu:web1");
    assert.deepEqual(await guest.run("ls /sys/class/net"), { exitCode: 0, printed: "lo\n" });
    const settings = (await byIp()).map(
      ({ address, vlan_list: [first] }: Json) => `${address} vlan ${first?.vlan ?? "none"}`,
    );
    assert.deepEqual([...new Set(settings)], ["00:00:00:00:00:00 vlan none"]);
  });

  test("a failover pair: the guest enslaves the VF to the virtio NIC that it negotiated", async () => {
    const to = `--to qemu:web1/net1 --mac ${macs[0]}`;
    await guest.qmp("netdev_add", { type: "hubport", id: "hub", hubid: 1 });
    const nic = { driver: "virtio-net-pci", netdev: "hub", id: "standby", bus: "hp3" };
    await guest.qmp("device_add", { ...nic, mac: macs[0], failover: true });
    await guest.check(awaitNetdev(macs[0], "virtio/drivers/virtio_net"));
    assert.ok((await guest.events()).includes("FAILOVER_NEGOTIATED"));
    await attach(0, `${pf}/vf0 ${to} --failover standby`);
    const name = await netdevOf(macs[0]);
    const printed = await guest.check(`
      for i in $(seq 20); do [ -e /sys/class/net/${name}/master ] && break; sleep 0.5; done
      readlink /sys/class/net/${name}/master; dmesg | grep -c 'failover primary slave'`);
    assert.match(printed, /virtio\d+\/net\/eth\d+\n1\n$/);
    await detach(0, "qemu:web1/net1");
    await guest.check(awaitNetdev(macs[0], "virtio/drivers/virtio_net"));
  });

  test("a VF that the VM was given by hand is adopted, and comes out clean", async () => {
    await lab.lab.check(`ip link set dev $(ls ${devices}/${pf}/net) vf 2 mac ${macs[1]}`);
    await guest.qmp("device_add", { driver: "vfio-pci", host: vfs[2], id: "own", bus: "hp1" });
    const adopted = await attach(0, `${pf}/vf2 --to qemu:web1/net3`);
    assert.deepEqual(
      [adopted.outcome, adopted.mac, adopted.device, adopted.scope],
      ["adopted", macs[1], "own", "live"],
    );
    await detach(0, "qemu:web1/net3");
    assert.ok((await states()).every((words) => !words.includes("/vf2 ")));
    assert.equal((await byIp())[2].address, "00:00:00:00:00:00");
  });

  test("QEMU starts with what qemu-args prints, and lets go of it as of what was plugged", async () => {
    await attach(0, `${pf}/vf0 --to qemu:web1/nic0`);
    await guest.end();
    await lab.lab.check(`echo vfio-pci > ${devices}/${vfs[1]}/driver_override
      echo ${vfs[1]} > /sys/bus/pci/drivers_probe`);
    const printed = await lab.lab.check(`${lab.command} qemu-args ${pf}/vf0 ${vfs[1]} --id nic`);
    // Processors in emulation can emulate others: with KVM the guest has a time of its own.
    const machine = "-nodefaults -display none -machine q35 -accel kvm -m 64 -name web1";
    writeFileSync(join(lab.lab.resultsDirectory, "guest.rom"), listeningGuestRom());
    const rom = "-bios /results/guest.rom";
    const sockets = [
      ...monitorArguments(guest.directory),
      `-qmp unix:${guest.directory}/qmp.sock,server=on,wait=off`,
    ];
    const words = [machine, rom, ...sockets, ...printed.trim().split("\n")].join(" ");
    const cold = await startMachine(lab.lab, "web1", words);
    for (const [at, vf] of [vfs[0], vfs[1]].entries()) {
      const path = `/machine/peripheral/nic${at}`;
      assert.equal(await cold.qmp("qom-get", { path, property: "host" }), vf);
      const parent = await cold.qmp("qom-get", { path, property: "parent_bus" });
      assert.equal(parent, `/machine/peripheral/nic${at}-port/nic${at}-port`);
    }
    const { detached } = await detach(0, "qemu:web1/nic0");
    assert.deepEqual(
      detached.map(({ outcome, lease }: Json) => [outcome, lease.state]),
      [["done", "free"]],
    );
    await cold.end();
    const { json } = await lab.sriovctl(2, `qemu-args ${pf}/vf0 --iommufd`);
    assert.match(json.error.message, /Cannot use iommufd/);
  });
});
