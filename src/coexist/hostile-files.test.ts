// No text makes a reader of other managers' files throw: rubbish, and rubbish made of their words.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readClaims } from "./claims.ts";

const paths = [
  "/etc/systemd/network/a.link",
  "/etc/systemd/network/a.network",
  "/etc/NetworkManager/system-connections/a.nmconnection",
  "/etc/NetworkManager/conf.d/a.conf",
  "/etc/sysconfig/network-scripts/ifcfg-a",
  "/etc/netplan/a.yaml",
  "/etc/nmstate/a.yml",
  "/etc/sysfs.conf",
  "/etc/tmpfiles.d/a.conf",
  "/etc/udev/rules.d/a.rules",
  "/etc/modprobe.d/a.conf",
  "/etc/rc.local",
  "/etc/sriov-operator/pci/0000:3b:00.0",
  "/etc/pve/mapping/pci.cfg",
  "/etc/pve/qemu-server/1.conf",
  "/boot/config/sriov.cfg",
  "/boot/config/sriovvfs.cfg",
];

const words = [
  ..."[Match]\n [SR-IOV]\n [sriov]\n [device]\n VirtualFunction= vf.3= total-vfs= type=ethernet\n".split(
    " ",
  ),
  ..."sriov-num-vfs= Name= VLANId= vlans= = \" ' \\ : , - { } [ ] &a *a $x %k 0 8 65536 -1".split(
    " ",
  ),
  ..."SRIOV_VF0= SRIOV_TOTAL_VFS= max_vfs=8,8 hostpci0: path= VFS= 4095 0000:3b:00.0 02:00:00:00:00:01 ens1 \0 \u2028".split(
    " ",
  ),
  "network:\n  ethernets:\n    a:\n      virtual-function-count: ",
  "interfaces:\n- ethernet: { sr-iov: { vfs: [{ id: ",
  'SUBSYSTEM=="net", ATTR{device/sriov_numvfs}="',
  'KERNEL=="',
  'RUN+="',
  "echo ",
  " > /sys/class/net/",
  "/device/sriov_numvfs\n",
  "ip link set ens1 vf ",
  " mac ",
  "options ",
  "\tmap ",
];

test("no text makes a reader throw, or promise a VF that cannot be", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join("")),
  );
  const files = fc.array(fc.record({ path: fc.constantFrom(...paths), text }), { maxLength: 4 });
  fc.assert(
    fc.property(files, (given) => {
      for (const { settings } of readClaims(given).claims) {
        for (const setting of settings) {
          assert.match(setting.where, /:\d+$/);
          if (setting.kind === "num-vfs")
            assert.ok(setting.numVfs >= 0 && setting.numVfs <= 65_535);
          if (setting.kind === "vf") assert.ok(setting.vfIndex >= 0 && setting.vfIndex < 65_535);
        }
      }
    }),
    { numRuns: 500 },
  );
});
