// The package on a machine that boots: installed by apt, enabled, and then what happens to hosts.
// Reboots, absent and late PFs, reloaded drivers, broken and conflicting specs, power cuts, a session
// that is killed, and the way out: one story of one machine.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { labPackage, labImage } from "./package-image.ts";
import { bootSkipReason } from "./boot-unavailable.ts";
import { leftMac, Machine, rightMac, withoutRight } from "./machine.ts";

const left = "0000:01:00.0";
const right = "0000:02:00.0";
const devices = "/sys/bus/pci/devices";

const spec = `apiVersion: sriovctl/v1
defaults: { unassigned: none }
adapters:
  - name: left
    physicalFunctions:
      - { name: left, match: { permanentMac: "${leftMac}" }, numVfs: 3 }
  - name: right
    physicalFunctions:
      - { name: right, match: { permanentMac: "${rightMac}" }, numVfs: 2 }
virtualFunctions:
  - { vfs: left/0, driver: vfio-pci, mac: "52:54:00:bb:00:01", vlan: 100 }
  - { vfs: left/1, driver: kernel, mac: "52:54:00:bb:00:02", vlan: 120 }
  - { vfs: right/0-1, driver: vfio-pci, spoofCheck: on }
`;

/** The second igb again, and otherwise than the first file has it. */
const conflicting = `apiVersion: sriovctl/v1
adapters:
  - name: right
    physicalFunctions:
      - { name: right, match: { permanentMac: "${rightMac}" }, numVfs: 4 }
`;

const rightState = `grep -A2 '"right"' /var/lib/sriovctl/linux/unattended.json | grep -oE 'applied|missing|failed'`;
const counts = `cat ${devices}/${left}/sriov_numvfs ${devices}/${right}/sriov_numvfs 2> /dev/null | xargs`;
const policy = `ip link show dev $(ls ${devices}/${left}/net) | grep -o 'vf [01] .*vlan [0-9]*' |
  sed 's/link.ether //; s/ brd [^,]*//'`;
const wantedPolicy = `vf 0     52:54:00:bb:00:01, vlan 100
vf 1     52:54:00:bb:00:02, vlan 120`;
const applied = "systemctl show -p Result --value sriovctl-apply.service";
const journal = "journalctl -b -u sriovctl-apply.service -o cat --no-pager";

const lastOutcome = "sriovctl history | awk 'NR == 2 { print $4 }'";

/** Records, between network-pre.target and the network managers, what they would find. */
const probeUnit = `[Unit]
DefaultDependencies=no
After=network-pre.target
Before=network.target systemd-networkd.service NetworkManager.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c '${counts} > /run/probe'
[Install]
WantedBy=multi-user.target
`;

suite("boot", { skip: bootSkipReason() }, () => {
  const directory = mkdtempSync(join(tmpdir(), "sriovctl-boot-"));
  let machine: Machine;

  before(() => {
    machine = new Machine(labImage(directory, labPackage()), join(directory, "disk.img"));
  });
  after(async () => {
    await machine?.cut();
    rmSync(directory, { recursive: true, force: true });
  });

  const unattended = async (): Promise<Record<string, string>> => {
    const result = await machine.json("cat /var/lib/sriovctl/linux/unattended.json");
    const pfs: { name: string; state: string }[] = result.physicalFunctions;
    return Object.fromEntries(pfs.map(({ name, state }) => [name, state]));
  };

  test("apt has installed it: nothing is enabled, nothing runs, enable says what it does", async () => {
    await machine.boot();
    assert.match(await machine.sh("sriovctl --version"), /^sriovctl \d+\.\d+\.\d+/);
    assert.equal(await machine.sh("systemctl is-enabled sriovctl-apply.service"), "disabled");
    await machine.write("/etc/sriovctl/host.yaml", spec);
    await machine.write("/etc/systemd/system/lab-probe.service", probeUnit);
    await machine.sh("systemctl enable lab-probe.service");
    const shown = await machine.sh("sriovctl enable --dry-run");
    assert.match(shown, /sriovctl-apply\.service/);
    assert.equal(await machine.sh("systemctl is-enabled sriovctl-apply.service"), "disabled");
    await machine.lab.check("sriovctl enable");
    assert.equal(await machine.sh("systemctl is-enabled sriovctl-apply.service"), "enabled");
    assert.equal(await machine.sh(counts), "0 0", "enabling changes no device");
    await machine.powerOff();
  });

  test("after a boot the VFs are there with their policy before any network manager", async () => {
    await machine.boot();
    assert.equal(await machine.sh(applied), "success", await machine.sh(journal));
    assert.equal(await machine.sh("cat /run/probe"), "3 2");
    assert.equal(await machine.sh(policy), wantedPolicy);
    // udev may have been late with the PFs' own units, which then found nothing to do.
    const states = new Set(Object.values(await unattended()));
    assert.deepEqual(states.difference(new Set(["applied", "unchanged"])), new Set());
    assert.equal(
      await machine.sh("sriovctl drift -f /etc/sriovctl/host.yaml > /dev/null; echo $?"),
      "0",
    );
    assert.equal(await machine.sh("systemctl --failed --no-legend"), "");
    console.log(await machine.sh("systemd-analyze blame --no-pager | grep -E 'sriovctl|udev'"));
  });

  test("a PF whose driver is loaded again gets its VFs back", async () => {
    await machine.lab.check("sriovctl list > /dev/null; modprobe -r igb; modprobe igb");
    assert.equal(
      await machine.until("3 2", counts),
      "3 2",
      await machine.sh("journalctl -b -o cat -u 'sriovctl-apply@*'"),
    );
    assert.equal(await machine.until(wantedPolicy, policy), wantedPolicy);
  });

  test("an unconfirmed change goes back although its session was killed", async () => {
    const three = spec.replace("numVfs: 2", "numVfs: 1").replace("right/0-1", "right/0");
    await machine.write("/root/one.yaml", three);
    const session = await machine.lab.run(
      `systemd-run --unit=session --service-type=exec -p KillMode=control-group -q
       bash -c 'sriovctl apply --yes --confirm-within 20s -f /root/one.yaml; sleep 1000'`.replace(
        "\n",
        " ",
      ),
    );
    assert.equal(session.exitCode, 0, session.stderr);
    assert.equal(await machine.until("3 1", counts), "3 1");
    await machine.sh("systemctl kill -s KILL session.service");
    assert.match(await machine.sh("sriovctl list 2>&1 > /dev/null"), /Unconfirmed/);
    assert.equal(await machine.until("undone", lastOutcome, 90_000), "undone");
    assert.equal(await machine.sh(counts), "3 2");
  });

  test("a second boot is like the first", async () => {
    await machine.powerOff();
    await machine.boot();
    assert.equal(await machine.sh("cat /run/probe"), "3 2", await machine.sh(journal));
    assert.equal(await machine.sh(policy), wantedPolicy);
    await machine.powerOff();
  });

  test("a PF that is missing stops nobody else, and gets its VFs when it comes", async () => {
    await machine.boot(withoutRight);
    assert.equal(await machine.sh(applied), "exit-code");
    assert.deepEqual(await unattended(), { left: "applied", right: "missing" });
    assert.equal(await machine.sh(policy), wantedPolicy);
    await machine.lab.qmp("netdev_add", { type: "hubport", id: "late", hubid: 0 });
    await machine.lab.qmp("device_add", {
      driver: "igb",
      id: "late-igb",
      bus: "port1",
      addr: "0.0",
      netdev: "late",
      mac: rightMac,
    });
    const numVfs = `cat ${devices}/0000:02:00.0/sriov_numvfs`;
    assert.equal(
      await machine.until("2", numVfs, 90_000),
      "2",
      await machine.sh("journalctl -b -o cat -u 'sriovctl-apply@*'"),
    );
    assert.equal(await machine.until("applied", rightState), "applied");
    await machine.powerOff();
  });

  test("a broken spec stops nobody else's adapter, and the reason is in the journal", async () => {
    await machine.boot();
    await machine.write("/etc/sriovctl/broken.yaml", "apiVersion: sriovctl/v1\nadapers: []\n");
    await machine.write("/etc/sriovctl/other.yaml", conflicting);
    await machine.powerOff();
    await machine.boot();
    const said = await machine.sh(journal);
    assert.match(said, /broken\.yaml:2:1/);
    assert.match(said, /other\.yaml/);
    assert.equal(await machine.sh(counts), "3 0", said);
    assert.equal(await machine.sh("systemctl is-active multi-user.target"), "active");
    await machine.sh("rm /etc/sriovctl/broken.yaml /etc/sriovctl/other.yaml; sync");
    await machine.powerOff();
  });

  test("power cuts in the middle of a boot's apply leave nothing that the next boot minds", async () => {
    await machine.start();
    const dropIn = "/etc/systemd/system/sriovctl-apply.service.d/lab.conf";
    await machine.write(
      dropIn,
      '[Service]\nExecStartPre=/bin/sh -c "echo apply begins > /dev/ttyS0"\n',
    );
    await machine.powerOff();
    for (let cut = 0; cut < 10; cut++) {
      const started = machine.start();
      await machine.whenConsoleSays("apply begins");
      await sleep(Math.random() * 20_000);
      await machine.cut();
      await started.catch(() => undefined);
    }
    await machine.boot();
    assert.equal(await machine.sh(applied), "success", await machine.sh(journal));
    assert.equal(await machine.sh("cat /run/probe"), "3 2");
    assert.equal(await machine.sh(policy), wantedPolicy);
    console.log(await machine.sh("sriovctl history"));
  });

  test("purge leaves nothing behind", async () => {
    await machine.sh("sriovctl disable; apt-get purge -y sriovctl");
    const left =
      "find / -xdev -iname '*sriovctl*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' -not -name lab.conf";
    const found = (await machine.sh(left))
      .split("\n")
      .filter((path) => !path.endsWith("service.d"));
    assert.deepEqual(
      found.filter((path) => path !== ""),
      [],
    );
    assert.equal(await machine.sh("systemctl --failed --no-legend"), "");
    assert.equal(await machine.sh(counts), "3 2", "the VFs stay as they are");
  });
});
