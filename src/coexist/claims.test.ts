// What each manager's files become, one row a habit of theirs. Forms are those of the managers'
// manual pages. Long because it is a table of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Claim, ClaimSetting } from "../model/claim.ts";
import { readClaims } from "./claims.ts";

function settingText(setting: ClaimSetting): string {
  const { where, kind, ...rest } = setting;
  const line = /:(\d+)(?::\d+)?$/.exec(where)?.[1] ?? "?";
  const values = Object.values(rest).map((value) =>
    typeof value === "object" ? JSON.stringify(value) : String(value),
  );
  return `${line} ${kind} ${values.join(" ")}`;
}

function claimText({ manager, selector, settings }: Claim): string {
  const { unjudged, ...keys } = selector;
  const words = Object.entries(keys).map(([key, values]) => `${key}=${values.join("|")}`);
  const open = unjudged.length === 0 ? [] : [`? ${unjudged.join(", ")}`];
  return `${manager} [${[...words, ...open].join(" ")}] ${settings.map(settingText).join("; ")}`;
}

type Files = Readonly<Record<string, string>>;

const filesOf = (files: Files) => Object.entries(files).map(([path, text]) => ({ path, text }));

function check(files: Files, expected: readonly string[], complaints: readonly string[] = []) {
  const { claims, problems } = readClaims(filesOf(files));
  assert.deepEqual(claims.map(claimText), expected);
  assert.deepEqual(
    problems.map(({ where, message }) => `${where}: ${message}`),
    complaints,
  );
}

test("networkd: a .link file makes VFs and gives each its attributes", () => {
  const text = `[Match]
PermanentMACAddress=B4-96-91-00-00-10
[Link]
# comments and lists as in systemd
SR-IOVVirtualFunctions=8

[SR-IOV]
VirtualFunction=0
VLANId=120
QualityOfService=3
VLANProtocol=802.1ad
MACSpoofCheck=yes
[SR-IOV]
VirtualFunction=7
Trust=off
QueryReceiveSideScaling=1
LinkState=no
MACAddress=020000000001
`;
  check({ "/etc/systemd/network/10-p0.link": text }, [
    "networkd [permanentMacs=b4:96:91:00:00:10] 5 num-vfs 8; " +
      '7 vf 0 {"spoofCheck":true,"vlan":{"id":120,"qos":3,"protocol":"802.1ad"}}; ' +
      '13 vf 7 {"rssQuery":true,"trust":false,"mac":"02:00:00:00:00:01","linkState":"disable"}',
  ]);
});

test("networkd: /etc masks /run masks /usr, drop-ins add, and .link files come first", () => {
  check(
    {
      "/usr/lib/systemd/network/10-a.link":
        "[Match]\nOriginalName=*\n[Link]\nSR-IOVVirtualFunctions=1",
      "/etc/systemd/network/10-a.link": "[Match]\nPath=pci-0000:3b:*\n[Link]\nMTUBytes=9000",
      "/run/systemd/network/10-a.link.d/vfs.conf": "[Link]\nSR-IOVVirtualFunctions=2",
      "/usr/lib/systemd/network/20-b.link": "[Match]\nName=x\n[Link]\nSR-IOVVirtualFunctions=3",
      "/etc/systemd/network/20-b.link": "",
      "/etc/systemd/network/05-c.network":
        "[Match]\nName=!eno* ens1\nHost=web1\n[SR-IOV]\nVirtualFunction=1\nTrust=yes",
      "/etc/systemd/network/30-none.link": "[Link]\nSR-IOVVirtualFunctions=4",
    },
    [
      "networkd [paths=pci-0000:3b:*] 2 num-vfs 2",
      'networkd [names=!eno*|!ens1 ? Host=web1] 4 vf 1 {"trust":true}',
    ],
  );
});

test("networkd: a .link file without a count makes as many VFs as it names", () => {
  const text = "[Match]\nDriver=igb\n[SR-IOV]\nVirtualFunction=4\n[SR-IOV]\nVirtualFunction=1";
  check({ "/etc/systemd/network/a.link": text }, [
    "networkd [drivers=igb] 3 num-vfs 5; 3 vf 4 {}; 5 vf 1 {}",
  ]);
});

test("networkd: what is no value is said with its line", () => {
  const text =
    "rubbish\n[Match]\nName=a\n[SR-IOV]\nTrust=yes\n[SR-IOV]\nVirtualFunction=0\nVLANId=0";
  check(
    { "/etc/systemd/network/a.network": text },
    ["networkd [names=a] 6 vf 0 {}"],
    [
      '/etc/systemd/network/a.network:1: Cannot use "rubbish": wanted KEY=VALUE below a [Section]',
      "/etc/systemd/network/a.network:4: Cannot use [SR-IOV]: it has no VirtualFunction, wanted the index of a VF",
      '/etc/systemd/network/a.network:8: Cannot use VLANId "0" with its QoS and protocol',
    ],
  );
});

test("NetworkManager: a profile with [sriov] holds the count, also when it does not write it", () => {
  const profile = (more: string): string => `[connection]\ntype=ethernet\n${more}`;
  const folder = "/etc/NetworkManager/system-connections";
  check(
    {
      [`${folder}/p0.nmconnection`]: profile(
        "interface-name=ens1f0\n[sriov]\nautoprobe-drivers=0\neswitch-mode=1\ntotal-vfs=8\n" +
          "vf.0=mac=02:00:00:00:00:01 max-tx-rate=100 min-tx-rate=0 spoof-check=true vlans=100.3.ad;200\n" +
          "vf.3=\\svlans=5\n",
      ),
      [`${folder}/any.nmconnection`]: profile("[match]\ndriver=!igb;\n[sriov]\n"),
      [`${folder}/mac.nmconnection`]: profile(
        "[ethernet]\nmac-address=B4:96:91:00:00:10\n[sriov]\n",
      ),
      [`${folder}/other.nmconnection`]: profile("[ipv4]\nmethod=auto\n"),
    },
    [
      "networkmanager [names=ens1f0] 7 num-vfs 8; 5 autoprobe false; 6 eswitch-mode switchdev; " +
        '8 vf 0 {"mac":"02:00:00:00:00:01","rate":{"maxMbps":100,"minMbps":0},"spoofCheck":true,"vlan":{"id":100,"qos":3,"protocol":"802.1ad"}}; ' +
        '9 vf 3 {"vlan":{"id":5,"qos":0,"protocol":"802.1q"}}',
      "networkmanager [drivers=!igb] 5 num-vfs 0",
      "networkmanager [permanentMacs=b4:96:91:00:00:10] 5 num-vfs 0",
    ],
    [`${folder}/p0.nmconnection:8: Cannot use all of vlans="100.3.ad;200": wanted one`],
  );
});

test("NetworkManager: one UUID is one profile, and [device] sections may have counts", () => {
  const text = "[connection]\nuuid=1-2\ntype=ethernet\ninterface-name=a\n[sriov]\ntotal-vfs=";
  check(
    {
      "/etc/NetworkManager/system-connections/a.nmconnection": `${text}1`,
      "/run/NetworkManager/system-connections/a.nmconnection": `${text}2`,
      "/etc/NetworkManager/conf.d/10.conf":
        "[device-x]\nmatch-device=interface-name:ens1*;except:driver:igb\nsriov-num-vfs=4\n" +
        "[device-y]\nmatch-device=mac:B4:96:91:00:00:10\nsriov-num-vfs=5",
    },
    [
      "networkmanager [names=a] 6 num-vfs 2",
      "networkmanager [? match-device] 3 num-vfs 4",
      "networkmanager [permanentMacs=b4:96:91:00:00:10] 6 num-vfs 5",
    ],
  );
});

test("NetworkManager: ifcfg files of Red Hat's systems", () => {
  check(
    {
      "/etc/sysconfig/network-scripts/ifcfg-ens1f0":
        'DEVICE=ens1f0\nONBOOT=yes\nSRIOV_TOTAL_VFS=4\nSRIOV_VF0="mac=02:00:00:00:00:01 vlans=5"\nSRIOV_X=1\n',
      "/etc/sysconfig/network-scripts/ifcfg-lo": "DEVICE=lo\n",
    },
    [
      'networkmanager [names=ens1f0] 3 num-vfs 4; 4 vf 0 {"mac":"02:00:00:00:00:01","vlan":{"id":5,"qos":0,"protocol":"802.1q"}}',
    ],
    ['/etc/sysconfig/network-scripts/ifcfg-ens1f0:5: Cannot use "SRIOV_X=1"'],
  );
});

test("netplan: files merge key by key, VFs are counted, and VLANs in hardware are theirs", () => {
  check(
    {
      "/etc/netplan/10.yaml":
        "network:\n  ethernets:\n    pf:\n      match: { macaddress: 'b4:96:91:00:00:10' }\n" +
        "      virtual-function-count: 8\n    eno9: {}\n    va: { link: eno9 }\n    vb: { link: eno9 }\n" +
        "  vlans:\n    va.5: { id: 5, link: va, renderer: sriov }\n    vx: { id: 6, link: eno9 }\n",
      "/etc/netplan/20.yaml":
        "network:\n  ethernets:\n    pf: { embedded-switch-mode: switchdev, virtual-function-count: 4 }\n",
      "/run/netplan/10.yaml.bak": "x",
    },
    [
      "netplan [permanentMacs=b4:96:91:00:00:10] 3 num-vfs 4; 3 eswitch-mode switchdev",
      'netplan [names=eno9] 7 num-vfs 2; 10 vf-netdev ["va"] {"vlan":{"id":5,"qos":0,"protocol":"802.1q"}}',
    ],
  );
});

test("nmstate: total-vfs or the highest index, and every attribute of a VF", () => {
  const text = `interfaces:
- name: ens1f0
  type: ethernet
  ethernet:
    sr-iov:
      total-vfs: "8"
      drivers-autoprobe: false
      vfs:
      - { id: 0, mac-address: 02:00:00:00:00:01, spoof-check: true, trust: "no", min-tx-rate: 0, max-tx-rate: 100, vlan-id: 5, qos: 2, vlan-proto: 802.1ad }
- name: x
  identifier: pci-address
  pci-address: 0000:3B:00.0
  ethernet: { sr-iov: { vfs: [{ id: 3, vlan-id: 0 }, { trust: true }] } }
- name: y
`;
  check(
    { "/etc/nmstate/a.yml": text },
    [
      'nmstate [names=ens1f0] 6 num-vfs 8; 7 autoprobe false; 9 vf 0 {"mac":"02:00:00:00:00:01","spoofCheck":true,"trust":false,"rate":{"minMbps":0,"maxMbps":100},"vlan":{"id":5,"qos":2,"protocol":"802.1ad"}}',
      'nmstate [addresses=0000:3b:00.0] 13 num-vfs 4; 13 vf 3 {"vlan":"none"}',
    ],
    ["/etc/nmstate/a.yml:13:54: Cannot use a VF without an id: wanted its index"],
  );
});

test("sysfsutils and tmpfiles write values at boot", () => {
  check(
    {
      "/etc/sysfs.conf":
        "# class/net/x/device/sriov_numvfs = 1\nclass/net/eno1/device/sriov_numvfs = 8\nmode bus/pci/devices/0000:3b:00.0/sriov_numvfs = 0600\n",
      "/etc/sysfs.d/vfs.conf":
        "bus/pci/devices/3b:00.1/sriov_drivers_autoprobe=0\ndevices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/sriov_numvfs = 4",
      "/etc/tmpfiles.d/v.conf":
        "w /sys/class/net/ens*/device/sriov_numvfs - - - - 2\nd /run/x - - - -",
    },
    [
      "sysfs [names=eno1] 2 num-vfs 8",
      "sysfs [addresses=0000:3b:00.1] 1 autoprobe false",
      "sysfs [addresses=0000:3b:00.0] 2 num-vfs 4",
      "tmpfiles [names=ens*] 1 num-vfs 2",
    ],
  );
});

test("udev: attributes and RUN of shell, with the conditions that can be judged", () => {
  const rules = `ACTION=="add", SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="ixgbe", ATTR{device/sriov_numvfs}="8"
ACTION=="add", SUBSYSTEM=="pci", KERNEL=="0000:3b:00.0", ATTR{sriov_totalvfs}=="?*", \\
  ATTR{sriov_numvfs}="4"
SUBSYSTEM=="net", KERNEL=="ens1f0|ens1f1", ENV{X}=="y", RUN+="/bin/sh -c 'echo 2 > /sys/class/net/%k/device/sriov_numvfs'"
SUBSYSTEM=="pci", ATTR{vendor}=="0x8086", ATTR{device}=="0x10FB", RUN+="/bin/sh -c \\"echo 3 > /sys/bus/pci/devices/0000:5e:00.0/sriov_numvfs\\""
SUBSYSTEM=="pci", ATTR{vendor}=="0x8086", ATTR{device}=="0x10FB", ATTR{sriov_drivers_autoprobe}="0"
sriov_numvfs = what
`;
  check(
    { "/etc/udev/rules.d/90.rules": rules },
    [
      "udev [drivers=ixgbe] 1 num-vfs 8",
      "udev [addresses=0000:3b:00.0] 2 num-vfs 4",
      "udev [names=ens1f0|ens1f1 ? ENV{X}==y] 4 num-vfs 2",
      "udev [addresses=0000:5e:00.0] 5 num-vfs 3",
      "udev [ids=8086:10fb] 6 autoprobe false",
    ],
    [
      '/etc/udev/rules.d/90.rules:7: Cannot use rule "sriov_numvfs = what": wanted KEY=="value", ...',
    ],
  );
});

test("scripts: what a line of shell plainly writes, and that it computes the rest", () => {
  const script = `#!/bin/sh
# echo 1 > /sys/class/net/eno1/device/sriov_numvfs
echo 8 > /sys/class/net/eno1/device/sriov_numvfs
echo '4' | sudo tee /sys/bus/pci/devices/0000\\:3b\\:00.0/sriov_numvfs
for i in a b; do echo $N > /sys/class/net/$i/device/sriov_numvfs; done
ip link set eno1 vf 0 mac 02:00:00:00:00:01 vlan 5 qos 2 && ip l s dev eno1 vf 1 spoofchk off
ip -d link set dev eno1 vf 1 state enable max_tx_rate 100
cat /sys/class/net/eno1/device/sriov_numvfs
`;
  check({ "/etc/rc.local": script }, [
    "script [names=eno1] 3 num-vfs 8",
    "script [addresses=0000:3b:00.0] 4 num-vfs 4",
    "script [? $i] 5 other sriov_numvfs=$N",
    'script [names=eno1] 6 vf 0 {"mac":"02:00:00:00:00:01","vlan":{"id":5,"qos":2,"protocol":"802.1q"}}',
    'script [names=eno1] 6 vf 1 {"spoofCheck":false}',
    'script [names=eno1] 7 vf 1 {"rate":{"maxMbps":100},"linkState":"enable"}',
  ]);
});

test("modprobe, the Kubernetes operator and Unraid", () => {
  check(
    {
      "/etc/modprobe.d/a.conf":
        "options ixgbe max_vfs=8,8 allow_unsupported_sfp=1\noptions igb max_vfs=0\n",
      "/proc/cmdline": "quiet igb.max_vfs=2 ixgbe.max_vfs=0 intel_iommu=on\n",
      "/etc/sriov-operator/pci/0000:3b:00.0": '{"name":"ens1f0","numVfs":6,"eSwitchMode":"legacy"}',
      "/etc/sriov-operator/pci/0000:3b:00.1": '{"numVfs":6,"externallyManaged":true}',
      "/boot/config/sriov.cfg": "VFS=0000:04:00.1|8086:1521|3 0000:04:00.0|8086:1521|2",
      "/boot/config/sriovvfs.cfg": "VFSETTINGS=0000:04:10.5|8086:1520|1|62:00:04:10:05:01",
    },
    [
      "modprobe [drivers=ixgbe] 1 other max_vfs=8,8",
      "modprobe [drivers=igb] 1 other max_vfs=2",
      "sriov-operator [addresses=0000:3b:00.0] 1 num-vfs 6; 1 eswitch-mode legacy",
      "unraid [addresses=0000:04:00.1] 1 num-vfs 3",
      "unraid [addresses=0000:04:00.0] 1 num-vfs 2",
      "unraid [vfAddresses=0000:04:10.5] 1 other VF 0000:04:10.5: mac 62:00:04:10:05:01, vfio-pci",
    ],
  );
});

test("Proxmox VE: devices of VMs now, by address or by this node's mapping", () => {
  check(
    {
      "/etc/hostname": "pve1\n",
      "/etc/pve/mapping/pci.cfg":
        "nic\n\tdescription x\n\tmap id=8086:1520,node=pve1,path=0000:3b:10.0\n\tmap id=8086:1520,node=pve2,path=0000:5e:10.0\n",
      "/etc/pve/qemu-server/103.conf":
        "cores: 2\nhostpci0: mapping=nic,pcie=1\nhostpci1: 3b:00.0,pcie=1\n[snap]\nhostpci0: 5e:00.0\n",
    },
    [
      "proxmox [addresses=0000:3b:10.0] 2 pf-assigned pve:103/hostpci0",
      "proxmox [vfAddresses=0000:3b:10.0] 2 vf-assigned 0000:3b:10.0 pve:103/hostpci0",
      "proxmox [addresses=0000:3b:00.0] 3 pf-assigned pve:103/hostpci1",
      "proxmox [vfAddresses=0000:3b:00.0] 3 vf-assigned 0000:3b:00.0 pve:103/hostpci1",
    ],
  );
});
