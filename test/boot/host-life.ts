// A host from the day it gets the package to the day it loses it: started by hand, a driver reloaded, a
// session lost, network managers beside it that want nothing of it and then some that do, files
// that are wrong. Each test goes on where the one before has left the machine.

import assert from "node:assert/strict";
import { counts, pfs } from "./lab-units.ts";
import { type Machine, type Scene, withThird } from "./machine.ts";
import { applied, journal, lateJournal, policy, spec, unattended, wantedPolicy } from "./specs.ts";

const { left, right, third, nvme } = pfs;

const lentMac = "52:54:00:bb:00:09";

const lastOutcome = "sriovctl history | awk 'NR == 2 { print $4 }'";

const networkdLink = `[Match]
PermanentMACAddress=${right.mac}
[Link]
NamePolicy=keep kernel database onboard slot path
SR-IOVVirtualFunctions=1
`;

const networkManagerProfile = `[connection]
id=third
type=ethernet
[ethernet]
mac-address=${third.mac}
[ipv4]
method=disabled
[ipv6]
method=disabled
[sriov]
total-vfs=1
`;

const card = (adapter: string, match: string, numVfs: number): string => `apiVersion: sriovctl/v1
adapters:
  - name: ${adapter}
    physicalFunctions: [{ name: ${adapter}, match: { ${match} }, numVfs: ${numVfs} }]
`;

const isEnabled = (machine: Machine): Promise<string> =>
  machine.sh("systemctl is-enabled sriovctl-apply.service");

export const hostLife: readonly Scene[] = [
  {
    name: "apt has installed it: nothing is enabled, enable says what it does and does it",
    run: async (machine) => {
      await machine.boot();
      assert.match(await machine.sh("sriovctl --version"), /^sriovctl \d+\.\d+\.\d+/);
      assert.equal(await isEnabled(machine), "disabled");
      await machine.write("/etc/sriovctl/host.yaml", spec);
      assert.match(await machine.sh("sriovctl enable --dry-run"), /sriovctl-apply\.service/);
      assert.equal(await isEnabled(machine), "disabled");
      await machine.lab.check("sriovctl enable");
      assert.equal(await isEnabled(machine), "enabled");
      assert.equal(await machine.sh(counts), "0 0", "enabling changes no device");
    },
  },

  {
    name: "started by hand the unit makes the VFs",
    run: async (machine) => {
      await machine.sh("systemctl start sriovctl-apply.service");
      assert.equal(await machine.sh(applied), "success", await machine.sh(journal));
      assert.equal(await machine.sh(counts), "3 2");
      assert.equal(await machine.sh(policy), wantedPolicy);
    },
  },

  {
    name: "a PF whose driver is loaded again gets its VFs back",
    run: async (machine) => {
      await machine.lab.check("modprobe -r igb; modprobe igb");
      assert.equal(await machine.until("3 2", counts), "3 2", await machine.sh(lateJournal));
      assert.equal(await machine.until(wantedPolicy, policy), wantedPolicy);
    },
  },

  {
    name: "an unconfirmed change goes back although its session was killed with all it had",
    run: async (machine) => {
      const fewer = spec.replace("numVfs: 2", "numVfs: 1").replace("right/0-1", "right/0");
      await machine.write("/root/one.yaml", fewer);
      // PAM makes it a session of logind's, whose KillUserProcesses= is on.
      const command =
        "sriovctl apply --yes --confirm-within 40s -f /root/one.yaml > /root/said 2>&1";
      await machine.sh(
        `setsid su -l root -c 'echo $XDG_SESSION_ID > /root/session; ${command}; exec sleep 1234' &
       until [ -s /root/session ]; do sleep 0.2; done`,
      );
      const scope = "systemctl is-active session-$(cat /root/session).scope";
      assert.equal(await machine.sh(scope), "active");
      const hasEnded = "grep -o 'run sriovctl confirm$' /root/said";
      await machine.until("run sriovctl confirm", hasEnded);
      assert.equal(await machine.sh(counts), "3 1", await machine.sh("cat /root/said"));
      await machine.sh("loginctl terminate-session $(cat /root/session)");
      assert.equal(await machine.until("inactive", scope), "inactive");
      assert.match(await machine.sh("sriovctl list 2>&1 > /dev/null"), /Unconfirmed/);
      assert.equal(await machine.until("undone", lastOutcome), "undone");
      assert.equal(await machine.sh(counts), "3 2");
      await machine.sh("rm /root/one.yaml /root/said /root/session");
    },
  },

  {
    name: "after a boot VFs and policy are there before any network manager",
    run: async (machine) => {
      const everything = "[Match]\nType=ether\n[Network]\nDHCP=ipv4\n";
      await machine.write("/etc/systemd/network/80-all.network", everything);
      await machine.sh(`systemctl enable systemd-networkd NetworkManager
      systemctl disable systemd-networkd-wait-online NetworkManager-wait-online`);
      await machine.powerOff();
      await machine.boot();
      assert.equal(await machine.sh(applied), "success", await machine.sh(journal));
      assert.equal(await machine.sh("cat /run/probe"), "3 2");
      assert.equal(await machine.sh(policy), wantedPolicy);
      // udev may have been late with the PFs' own units, which then found nothing to do.
      const states = new Set(Object.values(await unattended(machine)));
      assert.deepEqual(states.difference(new Set(["applied", "unchanged"])), new Set());
      assert.equal(await machine.sh("systemctl --failed --no-legend"), "");
      console.log(await machine.sh("systemd-analyze blame --no-pager | grep -E 'sriovctl|udev'"));
    },
  },

  {
    name: "networkd and NetworkManager take the host's own VF and leave the others alone",
    run: async (machine) => {
      const managers = ["systemd-networkd", "NetworkManager"];
      for (const name of managers) {
        assert.equal(await machine.until("active", `systemctl is-active ${name}`), "active");
      }
      const stateOf = async (vfIndex: number): Promise<string> => {
        const name = `$(ls ${left.folder}/virtfn${vfIndex}/net)`;
        const networkd = `networkctl list --no-legend ${name} | awk '{ print $5 }'`;
        const manager = `nmcli -g GENERAL.STATE device show ${name} | grep -o unmanaged`;
        return await machine.sh(`${networkd}; ${manager} || echo managed`);
      };
      assert.equal(await stateOf(2), "unmanaged\nunmanaged");
      assert.match(await stateOf(1), /^(configuring|configured|pending|initialized)\nmanaged$/);
      assert.equal(await machine.sh(counts), "3 2");
      assert.equal(await machine.sh(policy), wantedPolicy);
      const drift = "sriovctl drift -f /etc/sriovctl/host.yaml > /dev/null; echo $?";
      assert.equal(await machine.sh(drift), "0");
    },
  },

  {
    name: "a VF whose namespace ends is clean again by itself",
    run: async (machine) => {
      const unit = "sriovctl-returned.service";
      const to = `--to netns:ci/eth1 --mac ${lentMac}`;
      await machine.lab.check(`ip netns add ci; sriovctl attach left/2 ${to} --yes`);
      const said = `journalctl -b -u ${unit} -o cat --no-pager`;
      const end = `ip netns del ci; timeout 100 ${said} -f | grep -m 1 ^Finished`;
      await machine.lab.check(end, { timeoutMs: 120_000 });
      const link = `ip link show dev $(ls ${left.folder}/net)`;
      assert.doesNotMatch(await machine.sh(link), new RegExp(lentMac));
      assert.equal(await machine.sh(policy), wantedPolicy);
      // Its netdev comes once more when the VF is bound anew.
      const lines = await machine.sh(`udevadm settle; ${said}`);
      assert.match(lines, /^Starting [^]*\/vf2 is free and clean: .*\n[^]*^Finished /m);
      assert.equal(lines.match(/^Starting /gm)?.length, 1, lines);
    },
  },

  {
    name: "what is wrong with others' PFs stops nobody else, and the boot goes on",
    run: async (machine) => {
      await machine.write("/etc/systemd/network/10-right.link", networkdLink);
      const profile = "/etc/NetworkManager/system-connections/third.nmconnection";
      await machine.write(profile, networkManagerProfile);
      await machine.sh(`chmod 600 ${profile}`);
      const specs = {
        third: card("third", `permanentMac: "${third.mac}"`, 2),
        disk: card("disk", `address: "${nvme.address}"`, 2),
        other: card("disk", `address: "${nvme.address}"`, 3),
        broken: "apiVersion: sriovctl/v1\nadapers: []\n",
      };
      for (const [name, text] of Object.entries(specs)) {
        await machine.write(`/etc/sriovctl/${name}.yaml`, text);
      }
      await machine.sh("sync");
      await machine.cut();
      await machine.boot(withThird);
      const said = await machine.sh(journal);
      assert.equal(await machine.sh(applied), "exit-code", said);
      assert.match(said, /broken\.yaml:2:1/);
      assert.match(said, /other\.yaml:\d+/);
      assert.match(said, /10-right\.link:5: .*networkd sets 1 VF/);
      assert.match(said, /third\.nmconnection:\d+: .*networkmanager sets 1 VF/);
      assert.match(said, /^left \(0000:01:00\.0\): (applied|already as wanted)/m);
      const { left: _left, ...states } = await unattended(machine);
      assert.deepEqual(states, { right: "skipped", third: "skipped", disk: "skipped" }, said);
      assert.equal(await machine.sh("cat /run/probe"), "3 1");
      assert.equal(await machine.sh(policy), wantedPolicy);
      assert.equal(await machine.sh("systemctl is-active multi-user.target"), "active");
      const failed = "systemctl --failed --no-legend --plain | awk '{ print $1 }'";
      // udev runs it for a PF of its own accord where the driver took it after the early unit looked.
      const ours = /^sriovctl-apply\.service(\nsriovctl-apply@0000:\S+\.service)*$/;
      assert.match(await machine.sh(failed), ours);
      const numVfs = `cat ${third.folder}/sriov_numvfs`;
      assert.equal(await machine.until("1", numVfs), "1", "NetworkManager has its own");
    },
  },

  {
    name: "without the package nothing links to it, and purge leaves nothing behind",
    run: async (machine) => {
      await machine.lab.check("apt-get remove -y sriovctl", { timeoutMs: 120_000 });
      assert.equal(await machine.sh("find /etc/systemd -xtype l"), "");
      assert.match(await machine.sh("ls /etc/sriovctl"), /host\.yaml/);
      await machine.lab.check("apt-get purge -y sriovctl", { timeoutMs: 120_000 });
      const others = [
        "/proc",
        "/sys",
        "/root",
        "/var/lib/dpkg",
        "/var/log",
        "/var/cache",
        "/run/systemd",
      ];
      const found = await machine.sh(`find / /run -xdev -iname '*sriovctl*' ! -name '*.service.d' |
      grep -vE '^(${others.join("|")})/'`);
      assert.equal(found, "");
      assert.equal(
        await machine.sh("systemctl daemon-reload; systemctl is-system-running"),
        "running",
      );
      assert.equal(await machine.sh(counts), "3 1", "the VFs stay as they are");
    },
  },
];
