// Guests of a real libvirt get VFs of a real kernel, with our hook as `enable` installs it: what the
// hook sets and when, what refuses a start, what never does. Proxmox VE is not to be had; its
// hookscript is run by Perl, with what PVE gives it, around a QEMU started as PVE does.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labSkipReason } from "./lab-unavailable.ts";
import { addressXml, domainXml, startLibvirt } from "./libvirt.ts";
import { type ProgramLab, bootProgramLab } from "./program-in-lab.ts";
import { smallTopology } from "./topology.ts";

const pf = "0000:01:00.0";
const devices = "/sys/bus/pci/devices";
const program = "/opt/sriovctl/cli.cjs";
const hook = "/etc/libvirt/hooks/qemu.d/90-sriovctl";

const spec = `
defaults: { unassigned: none }
adapters:
  - physicalFunctions:
      - { name: p0, match: { address: "${pf}" }, numVfs: 4, adminState: up }
virtualFunctions:
  - { vfs: p0/0, driver: vfio-pci, mac: "52:54:00:bb:00:01", vlan: 100, spoofCheck: on, trust: off }
  - { vfs: p0/1, driver: kernel, mac: "52:54:00:bb:00:02", vlan: 120, spoofCheck: on }
  - { vfs: p0/2, mac: "52:54:00:bb:00:03", vlan: 130, spoofCheck: on }
`;

const address = ["01:10.0", "01:10.2", "01:10.4", "01:10.6"] as const;

const hostdev = (vf: string, managed: "yes" | "no"): string =>
  `<hostdev mode='subsystem' type='pci' managed='${managed}'>
    <source>${addressXml(vf)}</source></hostdev>`;

/** No more than what is needed to tell that a guest's time left its marks. */
const spoiled = "vlan 7 spoofchk off";

/** What PVE::Tools::run_command() is to a hookscript: no input, lines of output passed on, the exit
 * code as an exception. */
const runCommand = `use strict; use warnings; use IPC::Open3; use Symbol 'gensym';
my $pid = open3(my $in, my $out, my $err = gensym, @ARGV);
close $in;
print while <$out>;
print STDERR $_ while <$err>;
waitpid($pid, 0);
die "command '@ARGV' failed: exit code " . ($? >> 8) . "\\n" if $?;
`;

const timeoutMs = 240_000;

suite("guests' hooks", { skip: labSkipReason() }, () => {
  let lab: ProgramLab;

  const script = (lines: string): Promise<string> => lab.lab.check(lines, { timeoutMs });
  const write = async (path: string, text: string): Promise<void> => {
    writeFileSync(join(lab.lab.resultsDirectory, "file"), text);
    await script(`mkdir -p $(dirname ${path}); cp /results/file ${path}`);
  };

  before(async () => {
    lab = await bootProgramLab(["igb", "igbvf", "vfio-pci"], smallTopology);
    await write("/etc/sriovctl/host.yaml", `apiVersion: sriovctl/v1\n${spec}`);
    await lab.sriovctl(0, "apply --yes -f /etc/sriovctl/host.yaml");
    await lab.sriovctl(0, "enable --libvirt-hook --pve-hookscript");
    // Software emulation is twenty times slower: the limit itself has a test of its own.
    await script(`cp ${hook} /root/hook
      sed -i 's/-k 5 10/-k 60 120/' ${hook} /var/lib/vz/snippets/sriovctl`);
    await startLibvirt(lab.lab);
    const guests: Readonly<Record<string, string>> = {
      plain: hostdev(address[0], "no"),
      managed: hostdev(address[1], "yes"),
      pooled: `<interface type='network'>
        <mac address='52:54:00:bb:00:02'/><source network='pool'/></interface>`,
      other: `<interface type='hostdev' managed='yes'><mac address='52:54:00:bb:00:01'/>
        <source>${addressXml(address[0])}</source><vlan><tag id='9'/></vlan></interface>`,
    };
    for (const [name, xml] of Object.entries(guests)) {
      await write(`/root/${name}.xml`, domainXml(name, xml));
    }
    const pool = `<network><name>pool</name><forward mode='hostdev' managed='yes'>
      ${addressXml(address[1])}</forward></network>`;
    await write("/root/pool.xml", pool);
    await script(`virsh net-define /root/pool.xml && virsh net-start pool
      for name in ${Object.keys(guests).join(" ")}; do virsh define /root/$name.xml; done`);
  });
  after(() => lab?.lab.close());

  const policy = async (vfIndex: number): Promise<string> => {
    const line = await script(
      `ip link show dev $(ls ${devices}/${pf}/net) | grep 'vf ${vfIndex} '`,
    );
    const [, mac = "", vlan = "none", spoofCheck = ""] =
      /ether (\S+) (?:.*?vlan (\d+))?.*spoof checking (\w+)/.exec(line) ?? [];
    return `${mac} vlan ${vlan} spoofchk ${spoofCheck}`;
  };
  const wanted = [
    "52:54:00:bb:00:01 vlan 100 spoofchk on",
    "52:54:00:bb:00:02 vlan 120 spoofchk on",
    "52:54:00:bb:00:03 vlan 130 spoofchk on",
  ];
  const driver = async (vfIndex: number): Promise<string> =>
    (await script(`basename $(readlink ${devices}/0000:${address[vfIndex]}/driver)`)).trim();
  const spoil = (vfIndex: number): Promise<string> =>
    script(`ip link set dev $(ls ${devices}/${pf}/net) vf ${vfIndex} ${spoiled}`);
  const virsh = async (words: string) => {
    const startedAt = performance.now();
    const ran = await lab.lab.run(`virsh ${words}`, { timeoutMs });
    const durationMs = Math.round(performance.now() - startedAt);
    console.log(`${durationMs} ms: virsh ${words}`);
    return { ...ran, durationMs };
  };
  const started = async (name: string): Promise<void> => {
    const { exitCode, stderr } = await virsh(`start ${name}`);
    assert.equal(
      exitCode,
      0,
      `${stderr}${await script("tail -n 5 /var/log/libvirt/libvirtd.log")}`,
    );
  };
  const destroyed = async (name: string): Promise<void> => {
    const { exitCode, stderr } = await virsh(`destroy ${name}`);
    assert.equal(exitCode, 0, stderr);
  };
  const refused = async (name: string, words: RegExp): Promise<void> => {
    const { exitCode, stderr } = await virsh(`start ${name}`);
    assert.equal(exitCode, 1);
    assert.match(stderr, words);
    assert.equal((await virsh(`domstate ${name}`)).stdout.trim(), "shut off");
  };
  const noDrift = (): Promise<unknown> => lab.sriovctl(0, "drift -f /etc/sriovctl/host.yaml");

  test("a VF is as specified when its guest runs, and again when it has stopped", async () => {
    await spoil(0);
    await started("plain");
    assert.equal(await policy(0), wanted[0]);
    const inventory = (await lab.sriovctl(0, "list")).json;
    assert.match(JSON.stringify(inventory), /"plain"/, "the census knows whose it is");
    await spoil(0);
    await destroyed("plain");
    assert.equal(await policy(0), wanted[0]);
    assert.match(await script(`node ${program} history`), / done .* hook libvirt plain release/);
    await noDrift();
  });

  test("managed mode takes a VF from its kernel driver and gives it back", async () => {
    assert.equal(await driver(1), "igbvf");
    await started("managed");
    assert.equal(await driver(1), "vfio-pci");
    assert.equal(await policy(1), wanted[1]);
    await destroyed("managed");
    assert.equal(await driver(1), "igbvf");
    await noDrift();
  });

  test("a start is refused when the XML and the spec say different VLANs", async () => {
    await refused("other", /p0\/0 is to have VLAN 100: the domain's XML sets VLAN 9/);
    await noDrift();
  });

  test("a VF that libvirt takes from a pool is as specified, although its XML has no VLAN", async () => {
    await spoil(1);
    await started("pooled");
    assert.equal(await driver(1), "vfio-pci");
    assert.equal(await policy(1), wanted[1]);
    await spoil(1);
    await destroyed("pooled");
    assert.equal(await driver(1), "igbvf");
    await noDrift();
  });

  test("a broken sriovctl holds a start up for 15 s and no longer, and a strict hook refuses", async () => {
    const hanging = `process.on("SIGTERM", () => {});
      if (process.argv.includes("prepare")) setInterval(() => {}, 1000); else process.exit(1);`;
    await script(`mv ${program} /root/cli.cjs; cp /root/hook ${hook}`);
    await write(program, hanging);
    const { exitCode, stderr, durationMs } = await virsh("start plain");
    assert.equal(exitCode, 0, stderr);
    assert.ok(durationMs > 15_000 && durationMs < 60_000, `${durationMs} ms`);
    await destroyed("plain");
    await script(`mv /root/cli.cjs ${program}; mv /etc/sriovctl/host.yaml /root/`);
    await write("/etc/sriovctl/host.yaml", "adapers: []");
    await lab.sriovctl(0, "enable --libvirt-hook --strict");
    await refused("plain", /hook for plain prepare did not work .*so the guest is not started/);
    await script(`mv /root/host.yaml /etc/sriovctl/; cp /root/hook ${hook}`);
  });

  test("Proxmox VE's hookscript sets a VF, and new_id binds it as ever", async () => {
    await write("/etc/pve/qemu-server/101.conf", `hostpci0: 0000:${address[2]},pcie=1\n`);
    await write("/root/run-command.pl", runCommand);
    const phase = (name: string) =>
      lab.lab.run(
        `env -i PATH=/sbin:/bin:/usr/sbin:/usr/bin LVM_SUPPRESS_FD_WARNINGS=1 \
        perl /root/run-command.pl /var/lib/vz/snippets/sriovctl 101 ${name}`,
        { timeoutMs },
      );
    const passed = async (name: string): Promise<void> => {
      const { exitCode, stdout, stderr } = await phase(name);
      assert.equal(exitCode, 0, `${stdout}${stderr}`);
    };
    await spoil(2);
    await passed("pre-start");
    assert.equal(await policy(2), wanted[2]);
    assert.equal(await driver(2), "igbvf");
    await script(
      `cd ${devices}/0000:${address[2]}
      echo 8086 10ca > /sys/bus/pci/drivers/vfio-pci/new_id
      echo 0000:${address[2]} > driver/unbind
      [ -e driver ] || echo 0000:${address[2]} > /sys/bus/pci/drivers/vfio-pci/bind
      echo 1 > reset
      qemu-system-x86_64 -machine q35 -m 64 -nodefaults -display none -daemonize \\
        -pidfile /run/101.pid -device vfio-pci,host=0000:${address[2]},id=hostpci0`,
    );
    await passed("post-start");
    await passed("pre-stop");
    await spoil(2);
    await script("kill $(cat /run/101.pid); while [ -e /run/101.pid ]; do sleep 0.1; done");
    await passed("post-stop");
    assert.equal(await policy(2), wanted[2]);
    await script("echo 'assign: [{ to: pve:101/hostpci0, vf: p0/3 }]' >> /etc/sriovctl/host.yaml");
    const { exitCode, stdout, stderr } = await phase("pre-start");
    assert.notEqual(exitCode, 0, stdout);
    assert.match(stderr, /its hostpci0 is 0000:01:10\.4, wanted p0\/3 \(0000:01:10\.6\)/);
    assert.match(stderr, /failed: exit code 1/);
    await script("sed -i '$d' /etc/sriovctl/host.yaml");
  });

  test("VFs made while new_id is in force get the driver that the spec names", async () => {
    await script(`rmmod igbvf; modprobe igbvf
      sed -i 's/driver: kernel/driver: igbvf/' /etc/sriovctl/host.yaml
      echo 0 > ${devices}/${pf}/sriov_numvfs`);
    await lab.sriovctl(0, "apply --yes -f /etc/sriovctl/host.yaml");
    await noDrift();
    assert.equal(await driver(1), "igbvf");
  });
});
